//! `/proc/PID/smaps_rollup`, `/proc/PID/status` and `/proc/PID/io`.

use crate::text::{keyed_lines, kilobytes};

/// How resident memory splits, from `smaps_rollup`: exact, but the kernel walks every page table
/// entry for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemorySplit {
    /// Resident memory, counted exactly.
    pub rss_bytes: u64,
    /// Proportional: each shared page counts by the share of this process.
    pub pss_bytes: u64,
    /// Pages that nobody else maps.
    pub private_bytes: u64,
    /// Pages without a file behind them.
    pub anonymous_bytes: u64,
    /// Swapped out.
    pub swap_bytes: u64,
}

/// The cheap split from `status`. `None` where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatusMemory {
    /// Resident pages without a file behind them.
    pub anonymous_bytes: Option<u64>,
    /// Resident pages of files.
    pub file_bytes: Option<u64>,
    /// Resident pages of shared memory.
    pub shared_bytes: Option<u64>,
    /// Swapped out.
    pub swap_bytes: Option<u64>,
    /// Highest resident memory so far.
    pub peak_rss_bytes: Option<u64>,
}

/// Bytes read and written, from `io`, cumulative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Io {
    /// By read calls, cached or not, sockets included.
    pub read_bytes: u64,
    /// By write calls.
    pub written_bytes: u64,
    /// Fetched from storage.
    pub storage_read_bytes: u64,
    /// Sent to storage.
    pub storage_written_bytes: u64,
}

pub(crate) fn parse_smaps_rollup(content: &[u8]) -> Option<MemorySplit> {
    let (mut rss, mut pss, mut clean, mut dirty, mut anonymous, mut swap) =
        (None, None, None, None, None, None);
    for (key, value) in keyed_lines(content) {
        let field = match key {
            "Rss" => &mut rss,
            "Pss" => &mut pss,
            "Private_Clean" => &mut clean,
            "Private_Dirty" => &mut dirty,
            "Anonymous" => &mut anonymous,
            "Swap" => &mut swap,
            _ => continue,
        };
        *field = kilobytes(value);
    }
    Some(MemorySplit {
        rss_bytes: rss?,
        pss_bytes: pss?,
        private_bytes: clean?.checked_add(dirty?)?,
        anonymous_bytes: anonymous?,
        swap_bytes: swap?,
    })
}

/// `None` if this is no `status` file; a kernel thread's has no memory lines, which is sound.
pub(crate) fn parse_status(content: &[u8]) -> Option<StatusMemory> {
    let mut memory = StatusMemory::default();
    let mut named = false;
    for (key, value) in keyed_lines(content) {
        let field = match key {
            "Name" => {
                named = true;
                continue;
            }
            "RssAnon" => &mut memory.anonymous_bytes,
            "RssFile" => &mut memory.file_bytes,
            "RssShmem" => &mut memory.shared_bytes,
            "VmSwap" => &mut memory.swap_bytes,
            "VmHWM" => &mut memory.peak_rss_bytes,
            _ => continue,
        };
        *field = kilobytes(value);
    }
    named.then_some(memory)
}

/// The pid as each nested namespace sees it, outermost first; from `status`.
pub(crate) fn parse_namespace_pids(content: &[u8]) -> Vec<u32> {
    let line = keyed_lines(content).find(|(key, _)| *key == "NSpid");
    line.map(|(_, pids)| {
        pids.split_ascii_whitespace()
            .map_while(|pid| pid.parse().ok())
            .collect()
    })
    .unwrap_or_default()
}

