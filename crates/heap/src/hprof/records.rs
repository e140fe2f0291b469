//! Records and sub-records of the format, as the JDK's `heapDumper.cpp` and Android's `hprof.cc` write them.

use super::classes::BasicType;
use super::cursor::{Cursor, id_of};
use super::roots::RootKind;
use super::{ParseError, Parser, State, Step};

const UTF8: u8 = 0x01;
const LOAD_CLASS: u8 = 0x02;
const STACK_FRAME: u8 = 0x04;
const STACK_TRACE: u8 = 0x05;
const HEAP_DUMP: u8 = 0x0C;
const HEAP_DUMP_SEGMENT: u8 = 0x1C;

/// Longer records of the small kinds are skipped: no real name or stack comes near.
const BODY_BYTES_LIMIT: u64 = 16 << 20;
/// Longer arrays of characters are not read: their texts are no names, and they must be at hand whole.
const CONTENT_BYTES_LIMIT: u64 = 1 << 20;

impl Parser {
    pub(super) fn record(&mut self, bytes: &[u8]) -> Result<Step, ParseError> {
        let mut cursor = Cursor::new(bytes, self.id_bytes);
        let (Some(tag), Some(_), Some(length)) = (cursor.u1(), cursor.u4(), cursor.u4()) else {
            return Ok(Step::More(9));
        };
        self.left = u64::from(length);
        self.state = match tag {
            HEAP_DUMP | HEAP_DUMP_SEGMENT => {
                self.has_heap = true;
                State::Objects
            }
            UTF8 | LOAD_CLASS | STACK_FRAME | STACK_TRACE if self.left <= BODY_BYTES_LIMIT => {
                State::Body(tag)
            }
            // Unknown ones as well: newer virtual machines may add some.
            _ if tag < 0x40 => State::Skip,
            _ => return Err(self.unexpected(0, format!("a record of kind {tag:#04x}"))),
        };
        if self.left == 0 {
            self.state = State::Record;
        }
        Ok(Step::Taken(9))
    }

    pub(super) fn skip(&mut self, bytes: &[u8]) -> Step {
        let taken = self.left.min(bytes.len() as u64);
        self.left -= taken;
        if self.left == 0 {
            self.state = State::Record;
        }
        Step::Taken(taken as usize)
    }

    pub(super) fn body(&mut self, tag: u8, bytes: &[u8]) -> Step {
        let length = self.left as usize;
        let Some(body) = bytes.get(..length) else {
            return Step::More(length);
        };
        // A record that is too short for what it should hold says nothing; the next one may.
        let _ = self.small(tag, &mut Cursor::new(body, self.id_bytes));
        self.left = 0;
        self.state = State::Record;
        Step::Taken(length)
    }

    fn small(&mut self, tag: u8, cursor: &mut Cursor<'_>) -> Option<()> {
        let heap = &mut self.heap;
        match tag {
            UTF8 => {
                let id = cursor.id()?;
                heap.classes.utf8(id, cursor.take(cursor.left())?);
            }
            LOAD_CLASS => {
                let (serial, address, _, name) = (cursor.u4()?, cursor.id()?, cursor.u4()?, cursor.id()?);
                heap.classes.loaded(serial, address, name);
            }
            STACK_FRAME => {
                let (frame, method, _, file) = (cursor.id()?, cursor.id()?, cursor.id()?, cursor.id()?);
                let (class, line) = (cursor.u4()?, cursor.u4()? as i32);
                let (method, file) = (heap.classes.text_of(method), heap.classes.text_of(file));
                heap.roots.frame(frame, [class, method, file], line);
            }
            _ => {
                let (trace, _, count) = (cursor.u4()?, cursor.u4()?, cursor.u4()?);
                let frames = (0..count).map_while(|_| cursor.id()).collect();
                heap.roots.trace(trace, frames);
            }
        }
        Some(())
    }

    /// A sub-record, or as much of it as needs to be at hand at once.
    pub(super) fn object(&mut self, bytes: &[u8]) -> Result<Step, ParseError> {
        // What lies behind the record is none of its objects' business.
        let whole = usize::try_from(self.left).unwrap_or(usize::MAX);
        let at_hand = &bytes[..bytes.len().min(whole)];
        let mut cursor = Cursor::new(at_hand, self.id_bytes);
        let Some(tag) = cursor.u1() else {
            return Ok(Step::More(1));
        };
        let done = match tag {
            0x21 => self.instance(&mut cursor)?,
            0x22 => return self.object_array(&mut cursor, whole),
            0x23 | 0xC3 => return self.primitive_array(&mut cursor, tag == 0x23, whole),
            0x20 => match self.heap.classes.dumped(&mut cursor, self.id_bytes) {
                Some(Err(what)) => return Err(self.unexpected(0, what)),
                Some(Ok(())) => Some(()),
                None => None,
            },
            // Which heap of Android's comes next.
            0xFE => cursor.u4().and_then(|_| cursor.id()).map(|_| ()),
            _ => match RootKind::of(tag) {
                Some(kind) => self.root(kind, &mut cursor),
                None => return Err(self.unexpected(0, format!("an object of kind {tag:#04x}"))),
            },
        };
        match done {
            Some(()) => {
                let taken = cursor.at();
                self.in_objects(taken as u64);
                Ok(Step::Taken(taken))
            }
            None => self.more(at_hand.len(), whole),
        }
    }

