//! What the running kernel says about its own types.

use std::path::Path;
use std::{fs, io};

use btf_rs::{Backend, Btf, BtfType, Struct, Type};
use ebpf_common::Layout;

use super::KernelError;
use crate::hierarchy::Tree;

const PATH: &str = "/sys/kernel/btf/vmlinux";

/// The kernel's BTF. Holds a mapping of a few MiB: drop it when done.
pub(super) struct Types(Btf);

/// How `sched_switch` passes its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SwitchArguments {
    /// `(preempt, prev, next)`, before 5.18.
    WithoutState,
    /// `(preempt, prev_state, prev, next)`, 5.18 alone.
    StateSecond,
    /// `(preempt, prev, next, prev_state)`.
    StateLast,
}

impl Types {
    pub(super) fn read() -> Result<Self, KernelError> {
        Self::from_file(Path::new(PATH))
    }

    fn from_file(path: &Path) -> Result<Self, KernelError> {
        // btf-rs reports a missing file like a broken one; tell them apart first.
        fs::File::open(path).map_err(|source| KernelError::NoBtf { source })?;
        match Btf::from_file_with_backend(path, Backend::Mmap) {
            Ok(btf) => Ok(Self(btf)),
            // sysfs lets the file be mapped only since 6.16.
            Err(_) => Btf::from_file(path)
                .map(Self)
                .map_err(|error| KernelError::NoBtf {
                    source: io::Error::new(io::ErrorKind::InvalidData, error),
                }),
        }
    }

    /// Offsets that every program needs, for containers that are cgroups of `tree`. Those of the
    /// scheduler and socket programs are added by the functions below.
    pub(super) fn layout(&self, tree: Tree) -> Result<Layout, KernelError> {
        let mut layout = Layout {
            task_pid: self.offset("task_struct", &["pid"])?,
            task_cgroups: self.offset("task_struct", &["cgroups"])?,
            cgroup_kn: self.offset("cgroup", &["kn"])?,
            kn_id: self.offset("kernfs_node", &["id"])?,
            ..Layout::default()
        };
        match tree {
            Tree::V2 => layout.css_set_group = self.offset("css_set", &["dfl_cgrp"])?,
            Tree::V1Cpu => {
                let controller = u64::from(self.enumerator("cgroup_subsys_id", "cpu_cgrp_id")?);
                layout.version_1 = 1;
                layout.css_set_group =
                    self.offset("css_set", &["subsys"])? + controller * size_of::<u64>() as u64;
                layout.css_cgroup = self.offset("cgroup_subsys_state", &["cgroup"])?;
            }
        }
        Ok(layout)
    }

    /// Adds what the scheduler programs need.
    pub(super) fn scheduler(&self, layout: &mut Layout) -> Result<SwitchArguments, KernelError> {
        layout.task_run_delay = self.offset("task_struct", &["sched_info", "run_delay"])?;
        layout.task_exec_runtime = self.offset("task_struct", &["se", "sum_exec_runtime"])?;
        let arguments = self.switch_arguments()?;
        match arguments {
            SwitchArguments::StateLast => layout.switch_passes_state = 1,
            SwitchArguments::StateSecond => {}
            SwitchArguments::WithoutState => {
                // Renamed in 5.14.
                layout.task_state = self
                    .offset("task_struct", &["__state"])
                    .or_else(|_| self.offset("task_struct", &["state"]))?;
            }
        }
        Ok(arguments)
    }

    /// Adds what the socket program needs.
    pub(super) fn sockets(&self, layout: &mut Layout) -> Result<(), KernelError> {
        layout.sock_family = self.offset("sock", &["__sk_common", "skc_family"])?;
        Ok(())
    }

    /// Whether the kernel has the tracepoint `name`, on this architecture or another.
    pub(super) fn has_tracepoint(&self, name: &str) -> bool {
        self.0
            .resolve_types_by_name(&format!("btf_trace_{name}"))
            .is_ok_and(|types| !types.is_empty())
    }