/// The effective user, from `status`.
pub(crate) fn parse_user(content: &[u8]) -> Option<u32> {
    let (_, ids) = keyed_lines(content).find(|(key, _)| *key == "Uid")?;
    ids.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub(crate) fn parse_io(content: &[u8]) -> Option<Io> {
    let (mut read, mut written, mut storage_read, mut storage_written) = (None, None, None, None);
    for (key, value) in keyed_lines(content) {
        let field = match key {
            "rchar" => &mut read,
            "wchar" => &mut written,
            "read_bytes" => &mut storage_read,
            "write_bytes" => &mut storage_written,
            _ => continue,
        };
        *field = value.parse().ok();
    }
    Some(Io {
        read_bytes: read?,
        written_bytes: written?,
        storage_read_bytes: storage_read?,
        storage_written_bytes: storage_written?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::testing::{check_every_truncation, mutations};

    const ROLLUP: &[u8] = b"55af19cf6000-7ffee437e000 ---p 00000000 00:00 0                          [rollup]\n\
        Rss:                1752 kB\nPss:                 344 kB\nPss_Dirty:           112 kB\n\
        Shared_Clean:       1580 kB\nShared_Dirty:          0 kB\nPrivate_Clean:        60 kB\n\
        Private_Dirty:       112 kB\nReferenced:         1752 kB\nAnonymous:           112 kB\n\
        AnonHugePages:         0 kB\nSwap:                  8 kB\nSwapPss:               4 kB\nLocked:  0 kB\n";

    const STATUS: &[u8] = b"Name:\tno de\nUmask:\t0022\nState:\tR (running)\nTgid:\t7890\nPid:\t7890\n\
        Uid:\t1000\t1001\t1000\t1000\nNSpid:\t7890\t12\nVmHWM:\t    1728 kB\nVmRSS:\t    1720 kB\n\
        RssAnon:\t     116 kB\nRssFile:\t    1612 kB\nRssShmem:\t       0 kB\nVmSwap:\t      16 kB\nThreads:\t1\n";

    const IO: &[u8] = b"rchar: 6976\nwchar: 12\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 8192\n\
        cancelled_write_bytes: 0\n";

    #[test]
    fn smaps_rollup_splits() {
        let expected = MemorySplit {
            rss_bytes: 1752 << 10,
            pss_bytes: 344 << 10,
            private_bytes: 172 << 10,
            anonymous_bytes: 112 << 10,
            swap_bytes: 8 << 10,
        };
        assert_eq!(parse_smaps_rollup(ROLLUP), Some(expected));
        check_every_truncation(ROLLUP, parse_smaps_rollup, |split| {
            split.is_none() || *split == Some(expected)
        });
    }

    #[test]
    fn status_gives_memory_user_and_pids() {
        let whole = StatusMemory {
            anonymous_bytes: Some(116 << 10),
            file_bytes: Some(1612 << 10),
            shared_bytes: Some(0),
            swap_bytes: Some(16 << 10),
            peak_rss_bytes: Some(1728 << 10),
        };
        assert_eq!(parse_status(STATUS), Some(whole));
        assert_eq!(parse_user(STATUS), Some(1001));
        assert_eq!(parse_namespace_pids(STATUS), [7890, 12]);
        let sound = |field: fn(&StatusMemory) -> Option<u64>, memory: &StatusMemory| {
            field(memory).is_none() || field(memory) == field(&whole)
        };
        check_every_truncation(STATUS, parse_status, |memory| {
            memory.is_none_or(|memory| {
                sound(|m| m.anonymous_bytes, &memory)
                    && sound(|m| m.swap_bytes, &memory)
                    && sound(|m| m.peak_rss_bytes, &memory)
            })
        });
        check_every_truncation(STATUS, parse_namespace_pids, |pids| {
            pids.is_empty() || pids == &[7890, 12]
        });
    }

    #[test]
    fn a_kernel_thread_has_no_memory_lines() {
        assert_eq!(
            parse_status(b"Name:\tkthreadd\nThreads:\t1\n"),
            Some(StatusMemory::default())
        );
        assert_eq!(parse_status(b"nothing of the sort\n"), None);
    }

    #[test]
    fn io_is_whole_or_nothing() {
        let expected = Some(Io {
            read_bytes: 6976,
            written_bytes: 12,
            storage_read_bytes: 4096,
            storage_written_bytes: 8192,
        });
        assert_eq!(parse_io(IO), expected);
        check_every_truncation(IO, parse_io, |io| io.is_none() || *io == expected);
    }

    #[test]
    fn garbage_never_panics() {
        for content in [ROLLUP, STATUS, IO].into_iter().flat_map(mutations) {
            let _ = (
                parse_smaps_rollup(&content),
                parse_status(&content),
                parse_io(&content),
            );
            let _ = (parse_namespace_pids(&content), parse_user(&content));
        }
        assert_eq!(parse_smaps_rollup(b"Rss: 99999999999999999999 kB\n"), None);
    }
}
