//! Big-endian numbers off the start of a slice.

/// Bytes that are being read, with the width of an identifier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    id_bytes: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], id_bytes: usize) -> Self {
        Self {
            bytes,
            at: 0,
            id_bytes,
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next bytes; `None`, and nothing is taken, if there are fewer.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    #[inline]
    pub(crate) fn u1(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    #[inline]
    pub(crate) fn u2(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    #[inline]
    pub(crate) fn u4(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    #[inline]
    pub(crate) fn id(&mut self) -> Option<u64> {
        let bytes = self.take(self.id_bytes)?;
        Some(id_of(bytes))
    }
}

/// An identifier of 4 or 8 bytes.
#[inline]
pub(crate) fn id_of(bytes: &[u8]) -> u64 {
    match bytes {
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        [a, b, c, d] => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => 0,
    }
}
