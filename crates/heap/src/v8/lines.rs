//! The fast lane: rows in the layout that V8 itself writes, one a line.
//!
//! `1,2,3\n` and, from the second row on, `,1,2,3\n`. Whatever looks different is left to
//! [`super::numbers`], which takes any JSON. Numbers are read eight digits at a time in one register
//! ("SIMD within a register").

/// Longest row that is read here; V8's have at most 7 fields.
pub(crate) const WIDTH_LIMIT: usize = 8;

/// Reads rows from the start of `bytes` as long as they are laid out so and `take` accepts them.
/// Returns the number of bytes of the rows taken; what follows them is the next row or the end.
pub(crate) fn read_rows(
    bytes: &[u8],
    is_first: bool,
    width: usize,
    mut take: impl FnMut(&[u64]) -> bool,
) -> usize {
    let mut row = [0; WIDTH_LIMIT];
    let mut done = 0;
    let mut at = usize::from(!is_first);
    if !is_first && bytes.first() != Some(&b',') {
        return 0;
    }
    while let Some(end) = read_row(bytes, at, &mut row[..width]) {
        if !take(&row[..width]) {
            break;
        }
        done = end;
        if bytes.get(end) != Some(&b',') {
            break;
        }
        at = end + 1;
    }
    done
}

/// Reads one row; where it ends, after its line break.
#[inline]
fn read_row(bytes: &[u8], mut at: usize, row: &mut [u64]) -> Option<usize> {
    let last = row.len() - 1;
    for (field, slot) in row.iter_mut().enumerate() {
        let (value, end) = read_number(bytes, at)?;
        *slot = value;
        let follows = if field == last { b'\n' } else { b',' };
        if *bytes.get(end)? != follows {
            return None;
        }
        at = end + 1;
    }
    Some(at)
}

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Reads up to 16 digits at `at`, which the eight bytes that a register takes must follow.
#[inline]
fn read_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let (value, digits) = read_digits(bytes, at)?;
    if digits == 0 {
        return None;
    }
    if digits < 8 {
        return Some((value, at + digits));
    }
    let (low, more) = read_digits(bytes, at + 8)?;
    if more == 8 {
        return None;
    }
    Some((value * 10u64.pow(more as u32) + low, at + 8 + more))
}

/// The value of the up to eight digits at `at`, and how many there are.
#[inline]
fn read_digits(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
    let digits = word ^ repeat(b'0');
    // A byte above 9 sets its own top bit; a carry reaches later bytes only, which do not matter then.
    let others = (digits.wrapping_add(repeat(0x7F - 9)) | digits) & repeat(0x80);
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return Some((0, 0));
    }
    // Leading zeros take the place of what follows; then neighbours are added up: 1, 2, 4 digits.
    let digits = digits << (64 - 8 * count);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    let value = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF;
    Some((value, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length() {
        for value in (0..20).map(|power| 10u64.checked_pow(power).unwrap_or(u64::MAX)) {
            for value in [value, value.saturating_sub(1), value / 7] {
                let text = format!("{value}\n       ");
                let expected = (value < 10u64.pow(15)).then_some((value, value.to_string().len()));
                let read = read_number(text.as_bytes(), 0);
                assert!(
                    read == expected || (expected.is_none() && read.is_none_or(|read| read.0 == value)),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn rows_end_where_the_layout_does() {
        for (text, is_first, rows, taken) in [
            ("1,2\n,30,4\n],\"strings\"", true, vec![[1, 2], [30, 4]], 10),
            (",1,2\n,3 ,4\n         ", false, vec![[1, 2]], 5),
            ("1,2\n,3,4\n         ", false, vec![], 0),
            (",1,2,3\n           ", false, vec![], 0),
            (",1\n,2\n            ", false, vec![], 0),
            (",1,2\n,3,4\n          ", false, vec![[1, 2], [3, 4]], 10),
            // Too near the end for the register.
            (",1,2\n,3,4\n     ", false, vec![[1, 2]], 5),
        ] {
            let mut seen = Vec::new();
            let end = read_rows(text.as_bytes(), is_first, 2, |row| {
                seen.push([row[0], row[1]]);
                true
            });
            assert_eq!((seen, end), (rows, taken), "{text:?}");
        }
    }
}