    fn switch_arguments(&self) -> Result<SwitchArguments, KernelError> {
        let missing = || unexpected("tracepoint sched_switch", "is not described");
        let typedef = self
            .types("btf_trace_sched_switch")
            .into_iter()
            .find(|found| matches!(found, Type::Typedef(_)))
            .ok_or_else(missing)?;
        let mut parameters = Vec::new();
        let mut walk = self.chained(&typedef);
        while let Some(found) = walk {
            if let Type::FuncProto(prototype) = &found {
                parameters = prototype
                    .parameters
                    .iter()
                    .map(|one| self.chained_type(one))
                    .collect();
                break;
            }
            walk = self.chained(&found);
        }
        // The first parameter is the tracepoint's own data, the second `preempt`.
        let is_task = |at: usize| matches!(parameters.get(at), Some(Some(Type::Ptr(_))));
        match (is_task(2), is_task(3), is_task(4), parameters.len()) {
            (true, true, _, 4) => Ok(SwitchArguments::WithoutState),
            (true, true, false, 5) => Ok(SwitchArguments::StateLast),
            (false, true, true, 5) => Ok(SwitchArguments::StateSecond),
            _ => Err(unexpected(
                "tracepoint sched_switch",
                "has arguments of an unknown order",
            )),
        }
    }

    /// Byte offset of a member, through nested structs; members of unnamed structs and unions count
    /// as members of what is around them, as in C.
    fn offset(&self, structure: &str, path: &[&str]) -> Result<u64, KernelError> {
        let named = || format!("struct {structure}, member {}", path.join("."));
        let mut current = self
            .types(structure)
            .into_iter()
            .find_map(as_struct)
            .ok_or_else(|| unexpected(&named(), "is not described"))?;
        let mut bits = 0;
        for (depth, name) in path.iter().enumerate() {
            let (offset, kind) = self
                .member(&current, name)
                .ok_or_else(|| unexpected(&named(), "does not exist"))?;
            bits += offset;
            if depth + 1 < path.len() {
                current = as_struct(kind)
                    .ok_or_else(|| unexpected(&named(), "is not a struct inside a struct"))?;
            }
        }
        Ok(u64::from(bits / 8))
    }

    /// Bit offset and type of a direct member.
    fn member(&self, structure: &Struct, name: &str) -> Option<(u32, Type)> {
        structure.members.iter().find_map(|member| {
            let found = self.0.resolve_name(member).ok()?;
            let kind = self.chained_type(member)?;
            if found == name {
                return Some((member.bit_offset(), kind));
            }
            if !found.is_empty() {
                return None;
            }
            let (offset, kind) = self.member(&as_struct(kind)?, name)?;
            Some((member.bit_offset() + offset, kind))
        })
    }

    fn enumerator(&self, enumeration: &str, name: &str) -> Result<u32, KernelError> {
        self.types(enumeration)
            .into_iter()
            .find_map(|found| match found {
                Type::Enum(found) => found
                    .members
                    .iter()
                    .find(|one| self.0.resolve_name(*one).is_ok_and(|found| found == name))
                    .map(|one| one.val()),
                _ => None,
            })
            .ok_or_else(|| unexpected(&format!("enum {enumeration}"), &format!("lacks {name}")))
    }

    fn types(&self, name: &str) -> Vec<Type> {
        self.0.resolve_types_by_name(name).unwrap_or_default()
    }

    fn chained(&self, from: &Type) -> Option<Type> {
        self.0.resolve_chained_type(from.as_btf_type()?).ok()
    }

    /// The type of a member or parameter without typedefs and qualifiers.
    fn chained_type(&self, of: &dyn BtfType) -> Option<Type> {
        let mut found = self.0.resolve_chained_type(of).ok()?;
        while matches!(
            found,
            Type::Typedef(_)
                | Type::Const(_)
                | Type::Volatile(_)
                | Type::Restrict(_)
                | Type::TypeTag(_)
        ) {
            found = self.chained(&found)?;
        }
        Some(found)
    }
}

fn as_struct(found: Type) -> Option<Struct> {
    match found {
        Type::Struct(found) | Type::Union(found) => Some(found),
        _ => None,
    }
}

fn unexpected(what: &str, problem: &str) -> KernelError {
    KernelError::Btf {
        what: format!("{what} {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_says_what_the_kernel_needs() {
        let error = Types::from_file(Path::new("/nowhere/vmlinux"))
            .err()
            .expect("an error");
        assert!(matches!(error, KernelError::NoBtf { .. }));
        assert!(
            error.to_string().contains("CONFIG_DEBUG_INFO_BTF"),
            "{error}"
        );
    }

    #[test]
    fn garbage_is_an_error_too() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), b"no BTF at all").expect("written");
        assert!(matches!(
            Types::from_file(file.path()),
            Err(KernelError::NoBtf { .. })
        ));
    }
}
