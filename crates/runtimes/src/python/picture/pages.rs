//! Memory of the frozen process, read in large pieces and kept.

use crate::freeze::{Mapping, ReadMemory};

/// One read: large enough that the system call costs nothing beside the copy.
const PIECE_BYTES: u64 = 256 << 10;
/// Pieces kept at once come to this: more than most workers have.
const KEPT_BYTES: u64 = 3 << 30;

/// A stretch of mapped memory with what was read of it.
struct Region {
    start: u64,
    end: u64,
    pieces: Vec<Option<Box<[u8]>>>,
}

/// Reads of a frozen process.
pub(super) struct Pages<'m> {
    memory: &'m dyn ReadMemory,
    regions: Vec<Region>,
    /// Index of the region of the last read.
    last: usize,
    kept_bytes: u64,
}

impl<'m> Pages<'m> {
    /// Reads of what is mapped readable.
    pub(super) fn new(memory: &'m dyn ReadMemory, mappings: &[Mapping]) -> Self {
        let mut regions: Vec<Region> = Vec::new();
        for mapping in mappings
            .iter()
            .filter(|mapping| mapping.readable && mapping.path != "[vvar]")
        {
            let pieces = (mapping.end - mapping.start).div_ceil(PIECE_BYTES) as usize;
            regions.push(Region {
                start: mapping.start,
                end: mapping.end,
                pieces: std::iter::repeat_with(|| None).take(pieces).collect(),
            });
        }
        regions.sort_by_key(|region| region.start);
        Self {
            memory,
            regions,
            last: 0,
            kept_bytes: 0,
        }
    }

    fn region_of(&mut self, address: u64) -> Option<usize> {
        let holds = |region: &Region| (region.start..region.end).contains(&address);
        if !self.regions.get(self.last).is_some_and(holds) {
            let at = self.regions.partition_point(|region| region.end <= address);
            if !self.regions.get(at).is_some_and(holds) {
                return None;
            }
            self.last = at;
        }
        Some(self.last)
    }

    /// The bytes from `address` on to the end of the piece that it lies in.
    fn rest(&mut self, address: u64) -> Option<&[u8]> {
        let at = self.region_of(address)?;
        let offset = address - self.regions[at].start;
        let (piece, within) = ((offset / PIECE_BYTES) as usize, (offset % PIECE_BYTES) as usize);
        if self.regions[at].pieces[piece].is_none() {
            self.load(at, piece);
        }
        self.regions[at].pieces[piece].as_deref()?.get(within..)
    }

    /// What cannot be read (a device, a page beyond the end of a file) reads as nothing.
    fn load(&mut self, at: usize, piece: usize) {
        if self.kept_bytes > KEPT_BYTES {
            self.forget();
        }
        let region = &mut self.regions[at];
        let start = region.start + piece as u64 * PIECE_BYTES;
        let length = (region.end - start).min(PIECE_BYTES) as usize;
        let mut bytes = vec![0; length].into_boxed_slice();
        if self.memory.read(start, &mut bytes).is_err() {
            bytes = Box::default();
        }
        self.kept_bytes += bytes.len() as u64;
        region.pieces[piece] = Some(bytes);
    }

    fn forget(&mut self) {
        for region in &mut self.regions {
            region.pieces.iter_mut().for_each(|piece| *piece = None);
        }
        self.kept_bytes = 0;
    }

    /// A word.
    #[inline]
    pub(super) fn u64(&mut self, address: u64) -> Option<u64> {
        self.rest(address)?
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub(super) fn i64(&mut self, address: u64) -> Option<i64> {
        self.u64(address).map(|word| word as i64)
    }

    pub(super) fn u32(&mut self, address: u64) -> Option<u32> {
        self.rest(address)?
            .first_chunk()
            .map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(super) fn u8(&mut self, address: u64) -> Option<u8> {
        self.rest(address)?.first().copied()
    }

    /// Bytes, over the ends of pieces; fewer where memory ends.
    pub(super) fn bytes(&mut self, mut address: u64, mut length: usize, into: &mut Vec<u8>) {
        into.clear();
        while length > 0 {
            let Some(rest) = self.rest(address).filter(|rest| !rest.is_empty()) else {
                return;
            };
            let taken = rest.len().min(length);
            into.extend_from_slice(&rest[..taken]);
            address += taken as u64;
            length -= taken;
        }
    }

    /// Words, over the ends of pieces; fewer where memory ends.
    pub(super) fn words(&mut self, mut address: u64, mut count: usize, into: &mut Vec<u64>) {
        into.clear();
        while count > 0 {
            let Some(rest) = self.rest(address).filter(|rest| rest.len() >= 8) else {
                return;
            };
            let taken = (rest.len() / 8).min(count);
            let (words, _) = rest[..taken * 8].as_chunks::<8>();
            into.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
            address += taken as u64 * 8;
            count -= taken;
        }
    }

    /// A text that ends with a zero byte.
    pub(super) fn c_text(&mut self, address: u64, most: usize) -> Option<String> {
        let mut bytes = Vec::new();
        self.bytes(address, most, &mut bytes);
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.truncate(end);
        String::from_utf8(bytes).ok()
    }
}
