//! An array of unsigned integers, in pieces.

use super::Fault;

/// Values are handed on when this many have gathered.
const BLOCK: usize = 8192;

#[derive(Debug, Default)]
pub(crate) struct Numbers {
    values: Vec<u64>,
    value: u64,
    expect: Expect,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The first value or the end.
    #[default]
    First,
    /// A value, after a comma.
    Value,
    /// More digits, a comma or the end.
    Digits,
    /// A comma or the end, after blanks.
    Comma,
    Nothing,
}

impl Numbers {
    pub(crate) fn is_complete(&self) -> bool {
        self.expect == Expect::Nothing
    }

    pub(crate) fn values(&self) -> &[u64] {
        &self.values
    }

    /// Forgets the first `count` values.
    pub(crate) fn forget(&mut self, count: usize) {
        self.values.drain(..count);
    }

    /// Whether what follows begins a row; then `Some(whether it is the first)`.
    pub(crate) fn row_start(&self) -> Option<bool> {
        match self.expect {
            Expect::First | Expect::Comma if self.values.is_empty() => Some(self.expect == Expect::First),
            _ => None,
        }
    }

    /// Goes on behind rows that were read elsewhere.
    pub(crate) fn resume_after_row(&mut self) {
        self.expect = Expect::Comma;
    }

    /// Takes bytes until a block of values is full, a line of rows of `width` values, the array or the
    /// piece ends; says how many.
    pub(crate) fn take(&mut self, rest: &[u8], width: usize) -> Result<usize, Fault> {
        let mut at = 0;
        while at < rest.len() && self.values.len() < BLOCK {
            let byte = rest[at];
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                at += self
                    .digits(&rest[at..])
                    .ok_or_else(|| Fault::new(at, "a number below 2^64"))?;
                continue;
            }
            self.expect = match (self.expect, byte) {
                (Expect::Digits, b',') => self.push(Expect::Value),
                (Expect::Digits, b']') => self.push(Expect::Nothing),
                (Expect::Digits, blank) if blank.is_ascii_whitespace() => self.push(Expect::Comma),
                (Expect::Comma, b',') => Expect::Value,
                (Expect::Comma | Expect::First, b']') => Expect::Nothing,
                (same, blank) if blank.is_ascii_whitespace() => same,
                (Expect::First | Expect::Value, _) => return Err(Fault::new(at, "a number")),
                _ => return Err(Fault::new(at, "`,` or `]`")),
            };
            at += 1;
            let line_ends =
                byte == b'\n' && self.expect == Expect::Comma && self.values.len().is_multiple_of(width);
            if self.is_complete() || line_ends {
                break;
            }
        }
        Ok(at)
    }

    fn push(&mut self, next: Expect) -> Expect {
        self.values.push(std::mem::take(&mut self.value));
        next
    }

    /// Takes digits; `None` if the number is too large or stands where none may.
    fn digits(&mut self, rest: &[u8]) -> Option<usize> {
        if self.expect == Expect::Comma {
            return None;
        }
        self.expect = Expect::Digits;
        let mut value = self.value;
        let mut taken = 0;
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
            taken += 1;
        }
        self.value = value;
        Some(taken)
    }
}
