use crate::{
    error::{Reason, SampleError},
    read::read_path,
    roots::Roots,
    text::{keyed_lines, kilobytes},
};

/// Memory of the whole machine, from `/proc/meminfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineMemory {
    /// Usable memory.
    pub total_bytes: u64,
    /// What new programs could take without swapping, as the kernel estimates it.
    pub available_bytes: Option<u64>,
    /// Swap space.
    pub swap_total_bytes: Option<u64>,
    /// Swap space that is free.
    pub swap_free_bytes: Option<u64>,
}

impl MachineMemory {
    /// Reads it.
    pub fn read(roots: &Roots) -> Result<Self, SampleError> {
        let path = roots.proc().join("meminfo");
        let memory = read_path(&path).and_then(|content| parse_meminfo(&content).ok_or(Reason::Garbage));
        memory.map_err(|reason| SampleError::of_path(path, reason))
    }
}

fn parse_meminfo(content: &[u8]) -> Option<MachineMemory> {
    let find = |wanted| {
        keyed_lines(content)
            .find(|(key, _)| *key == wanted)
            .and_then(|(_, value)| kilobytes(value))
    };
    Some(MachineMemory {
        total_bytes: find("MemTotal")?,
        available_bytes: find("MemAvailable"),
        swap_total_bytes: find("SwapTotal"),
        swap_free_bytes: find("SwapFree"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::testing::{check_every_truncation, mutations};

    const MEMINFO: &[u8] = b"MemTotal:       24684220 kB\nMemFree:          503512 kB\n\
        MemAvailable:   23721000 kB\nSwapTotal:       2097148 kB\nSwapFree:        1048576 kB\n";

    #[test]
    fn meminfo_is_read() {
        let whole = MachineMemory {
            total_bytes: 24_684_220 << 10,
            available_bytes: Some(23_721_000 << 10),
            swap_total_bytes: Some(2_097_148 << 10),
            swap_free_bytes: Some(1_048_576 << 10),
        };
        assert_eq!(parse_meminfo(MEMINFO), Some(whole));
        check_every_truncation(MEMINFO, parse_meminfo, |memory| {
            memory.is_none_or(|memory| {
                memory.total_bytes == whole.total_bytes
                    && (memory.available_bytes.is_none() || memory.available_bytes == whole.available_bytes)
                    && (memory.swap_free_bytes.is_none() || memory.swap_free_bytes == whole.swap_free_bytes)
            })
        });
        for content in mutations(MEMINFO) {
            let _ = parse_meminfo(&content);
        }
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = MachineMemory::read(&Roots::default()).unwrap();
        assert!(memory.total_bytes > 64 << 20);
        assert!(
            memory
                .available_bytes
                .is_none_or(|available| available <= memory.total_bytes)
        );
    }

    #[test]
    fn a_missing_file_is_said() {
        let error = MachineMemory::read(&Roots::new("/nowhere", "/nowhere")).unwrap_err();
        assert!(matches!(error, SampleError::Missing { .. }), "{error}");
        assert_eq!(error.to_string(), "`/nowhere/meminfo` does not exist");
    }
}
