//! One JSON value of any kind, passed over or kept whole.

use super::Fault;

#[derive(Debug)]
pub(crate) struct Value {
    depth: u32,
    in_string: bool,
    escaped: bool,
    begun: bool,
    complete: bool,
    kept: Option<Vec<u8>>,
    limit: usize,
}

impl Value {
    pub(crate) fn skipped() -> Self {
        Self {
            depth: 0,
            in_string: false,
            escaped: false,
            begun: false,
            complete: false,
            kept: None,
            limit: 0,
        }
    }

    pub(crate) fn captured(limit: usize) -> Self {
        Self {
            kept: Some(Vec::new()),
            limit,
            ..Self::skipped()
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn captured_text(&self) -> Option<&[u8]> {
        self.kept.as_deref()
    }

    /// Takes bytes up to the end of the value and says how many. A number or word ends before the
    /// byte that follows it.
    pub(crate) fn take(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let mut taken = rest.len();
        for (at, byte) in rest.iter().enumerate() {
            if let Some(end) = self.see(*byte, at)? {
                self.complete = true;
                taken = end;
                break;
            }
        }
        if let Some(kept) = &mut self.kept {
            if kept.len() + taken > self.limit {
                return Err(Fault::new(0, "a `snapshot` section of at most 1 MiB"));
            }
            kept.extend_from_slice(&rest[..taken]);
        }
        Ok(taken)
    }

    /// The end of the value, if it ends with or before the byte at `at`.
    fn see(&mut self, byte: u8, at: usize) -> Result<Option<usize>, Fault> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok((!self.in_string && self.depth == 0).then_some(at + 1));
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth = self.depth.saturating_add(1),
            b']' | b'}' | b',' if self.depth == 0 => {
                return if self.begun {
                    Ok(Some(at))
                } else {
                    Err(Fault::new(at, "a value"))
                };
            }
            b']' | b'}' => self.depth -= 1,
            _ if byte.is_ascii_whitespace() => return Ok(None),
            _ => {}
        }
        self.begun = true;
        Ok((self.depth == 0 && matches!(byte, b']' | b'}')).then_some(at + 1))
    }
}
