//! Follows references from object to object, breadth first.

use std::collections::{HashMap, HashSet};

use super::layout::Layout;
use super::output::{Fact, FactRow, Held, Output, Reference, RootRow};
use super::pages::Pages;
use super::table::Table;
use super::types::{Reader, Shape, TypeInfo};

/// Objects of one picture: numbers of nodes have 32 bits, and the reader's bound is the same.
const OBJECTS: usize = 400_000_000;
/// More references than these to one object are not counted but corrupt memory.
const REFERENCE_COUNT: u64 = 1 << 40;

/// Labels that are used all the time.
pub(super) struct Labels {
    pub(super) attributes: u32,
    pub(super) key: u32,
    pub(super) field: u32,
    pub(super) code: u32,
    pub(super) globals: u32,
    pub(super) closure: u32,
    pub(super) defaults: u32,
    pub(super) keyword_defaults: u32,
    pub(super) class: u32,
    pub(super) base: u32,
    pub(super) bases: u32,
    pub(super) mro: u32,
    pub(super) stack: u32,
    pub(super) frame: u32,
    pub(super) none: u32,
}

/// The walk.
pub(super) struct Walk<'m> {
    pub(super) pages: Pages<'m>,
    pub(super) layout: &'static Layout,
    pub(super) out: Output,
    pub(super) labels: Labels,
    pub(super) types: Vec<TypeInfo>,
    /// Per object: index into `types`.
    pub(super) type_of: Vec<u32>,
    type_index: HashMap<u64, Option<u32>>,
    last_type: (u64, Option<u32>),
    pub(super) table: Table,
    /// Dicts of modules, with their module.
    pub(super) module_of_dict: HashMap<u64, u64>,
    /// Dicts that are the attributes of another object.
    pub(super) stores: HashSet<u32>,
    /// Number of the text of each `str` that is a label.
    names: HashMap<u64, u32>,
    /// Names of the variables of code, by its address; the last are the free ones.
    pub(super) variables: HashMap<u64, std::rc::Rc<[u32]>>,
    next: usize,
    /// Whether objects beyond [`OBJECTS`] were left out.
    pub(super) is_cut: bool,
}

impl<'m> Walk<'m> {
    pub(super) fn new(pages: Pages<'m>, layout: &'static Layout) -> Self {
        let mut out = Output::default();
        let mut text = |text: &str| out.texts.number(text);
        let labels = Labels {
            attributes: text("__dict__"),
            key: text("(key)"),
            field: text("(field)"),
            code: text("__code__"),
            globals: text("__globals__"),
            closure: text("__closure__"),
            defaults: text("__defaults__"),
            keyword_defaults: text("__kwdefaults__"),
            class: text("__class__"),
            base: text("__base__"),
            bases: text("__bases__"),
            mro: text("__mro__"),
            stack: text("(stack)"),
            frame: text("(frame)"),
            none: text(""),
        };
        out.first.push(0);
        Self {
            pages,
            layout,
            out,
            labels,
            types: Vec::new(),
            type_of: Vec::new(),
            type_index: HashMap::new(),
            last_type: (0, None),
            table: Table::new(),
            module_of_dict: HashMap::new(),
            stores: HashSet::new(),
            names: HashMap::new(),
            variables: HashMap::new(),
            next: 0,
            is_cut: false,
        }
    }

    /// The type at an address, read once.
    #[inline]
    pub(super) fn type_at(&mut self, address: u64) -> Option<u32> {
        if self.last_type.0 == address {
            return self.last_type.1;
        }
        let known = match self.type_index.get(&address) {
            Some(known) => *known,
            None => {
                let reader = Reader { layout: self.layout };
                let read = reader.read(address, &mut self.pages, &mut self.out.texts);
                let index = read.map(|info| {
                    self.types.push(info);
                    self.types.len() as u32 - 1
                });
                self.type_index.insert(address, index);
                index
            }
        };
        self.last_type = (address, known);
        known
    }

