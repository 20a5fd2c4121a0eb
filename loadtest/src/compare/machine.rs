//! This machine, for records.

use comparison::record::Machine;

/// What is known of it.
pub(super) fn this_one(cluster: &str) -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory_kib = field(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    Machine {
        cluster: cluster.to_owned(),
        cpus: std::thread::available_parallelism()
            .map_or(0, |cpus| u32::try_from(cpus.get()).unwrap_or(0)),
        cpu_model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        memory_bytes: memory_kib.unwrap_or(0) * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_is_known() {
        let machine = super::this_one("local cluster");
        assert!(machine.cpus > 0 && machine.memory_bytes > 1 << 28);
        assert!(machine.kernel.contains('.'));
    }
}
