//! Pure pieces that the parsers share. None of them trusts the last, cut-off token of its input.

/// Lines whose end was seen.
pub(crate) fn complete_lines(content: &[u8]) -> impl Iterator<Item = &str> {
    content
        .split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
        .filter_map(|line| std::str::from_utf8(line).ok())
}

/// `Key: value` or `key value` lines, with the value trimmed.
pub(crate) fn keyed_lines(content: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    complete_lines(content).filter_map(|line| {
        let (key, value) = line.split_once([':', ' ', '\t'])?;
        Some((key, value.trim()))
    })
}

/// `1234 kB` as bytes. The kernel means 1024 by it.
pub(crate) fn kilobytes(value: &str) -> Option<u64> {
    value
        .strip_suffix("kB")?
        .trim_end()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The first line as a number.
pub(crate) fn lone_number(content: &[u8]) -> Option<u64> {
    complete_lines(content).next()?.trim().parse().ok()
}

#[cfg(test)]
pub(crate) mod testing {
    /// Runs `parse` over every prefix of `content` and checks that each field is the true one or
    /// unknown, never a third thing.
    pub fn check_every_truncation<T>(
        content: &[u8],
        parse: impl Fn(&[u8]) -> T,
        mut sound: impl FnMut(&T) -> bool,
    ) {
        for end in 0..=content.len() {
            assert!(
                sound(&parse(&content[..end])),
                "cut at {end} of {}",
                content.len()
            );
        }
    }

    /// Bytes that look like nothing: every value once, then repeated pieces of the sound content
    /// with one byte changed.
    pub fn mutations(content: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
        let every_byte = (0..=255u8).collect::<Vec<_>>();
        let changed = (0..content.len()).flat_map(move |at| {
            [0u8, 0xff, b'\n', b' ', b'-', b'9'].into_iter().map(move |byte| {
                let mut copy = content.to_vec();
                copy[at] = byte;
                copy
            })
        });
        std::iter::once(every_byte).chain(changed)
    }
}