    /// The number of the object that a word points to, which is believed to be one.
    #[inline]
    pub(super) fn object(&mut self, address: u64) -> Option<u32> {
        if let Some(node) = self.table.get(address) {
            return Some(node);
        }
        if address == 0 || !address.is_multiple_of(8) {
            return None;
        }
        let class = self.pages.u64(address + 8)?;
        let of = self.type_at(class)?;
        if self.types[of as usize].shape == Shape::Nothing {
            return None;
        }
        if self.out.addresses.len() >= OBJECTS {
            self.is_cut = true;
            return None;
        }
        let node = self.out.addresses.len() as u32;
        self.table.insert(address, node);
        self.out.addresses.push(address);
        self.out.types.push(self.types[of as usize].name);
        self.out.bytes.push(0);
        self.type_of.push(of);
        Some(node)
    }

    /// The number of the object that a word may point to: its reference count must be one as well.
    pub(super) fn maybe_object(&mut self, address: u64) -> Option<u32> {
        if let Some(node) = self.table.get(address) {
            return Some(node);
        }
        if address < 4096 || !address.is_multiple_of(8) {
            return None;
        }
        let count = self.pages.u64(address)?;
        if count == 0 || count > REFERENCE_COUNT {
            return None;
        }
        self.object(address)
    }

    /// Adds a reference of the object in hand.
    #[inline]
    pub(super) fn refer(&mut self, held: Held, label: u32, address: u64) -> Option<u32> {
        let to = self.holder(address)?;
        self.out.references.push(Reference::new(held, label, to));
        Some(to)
    }

    /// The same for the dict of a module in the place of which others refer to the module: it is the
    /// module's alone, so that what is in it hangs from there.
    #[inline]
    fn holder(&mut self, address: u64) -> Option<u32> {
        let node = self.object(address)?;
        if self.types[self.type_of[node as usize] as usize].shape == Shape::Dict
            && let Some(module) = self.module_of_dict.get(&address).copied()
        {
            return self.object(module);
        }
        Some(node)
    }

    pub(super) fn maybe_holder(&mut self, address: u64) -> Option<u32> {
        self.maybe_object(address)?;
        self.holder(address)
    }

    pub(super) fn maybe_refer(&mut self, held: Held, label: u32, address: u64) {
        if let Some(to) = self.maybe_holder(address) {
            self.out.references.push(Reference::new(held, label, to));
        }
    }

    /// Adds a root that is no object.
    pub(super) fn root(&mut self, name: &str, held: &[(Held, u32, u64)]) {
        let mut references = Vec::new();
        for (how, label, address) in held {
            if let Some(to) = self.maybe_holder(*address) {
                references.push(Reference::new(*how, *label, to));
            }
        }
        self.root_row(name, references);
    }

    pub(super) fn root_row(&mut self, name: &str, references: Vec<Reference>) {
        if !references.is_empty() {
            let name = self.out.texts.number(name);
            self.out.roots.push(RootRow { name, references });
        }
    }

    /// Visits all objects that were found and not visited yet, and those found by that.
    pub(super) fn run(&mut self) {
        while self.next < self.out.addresses.len() {
            self.visit(self.next as u32);
            self.out.first.push(self.out.references.len());
            self.next += 1;
        }
    }

    /// The text of a `str`, as a label.
    pub(super) fn label_of(&mut self, text: u64) -> u32 {
        if let Some(known) = self.names.get(&text) {
            return *known;
        }
        /// Letters of a name.
        const LETTERS: usize = 80;
        let read = super::text::read(text, self.layout, &mut self.pages, LETTERS).unwrap_or_default();
        let label = self.out.texts.number(&read);
        self.names.insert(text, label);
        label
    }

    pub(super) fn text(&mut self, address: u64, most: usize) -> Option<String> {
        super::text::read(address, self.layout, &mut self.pages, most)
    }

    pub(super) fn fact(&mut self, fact: Fact, node: u32, first: &str, second: &str, number: u32) {
        let (first, second) = (self.out.texts.number(first), self.out.texts.number(second));
        self.out.facts.push(FactRow {
            fact,
            node,
            first,
            second,
            number,
        });
    }
}
