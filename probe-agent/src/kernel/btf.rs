//! What the running kernel says about its own types.

use std::io::Read;
use std::path::Path;
use std::{fs, io};

use btf_rs::{Backend, Btf, BtfType, Struct, Type};

use super::KernelError;

const PATH: &str = "/sys/kernel/btf/vmlinux";
/// Steps from a type to the next that are followed; no kernel type has more, and a cycle has no end.
const DEEPEST: usize = 32;
/// Members that are looked at in search of one; `task_struct` has some 300.
const MOST_MEMBERS: u32 = 100_000;
/// Bytes of the header: magic, version, flags, and five lengths and offsets.
const HEADER_BYTES: usize = 24;

/// The kernel's BTF. Holds a mapping of a few MiB: drop it when done.
pub(super) struct Types(Btf);

impl Types {
    pub(super) fn read() -> Result<Self, KernelError> {
        Self::from_file(Path::new(PATH))
    }

    fn from_file(path: &Path) -> Result<Self, KernelError> {
        // btf-rs reports a missing file like a broken one; tell them apart first.
        let no_btf = |source| KernelError::NoBtf { source };
        let file = fs::File::open(path).map_err(no_btf)?;
        let length = file.metadata().map_err(no_btf)?.len();
        let mut header = Vec::new();
        let mut start = file.take(HEADER_BYTES as u64);
        start.read_to_end(&mut header).map_err(no_btf)?;
        check_header(&header, length)?;
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

    /// Reads BTF that is in memory. The kernel's own is in a file; this is for tests.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, KernelError> {
        check_header(bytes, bytes.len() as u64)?;
        Btf::from_bytes(bytes)
            .map(Self)
            .map_err(|error| broken(error.to_string()))
    }

    /// Whether the kernel has the tracepoint `name`, on this architecture or another.
    pub(super) fn has_tracepoint(&self, name: &str) -> bool {
        self.0
            .resolve_types_by_name(&format!("btf_trace_{name}"))
            .is_ok_and(|types| !types.is_empty())
    }

    /// The arguments of a tracepoint, without typedefs and qualifiers; `None` if it is not there. (The
    /// tracepoint's own data, which BTF lists first, is left out.)
    pub(super) fn arguments(&self, tracepoint: &str) -> Option<Vec<Type>> {
        let typedef = self
            .types(&format!("btf_trace_{tracepoint}"))
            .into_iter()
            .find(|found| matches!(found, Type::Typedef(_)))?;
        let steps = std::iter::successors(self.chained(&typedef), |found| self.chained(found));
        for found in steps.take(DEEPEST) {
            if let Type::FuncProto(prototype) = &found {
                return prototype
                    .parameters
                    .iter()
                    .skip(1)
                    .map(|one| self.chained_type(one))
                    .collect();
            }
        }
        None
    }

    /// Byte offset of a member, through nested structs; members of unnamed structs and unions count
    /// as members of what is around them, as in C.
    pub(super) fn offset(&self, structure: &str, path: &[&str]) -> Result<u64, KernelError> {
        let named = || format!("struct {structure}, member {}", path.join("."));
        let mut current = self
            .types(structure)
            .into_iter()
            .find_map(as_struct)
            .ok_or_else(|| unexpected(&named(), "is not described"))?;
        let mut bits = 0u64;
        for (depth, name) in path.iter().enumerate() {
            let (offset, kind) = self
                .member(&current, name, DEEPEST, &mut { MOST_MEMBERS })
                .ok_or_else(|| unexpected(&named(), "does not exist"))?;
            bits = bits.saturating_add(offset);
            if depth + 1 < path.len() {
                current = as_struct(kind)
                    .ok_or_else(|| unexpected(&named(), "is not a struct inside a struct"))?;
            }
        }
        Ok(bits / 8)
    }

    /// Bit offset and type of a direct member, or of one of unnamed structs inside, `depth` deep.
    /// Looks at no more than `budget` members: a struct that contains itself twice has 2^32 of them.
    fn member(
        &self,
        structure: &Struct,
        name: &str,
        depth: usize,
        budget: &mut u32,
    ) -> Option<(u64, Type)> {
        let depth = depth.checked_sub(1)?;
        structure.members.iter().find_map(|member| {
            *budget = budget.checked_sub(1)?;
            let found = self.0.resolve_name(member).ok()?;
            let kind = self.chained_type(member)?;
            if found == name {
                return Some((u64::from(member.bit_offset()), kind));
            }
            if !found.is_empty() {
                return None;
            }
            let (offset, kind) = self.member(&as_struct(kind)?, name, depth, budget)?;
            Some((offset.saturating_add(member.bit_offset().into()), kind))
        })
    }

    /// The value of a constant of an enumeration.
    pub(super) fn enumerator(&self, enumeration: &str, name: &str) -> Result<u32, KernelError> {
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
        let first = self.0.resolve_chained_type(of).ok();
        std::iter::successors(first, |found| self.chained(found))
            .take(DEEPEST)
            .find(|found| !is_only_a_name(found))
    }
}

/// Typedefs and qualifiers.
fn is_only_a_name(found: &Type) -> bool {
    matches!(
        found,
        Type::Typedef(_)
            | Type::Const(_)
            | Type::Volatile(_)
            | Type::Restrict(_)
            | Type::TypeTag(_)
    )
}

/// Refuses sections that are not in the file: btf-rs adds these numbers up and reads there unasked.
fn check_header(start: &[u8], length: u64) -> Result<(), KernelError> {
    let header: &[u8; HEADER_BYTES] = start
        .first_chunk()
        .ok_or_else(|| broken(format!("{} bytes are no header", start.len())))?;
    let little_endian = header[..2] == [0x9f, 0xeb];
    let number = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u64::from(match little_endian {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        })
    };
    let header_length = number(4);
    for (section, offset, size) in [
        ("type", number(8), number(12)),
        ("string", number(16), number(20)),
    ] {
        let end = header_length + offset + size;
        if end > length {
            return Err(broken(format!(
                "the {section} section ends at byte {end} of {length}"
            )));
        }
    }
    Ok(())
}

fn broken(problem: String) -> KernelError {
    KernelError::NoBtf {
        source: io::Error::new(io::ErrorKind::InvalidData, problem),
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
