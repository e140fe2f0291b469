//! `/proc/PID/stat` and `/proc/PID/statm`, see proc_pid_stat(5) and proc_pid_statm(5).

/// The fields of `stat` that we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The command name, at most 15 characters for a process.
    pub name: String,
    pub state: u8,
    pub parent_pid: u32,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub threads: u32,
    pub start_ticks: u64,
}

impl Stat {
    /// Whether nothing but the entry in the process table is left. A process whose main thread
    /// ended shows as a zombie too, but with more threads than one.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// The name may hold spaces and parentheses, so fields are counted from the last `)`.
pub(crate) fn parse_stat(content: &[u8]) -> Option<Stat> {
    let open = content.iter().position(|byte| *byte == b'(')?;
    let close = content.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(content.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(&content[close + 1..]).ok()?;
    // Field 3 (state) is at 0 here. 24 fields leave the start time, field 22, well inside.
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(24).collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    // The field after the start time shows that the start time was not cut off.
    fields.get(23 - 3)?;
    Some(Stat {
        name,
        state: *fields.first()?.as_bytes().first()?,
        parent_pid: u32::try_from(number(4)?).ok()?,
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        threads: u32::try_from(number(20)?).ok()?,
        start_ticks: number(22)?,
    })
}

/// Pages of virtual and resident memory.
pub(crate) fn parse_statm(content: &[u8]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(content).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let (virtual_pages, resident_pages) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // As above: a third field shows that the second is whole.
    fields.next()?;
    Some((virtual_pages, resident_pages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::testing::{check_every_truncation, mutations};

    const STAT: &[u8] =
        b"4711 (a) R (b c) S 17 4711 4711 0 -1 4194560 100 0 0 0 250 33 1 2 20 0 11 0 987654321 \
        1000000 250 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn stat_is_counted_from_the_last_parenthesis() {
        let stat = parse_stat(STAT).unwrap();
        let expected = Stat {
            name: "a) R (b c".into(),
            state: b'S',
            parent_pid: 17,
            user_ticks: 250,
            system_ticks: 33,
            threads: 11,
            start_ticks: 987_654_321,
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn stat_is_whole_or_nothing() {
        let whole = parse_stat(STAT);
        // A cut inside the name can end at its inner parenthesis, after which too few fields follow.
        check_every_truncation(STAT, parse_stat, |stat| stat.is_none() || *stat == whole);
        check_every_truncation(b"100 20 3 4 0 5 0\n", parse_statm, |pages| {
            pages.is_none() || *pages == Some((100, 20))
        });
    }

    #[test]
    fn garbage_never_panics() {
        for content in mutations(STAT) {
            let _ = parse_stat(&content);
            let _ = parse_statm(&content);
        }
        assert_eq!(parse_stat(b")("), None);
        assert_eq!(parse_statm(b"99999999999999999999 1 1"), None);
    }

    #[test]
    fn a_zombie_leader_with_threads_still_lives() {
        let state = |state, threads| Stat {
            state,
            threads,
            ..parse_stat(STAT).unwrap()
        };
        assert!(state(b'Z', 1).is_dead());
        assert!(!state(b'Z', 4).is_dead());
        assert!(!state(b'S', 1).is_dead());
    }
}
