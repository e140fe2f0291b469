//! The array of strings: JSON escapes decoded, long texts cut, lone surrogates replaced.

use super::Fault;
use crate::column::Texts;
use crate::retaining::BitSet;

#[derive(Debug)]
pub(crate) struct Strings {
    texts: Texts,
    /// The text in hand, when it did not fit into one piece or has escapes; never above `limit`.
    pending: Vec<u8>,
    limit: usize,
    /// Texts that are wanted; `None` if all are.
    wanted: Option<BitSet>,
    /// Whether the text in hand is.
    is_wanted: bool,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    Value,
    Inside,
    Escape,
    /// Digits seen of `\uXXXX`, and their value.
    Unicode(u8, u16),
    Comma,
    Complete,
}

impl Strings {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            texts: Texts::default(),
            pending: Vec::new(),
            limit,
            wanted: None,
            is_wanted: true,
            high: None,
            state: State::First,
        }
    }

    /// Keeps only these texts from now on; the others become empty.
    pub(crate) fn want(&mut self, texts: Option<BitSet>) {
        self.wanted = texts;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    pub(crate) fn into_texts(mut self) -> Texts {
        self.texts.shrink();
        self.texts
    }

    /// Takes bytes and says how many.
    pub(crate) fn take(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let byte = rest[0];
        self.state = match self.state {
            State::Inside => return Ok(self.inside(rest)),
            State::Escape => self
                .escape(byte)
                .ok_or_else(|| Fault::new(0, "an escape that JSON knows"))?,
            State::Unicode(seen, value) => self.unicode(seen, value, byte)?,
            State::First | State::Value if byte == b'"' => self.open(),
            State::Comma if byte == b',' => State::Value,
            State::First | State::Comma if byte == b']' => State::Complete,
            same if byte.is_ascii_whitespace() => same,
            State::First | State::Value => return Err(Fault::new(0, "a string in quotes")),
            _ => return Err(Fault::new(0, "`,` or `]`")),
        };
        Ok(1)
    }

    fn open(&mut self) -> State {
        let next = self.texts.len();
        self.is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.has(next));
        State::Inside
    }

    /// Plain text up to a quote or a backslash.
    fn inside(&mut self, rest: &[u8]) -> usize {
        let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        if end > 0 {
            self.settle_high();
        }
        match rest.get(end) {
            Some(b'"') => self.close(&rest[..end]),
            Some(_) => {
                self.keep(&rest[..end]);
                self.state = State::Escape;
            }
            None => {
                self.keep(&rest[..end]);
                return end;
            }
        }
        end + 1
    }

    fn close(&mut self, tail: &[u8]) {
        self.settle_high();
        if !self.is_wanted {
            self.texts.push("");
        } else if self.pending.is_empty() {
            Self::push(&mut self.texts, &tail[..tail.len().min(self.limit)]);
        } else {
            self.keep(tail);
            Self::push(&mut self.texts, &self.pending);
            self.pending.clear();
        }
        self.state = State::Comma;
    }

    fn push(texts: &mut Texts, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => texts.push(text),
            // Cut inside a character: drop its beginning. Anything else that is not UTF-8 is replaced.
            Err(cut) if cut.error_len().is_none() => Self::push(texts, &bytes[..cut.valid_up_to()]),
            Err(_) => texts.push(&String::from_utf8_lossy(bytes)),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.is_wanted {
            return;
        }
        let room = self.limit.saturating_sub(self.pending.len());
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn escape(&mut self, byte: u8) -> Option<State> {
        let plain = match byte {
            b'u' => return Some(State::Unicode(0, 0)),
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return None,
        };
        self.settle_high();
        self.keep(&[plain]);
        Some(State::Inside)
    }

    fn unicode(&mut self, seen: u8, value: u16, byte: u8) -> Result<State, Fault> {
        let digit = (byte as char)
            .to_digit(16)
            .ok_or_else(|| Fault::new(0, "a hexadecimal digit"))?;
        let value = value << 4 | digit as u16;
        if seen < 3 {
            return Ok(State::Unicode(seen + 1, value));
        }
        self.unit(value);
        Ok(State::Inside)
    }

    /// One UTF-16 unit of `\uXXXX`.
    fn unit(&mut self, unit: u16) {
        let decoded = match (self.high.take(), unit) {
            (Some(high), 0xDC00..=0xDFFF) => char::decode_utf16([high, unit]).next().and_then(Result::ok),
            (high, _) => {
                self.high = high;
                self.settle_high();
                if (0xD800..0xDC00).contains(&unit) {
                    self.high = Some(unit);
                    return;
                }
                char::from_u32(u32::from(unit))
            }
        };
        let letter = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
        self.keep_whole(letter);
    }

    /// A high surrogate without its low one becomes a replacement character.
    fn settle_high(&mut self) {
        if self.high.take().is_some() {
            self.keep_whole(char::REPLACEMENT_CHARACTER);
        }
    }

    fn keep_whole(&mut self, letter: char) {
        if !self.is_wanted {
            return;
        }
        if self.pending.len() + letter.len_utf8() <= self.limit {
            self.keep(letter.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            // Whatever follows must not slip in behind the gap.
            self.pending.resize(self.limit, b' ');
        }
    }
}