    /// Asks for more than what was at hand, unless the record ends there.
    fn more(&self, at_hand: usize, whole: usize) -> Result<Step, ParseError> {
        if at_hand >= whole {
            return Err(self.unexpected(0, "an object that is longer than its record".to_owned()));
        }
        // Grows by half, so that a long object that comes byte by byte is not looked at each time.
        Ok(Step::More((at_hand + at_hand / 2 + 64).min(whole)))
    }

    fn root(&mut self, kind: RootKind, cursor: &mut Cursor<'_>) -> Option<()> {
        let address = cursor.id()?;
        let mut extra = [0; 2];
        match kind.extra_fields() {
            // The identifier of the JNI reference itself.
            None => drop(cursor.id()?),
            Some(count) => {
                for field in &mut extra[..count] {
                    *field = cursor.u4()?;
                }
            }
        }
        self.heap.roots.add(kind, address, extra);
        Some(())
    }

    fn instance(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<()>, ParseError> {
        let mut head = || Some((cursor.id()?, cursor.u4()?, cursor.id()?, cursor.u4()?));
        let Some((address, _, class, length)) = head() else {
            return Ok(None);
        };
        let Some(data) = cursor.take(length as usize) else {
            return Ok(None);
        };
        let heap = &mut self.heap;
        match &mut heap.histogram {
            Some(histogram) => histogram.instance(class),
            None => heap.nodes.instance(
                &mut heap.classes,
                heap.contents.as_mut(),
                self.id_bytes,
                (address, class),
                data,
            )?,
        }
        Ok(Some(()))
    }

    fn object_array(&mut self, cursor: &mut Cursor<'_>, whole: usize) -> Result<Step, ParseError> {
        let mut head = || Some((cursor.id()?, cursor.u4()?, cursor.u4()?, cursor.id()?));
        let Some((address, _, count, class)) = head() else {
            let at_hand = cursor.at() + cursor.left();
            return self.more(at_hand, whole);
        };
        let taken = cursor.at();
        let bytes = u64::from(count) * self.id_bytes as u64;
        self.check_length(taken as u64 + bytes)?;
        self.in_objects(taken as u64);
        let heap = &mut self.heap;
        match &mut heap.histogram {
            Some(histogram) => {
                histogram.object_array(class, count);
                if bytes > 0 {
                    self.state = State::Data(bytes);
                }
            }
            None => {
                heap.nodes
                    .object_array(&mut heap.classes, address, class, count)?;
                if count > 0 {
                    self.state = State::Elements { left: count, next: 0 };
                }
            }
        }
        Ok(Step::Taken(taken))
    }

    pub(super) fn elements(&mut self, left: u32, next: u32, bytes: &[u8]) -> Result<Step, ParseError> {
        let count = (bytes.len() / self.id_bytes).min(left as usize) as u32;
        if count == 0 {
            return Ok(Step::More(self.id_bytes));
        }
        let taken = count as usize * self.id_bytes;
        let elements = bytes[..taken].chunks_exact(self.id_bytes).map(id_of);
        self.heap.nodes.elements(next, elements)?;
        self.in_objects(taken as u64);
        if count < left {
            self.state = State::Elements {
                left: left - count,
                next: next + count,
            };
        }
        Ok(Step::Taken(taken))
    }

    fn primitive_array(
        &mut self,
        cursor: &mut Cursor<'_>,
        has_data: bool,
        whole: usize,
    ) -> Result<Step, ParseError> {
        let mut head = || Some((cursor.id()?, cursor.u4()?, cursor.u4()?, cursor.u1()?));
        let Some((address, _, count, kind)) = head() else {
            let at_hand = cursor.at() + cursor.left();
            return self.more(at_hand, whole);
        };
        let kind = BasicType(kind);
        let element_bytes = match kind.bytes(self.id_bytes) {
            Some(bytes) if kind != BasicType::OBJECT => bytes as u64,
            _ => return Err(self.unexpected(0, format!("an array of type {}", kind.0))),
        };
        let bytes = if has_data {
            u64::from(count) * element_bytes
        } else {
            0
        };
        self.check_length(cursor.at() as u64 + bytes)?;
        let mut content = None;
        if let Some(contents) = &mut self.heap.contents
            && (kind == BasicType::BYTE || kind == BasicType::CHAR)
            && bytes <= CONTENT_BYTES_LIMIT
            && has_data
        {
            let start = cursor.at();
            let Some(data) = cursor.take(bytes as usize) else {
                return Ok(Step::More(start + bytes as usize));
            };
            content = Some(contents.intern(kind, data));
        }
        let taken = cursor.at();
        self.in_objects(taken as u64);
        if content.is_none() && bytes > 0 {
            self.state = State::Data(bytes);
        }
        let heap = &mut self.heap;
        match &mut heap.histogram {
            Some(histogram) => histogram.primitive_array(kind, u64::from(count) * element_bytes),
            None => {
                let node = heap.nodes.primitive_array(address, kind, count)?;
                if let (Some(contents), Some(content)) = (&mut heap.contents, content) {
                    contents.of_node(node, content);
                }
            }
        }
        Ok(Step::Taken(taken))
    }

    fn check_length(&self, bytes: u64) -> Result<(), ParseError> {
        if bytes > self.left {
            return Err(self.unexpected(0, "an array that is longer than its record".to_owned()));
        }
        Ok(())
    }
}
