//! What each kind of object refers to, and how many bytes it has.

use super::layout::{Attributes, flags, type_object as field};
use super::output::{Fact, Held, Reference};
use super::types::Shape;
use super::walk::Walk;

/// Items of one list, tuple, set or dict that are followed.
const ITEMS: u64 = 1 << 31;
/// Keys of one dict that are named; the rest is numbered. Records have fewer, and of a large
/// collection any hundred names say what it is.
const NAMED_KEYS: u64 = 256;
/// Letters of a key that are kept.
const KEY_LETTERS: usize = 60;

impl Walk<'_> {
    pub(super) fn visit(&mut self, node: u32) {
        let address = self.out.addresses[node as usize];
        let of = self.type_of[node as usize];
        let info = &self.types[of as usize];
        let (shape, basic, item_bytes, head) =
            (info.shape, info.basic_bytes, info.item_bytes, info.head_bytes);
        let own = match shape {
            Shape::Nothing => 0,
            Shape::Text => self.text_bytes(address),
            Shape::Integer => self.integer_bytes(address, basic),
            Shape::Bytes => basic + self.length(address),
            Shape::ByteArray => basic + self.word(address + 24).min(ITEMS),
            Shape::Dict => self.visit_dict(node, address, basic),
            Shape::List => self.visit_list(address, basic),
            Shape::Tuple => self.visit_tuple(address, basic),
            Shape::Set => self.visit_set(address, basic),
            Shape::Deque => self.visit_deque(address, basic),
            Shape::Type => self.visit_type(node, address, basic),
            Shape::Module => self.visit_module(node, address, basic),
            Shape::Function => self.visit_function(address, basic),
            Shape::Code => self.visit_code(node, address, basic),
            Shape::Frame => self.visit_frame(address, basic),
            Shape::Generator => self.visit_generator(address, basic),
            Shape::Weakref => {
                let callback = self.word(address + 24);
                self.refer(Held::Internal, self.labels.field, callback);
                basic
            }
            Shape::CacheLink => self.visit_cache_link(address, basic),
            Shape::NdArray => self.visit_array(address, basic),
            Shape::Exception => self.visit_exception(address, basic),
            Shape::Leaf | Shape::Plain => basic + item_bytes * self.items(address, item_bytes),
        };
        self.visit_fields(of, address);
        let attributes = self.visit_attributes(of, address);
        if self.types[of as usize].has(flags::HEAP_TYPE) && shape != Shape::Type {
            // Instances of classes made at run time hold them.
            let class = self.word(address + 8);
            self.refer(Held::Internal, self.labels.class, class);
        }
        self.out.bytes[node as usize] = own + head + attributes;
    }

    fn word(&mut self, address: u64) -> u64 {
        self.pages.u64(address).unwrap_or(0)
    }

    fn length(&mut self, address: u64) -> u64 {
        self.word(address + 16).min(ITEMS)
    }

    fn items(&mut self, address: u64, item_bytes: u64) -> u64 {
        if item_bytes == 0 {
            0
        } else {
            (self.word(address + 16) as i64).unsigned_abs().min(ITEMS)
        }
    }

    fn text_bytes(&mut self, address: u64) -> u64 {
        super::text::letters(address, self.layout, &mut self.pages)
            .map_or(0, |letters| letters.bytes.min(ITEMS))
    }

    fn integer_bytes(&mut self, address: u64, basic: u64) -> u64 {
        /// Bytes of a digit.
        const DIGIT: u64 = 4;
        let digits = super::text::digits(address, self.layout, &mut self.pages).map_or(1, |(count, _)| count);
        basic.max(24) + DIGIT * digits.clamp(1, ITEMS)
    }

    /// Named fields, slots, and words that may be references.
    fn visit_fields(&mut self, of: u32, address: u64) {
        let fields = self.types[of as usize].fields.len();
        for at in 0..fields {
            let (offset, label) = self.types[of as usize].fields[at];
            let word = self.word(address + u64::from(offset));
            self.maybe_refer(Held::Named, label, word);
        }
        let scanned = self.types[of as usize].scanned.len();
        for at in 0..scanned {
            let offset = self.types[of as usize].scanned[at];
            let word = self.word(address + u64::from(offset));
            self.maybe_refer(Held::Internal, self.labels.field, word);
        }
    }

    /// The attributes of an instance: its dict, or values beside it. Returns bytes that are its own.
    fn visit_attributes(&mut self, of: u32, address: u64) -> u64 {
        let info = &self.types[of as usize];
        let (offset, basic, item) = (info.dict_offset, info.basic_bytes, info.item_bytes);
        let (managed, keys, shape) = (info.has(flags::MANAGED_DICT), info.cached_keys, info.shape);
        if matches!(shape, Shape::Type | Shape::Module | Shape::Function) {
            return 0; // theirs are read with them
        }
        if managed {
            return self.visit_managed(address, basic, keys);
        }
        let at = match offset {
            0 => return 0,
            1.. => address + offset as u64,
            _ => {
                let whole = basic + item * self.items(address, item);
                (address + whole.next_multiple_of(8)).wrapping_add_signed(offset)
            }
        };
        let dict = self.word(at);
        self.refer_store(dict);
        0
    }

    fn visit_managed(&mut self, address: u64, basic: u64, keys: u64) -> u64 {
        match self.layout.attributes {
            Attributes::Plain => 0,
            Attributes::TwoWords => {
                let (values, dict) = (self.word(address - 32), self.word(address - 24));
                self.refer_store(dict);
                if values == 0 {
                    0
                } else {
                    self.visit_values(keys, values)
                }
            }
            Attributes::Tagged => {
                let word = self.word(address - 24);
                if word & 1 == 1 {
                    self.visit_values(keys, word + 1)
                } else {
                    self.refer_store(word);
                    0
                }
            }
            Attributes::Inline => {
                /// Py_TPFLAGS_INLINE_VALUES
                const INLINE: u64 = 1 << 2;
                let dict = self.word(address - 24);
                if dict != 0 {
                    self.refer_store(dict);
                    return 0;
                }
                let class = self.word(address + 8);
                let inline = self.word(class + field::FLAGS) & INLINE != 0;
                let values = address + basic;
                if inline && self.pages.u8(values + 3).unwrap_or(0) == 1 {
                    return self.visit_values(keys, values);
                }
                0
            }
        }
    }

    /// Attribute values without a dict: names are in the keys that all instances share.
    fn visit_values(&mut self, keys: u64, values: u64) -> u64 {
        let Some(keys) = super::dict::keys(keys, self.layout, &mut self.pages) else {
            return 0;
        };
        for at in 0..keys.count {
            let name = self.word(keys.entries + (at * keys.stride + keys.key_word()) * 8);
            let value = self.word(values + self.layout.values + at * 8);
            if value != 0 && name != 0 {
                let label = self.label_of(name);
                self.refer(Held::Named, label, value);
            }
        }
        keys.room * 8
    }

    /// The dict with the attributes of the object in hand.
    fn refer_store(&mut self, dict: u64) {
        let Some(store) = self.object(dict) else { return };
        let reference = Reference::new(Held::Internal, self.labels.attributes, store);
        self.out.references.push(reference);
        if self.stores.insert(store) {
            self.fact(Fact::Store, store, "", "", 0);
        }
    }

    fn visit_list(&mut self, address: u64, basic: u64) -> u64 {
        let (count, room) = (self.length(address), self.word(address + 32).min(ITEMS));
        let items = self.word(address + 24);
        self.visit_items(items, count);
        basic + 8 * room
    }

    fn visit_tuple(&mut self, address: u64, basic: u64) -> u64 {
        let count = self.length(address);
        self.visit_items(address + 24, count);
        basic + 8 * count
    }

    fn visit_items(&mut self, from: u64, count: u64) {
        let mut words = Vec::new();
        self.pages.words(from, count as usize, &mut words);
        for (at, word) in words.into_iter().enumerate() {
            self.refer(Held::Element, at as u32, word);
        }
    }

    fn visit_set(&mut self, address: u64, basic: u64) -> u64 {
        /// The table of a small set is inside.
        const SMALL: u64 = 8;
        let (room, table) = (self.word(address + 32).min(ITEMS) + 1, self.word(address + 40));
        let mut words = Vec::new();
        self.pages.words(table, room as usize * 2, &mut words);
        let mut position = 0;
        for pair in words.as_chunks::<2>().0 {
            // Deleted entries point to a dummy that is no object.
            if pair[0] != 0 && self.refer(Held::Element, position, pair[0]).is_some() {
                position += 1;
            }
        }
        basic + if room > SMALL { 16 * room } else { 0 }
    }

    fn visit_deque(&mut self, address: u64, basic: u64) -> u64 {
        const BLOCK_ITEMS: u64 = 64;
        const RIGHT_LINK: u64 = 8 + BLOCK_ITEMS * 8;
        let count = self.length(address);
        let (mut block, mut at) = (self.word(address + 24), self.word(address + 40).min(BLOCK_ITEMS));
        let mut blocks = 1;
        for position in 0..count {
            if at == BLOCK_ITEMS {
                block = self.word(block + RIGHT_LINK);
                (at, blocks) = (0, blocks + 1);
            }
            if block == 0 {
                break;
            }
            let item = self.word(block + 8 + at * 8);
            self.refer(Held::Element, position as u32, item);
            at += 1;
        }
        basic + blocks * (RIGHT_LINK + 8)
    }

    fn visit_dict(&mut self, node: u32, address: u64, basic: u64) -> u64 {
        let (keys_at, values) = (self.word(address + 32), self.word(address + 40));
        let Some(keys) = super::dict::keys(keys_at, self.layout, &mut self.pages) else {
            return basic;
        };
        let is_store = self.stores.contains(&node);
        let mut words = Vec::new();
        self.pages
            .words(keys.entries, (keys.count * keys.stride) as usize, &mut words);
        let mut own_values = Vec::new();
        if values != 0 {
            self.pages
                .words(values + self.layout.values, keys.count as usize, &mut own_values);
        }
        let mut entry_number = 0;
        for (at, entry) in words.chunks_exact(keys.stride as usize).enumerate() {
            let (key, value) = (
                entry[keys.key_word() as usize],
                entry[keys.key_word() as usize + 1],
            );
            let value = if values == 0 {
                value
            } else {
                own_values.get(at).copied().unwrap_or(0)
            };
            if key == 0 || value == 0 {
                continue;
            }
            self.refer(Held::Internal, self.labels.key, key);
            let (held, label) = self.entry_label(key, entry_number, is_store);
            self.refer(held, label, value);
            entry_number += 1;
        }
        let shared = self.word(keys_at) != 1;
        basic
            + if values != 0 {
                keys.room * 8
            } else if shared {
                0
            } else {
                keys.bytes
            }
    }

    fn entry_label(&mut self, key: u64, number: u64, is_store: bool) -> (Held, u32) {
        if is_store {
            return (Held::Named, self.label_of(key));
        }
        if number >= NAMED_KEYS {
            return (Held::Element, number as u32);
        }
        let class = self.word(key + 8);
        let shape = self.type_at(class).map(|of| self.types[of as usize].shape);
        let shown = match shape {
            Some(Shape::Text) => self.text(key, KEY_LETTERS).map(|text| format!("'{text}'")),
            Some(Shape::Integer) => {
                super::text::small_integer(key, self.layout, &mut self.pages).map(|value| value.to_string())
            }
            _ => None,
        };
        match shown {
            Some(text) => (Held::Named, self.out.texts.number(&text)),
            None => (Held::Element, number as u32),
        }
    }

    fn visit_type(&mut self, node: u32, address: u64, basic: u64) -> u64 {
        let dict = self.word(address + field::DICT);
        self.refer_store(dict);
        for (offset, label) in [
            (field::BASE, self.labels.base),
            (field::BASES, self.labels.bases),
            (field::MRO, self.labels.mro),
            (field::SUBCLASSES, self.labels.field),
        ] {
            // From 3.12 on static types have an index there.
            let word = self.word(address + offset);
            self.maybe_refer(Held::Internal, label, word);
        }
        let is_heap = self.word(address + field::FLAGS) & flags::HEAP_TYPE != 0;
        if is_heap {
            // ht_name, ht_slots, ht_qualname and, two words on, ht_module.
            for offset in [0, 8, 16, 32] {
                let word = self.word(address + self.layout.type_qualname - 16 + offset);
                self.maybe_refer(Held::Internal, self.labels.field, word);
            }
        }
        if let Some(of) = self.type_at(address) {
            let name = self.out.texts.all[self.types[of as usize].name as usize].to_string();
            let (module, class) = name.rsplit_once('.').unwrap_or(("builtins", &name));
            self.fact(Fact::Class, node, module, class, 0);
        }
        let class = self.word(address + 8);
        self.maybe_refer(Held::Internal, self.labels.class, class);
        basic
    }

    fn visit_module(&mut self, node: u32, address: u64, basic: u64) -> u64 {
        const PATH_LETTERS: usize = 1024;
        const STATE_BYTES: u64 = 64 << 10;
        let dict = self.word(address + 16);
        self.refer_store(dict);
        let mut attribute = |name| {
            let value = super::dict::value_of(dict, name, self.layout, &mut self.pages)?;
            super::text::read(value, self.layout, &mut self.pages, PATH_LETTERS)
        };
        let (name, file) = (attribute("__name__"), attribute("__file__"));
        self.fact(
            Fact::Module,
            node,
            &name.unwrap_or_default(),
            &file.unwrap_or_default(),
            0,
        );
        // What an extension module keeps beside its dict.
        let (definition, state) = (self.word(address + 24), self.word(address + 32));
        if definition != 0 && state != 0 {
            let bytes = self.word(definition + 56).min(STATE_BYTES);
            let mut words = Vec::new();
            self.pages.words(state, bytes as usize / 8, &mut words);
            for word in words {
                self.maybe_refer(Held::Internal, self.labels.field, word);
            }
        }
        basic
    }

    fn visit_function(&mut self, address: u64, basic: u64) -> u64 {
        let layout = self.layout;
        let code = self.word(address + layout.function_code);
        self.refer(Held::Internal, self.labels.code, code);
        let globals = self.word(address + layout.function_globals);
        self.refer(Held::Internal, self.labels.globals, globals);
        let closure = self.word(address + layout.function_closure);
        if closure != 0 {
            self.refer(Held::Internal, self.labels.closure, closure);
            self.visit_closure(code, closure);
        }
        let (after_code, after_closure) = match layout.minor {
            9 => (layout.function_globals, 24),
            _ => (layout.function_code, 16),
        };
        for (offset, label) in [(8, self.labels.defaults), (16, self.labels.keyword_defaults)] {
            let word = self.word(address + after_code + offset);
            self.maybe_refer(Held::Named, label, word);
        }
        let attributes = address + layout.function_closure + after_closure;
        let store = self.word(attributes);
        self.refer_store(store);
        let weak_list = attributes + 8;
        for at in (address + 16..address + layout.function_bytes).step_by(8) {
            let word = self.word(at);
            if at != weak_list && ![code, globals, closure, store, 0].contains(&word) {
                self.maybe_refer(Held::Internal, self.labels.field, word);
            }
        }
        basic
    }

    /// The variables that a closure sees, by name.
    fn visit_closure(&mut self, code: u64, closure: u64) {
        let count = self.length(closure);
        let names = self.variables_of(code);
        let first = names.len().saturating_sub(count as usize);
        for at in 0..count {
            let cell = self.word(closure + 24 + at * 8);
            let label = names
                .get(first + at as usize)
                .copied()
                .unwrap_or(self.labels.field);
            self.refer(Held::Variable, label, cell);
        }
    }

    fn visit_code(&mut self, node: u32, address: u64, basic: u64) -> u64 {
        const PATH_LETTERS: usize = 1024;
        let layout = self.layout;
        let name = match layout.minor {
            ..11 => self.word(address + layout.code_name),
            _ => self.word(address + layout.code_name + 8),
        };
        let name = self.text(name, KEY_LETTERS * 2).unwrap_or_default();
        let file = self.word(address + layout.code_file);
        let file = self.text(file, PATH_LETTERS).unwrap_or_default();
        let line = self.pages.u32(address + layout.code_line).unwrap_or(0);
        self.fact(Fact::Code, node, &name, &file, line);
        let class = self.word(address + 8);
        let weak = self.word(class + field::WEAKLIST_OFFSET);
        for offset in (16..basic.saturating_sub(7))
            .step_by(8)
            .filter(|offset| *offset != weak)
        {
            let word = self.word(address + offset);
            self.maybe_refer(Held::Internal, self.labels.field, word);
        }
        basic + self.items(address, 1) * 2
    }

    fn visit_exception(&mut self, address: u64, basic: u64) -> u64 {
        let notes = self.layout.exception_traceback - 8;
        let mut fields = vec![
            (24, "args"),
            (notes + 8, "__traceback__"),
            (notes + 16, "__context__"),
            (notes + 24, "__cause__"),
        ];
        if notes > 24 {
            fields.push((notes, "__notes__"));
        }
        for (offset, name) in fields {
            let label = self.out.texts.number(name);
            let word = self.word(address + offset);
            self.refer(Held::Named, label, word);
        }
        basic
    }

    fn visit_cache_link(&mut self, address: u64, basic: u64) -> u64 {
        // PyObject_HEAD, prev, next, hash, key, result
        for (offset, name) in [(40, "key"), (48, "result")] {
            let label = self.out.texts.number(name);
            let word = self.word(address + offset);
            self.refer(Held::Named, label, word);
        }
        basic
    }

    /// NumPy's array: its data count to it where it owns them.
    fn visit_array(&mut self, address: u64, basic: u64) -> u64 {
        const DIMENSIONS: u32 = 64;
        const OWNS_DATA: u32 = 4;
        for (offset, name) in [(48, "base"), (56, "dtype")] {
            let label = self.out.texts.number(name);
            let word = self.word(address + offset);
            self.maybe_refer(Held::Named, label, word);
        }
        let count = self.pages.u32(address + 24).unwrap_or(0).min(DIMENSIONS);
        let (dimensions, strides) = (self.word(address + 32), self.word(address + 40));
        let owned = self.pages.u32(address + 64).unwrap_or(0) & OWNS_DATA != 0;
        if !owned {
            return basic;
        }
        let extent = |walk: &mut Self, at: u64| {
            let (length, stride) = (walk.word(dimensions + 8 * at), walk.word(strides + 8 * at) as i64);
            length.saturating_mul(stride.unsigned_abs())
        };
        let data = (0..u64::from(count))
            .map(|at| extent(self, at))
            .max()
            .unwrap_or(0);
        basic + data.min(1 << 40)
    }
}
