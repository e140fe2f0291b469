//! Where the walk begins: modules, threads, the interpreter, variables of C code.

use std::path::PathBuf;

use super::layout::flags;
use super::output::{Held, Reference};
use super::types::Shape;
use super::walk::Walk;
use crate::freeze::Mapping;

/// Modules of one interpreter, interpreters of one process, objects in a list of the collector.
const MODULES: u64 = 1 << 20;
const INTERPRETERS: usize = 64;
const COLLECTED: usize = 400_000_000;
/// A word of a collector's list head, in front of the object.
const HEAD_BYTES: u64 = 16;
/// Variables of C code in one file that are looked at: NumPy has 1 MB.
const GLOBALS_BYTES: u64 = 64 << 20;

impl Walk<'_> {
    fn word_at(&mut self, address: u64) -> u64 {
        self.pages.u64(address).unwrap_or(0)
    }

    /// Addresses of all interpreters of the process.
    pub(super) fn interpreters(&mut self, runtime: u64) -> Vec<u64> {
        let mut all = Vec::new();
        let mut at = self.word_at(runtime + self.layout.interpreters_head);
        while at != 0 && all.len() < INTERPRETERS && !all.contains(&at) {
            all.push(at);
            at = self.word_at(at + self.layout.interpreter_next);
        }
        all
    }

    /// `sys.modules`: each module is held by its name.
    pub(super) fn add_modules(&mut self, interpreter: u64) {
        let dict = self.word_at(interpreter + self.layout.modules);
        let keys_at = self.word_at(dict + 32);
        let Some(keys) = super::dict::keys(keys_at, self.layout, &mut self.pages) else {
            return;
        };
        let mut references = Vec::new();
        for at in 0..keys.count.min(MODULES) {
            let entry = keys.entries + (at * keys.stride + keys.key_word()) * 8;
            let (name, module) = (self.word_at(entry), self.word_at(entry + 8));
            if name == 0 || module == 0 {
                continue;
            }
            let label = self.label_of(name);
            if let Some(to) = self.object(module) {
                references.push(Reference::new(Held::Named, label, to));
                if self.types[self.type_of[to as usize] as usize].shape == Shape::Module {
                    let attributes = self.word_at(module + 16);
                    self.module_of_dict.insert(attributes, module);
                }
            }
        }
        self.root_row("(modules)", references);
    }

    /// What the interpreter itself refers to: builtins, codecs, hooks, interned texts, static types.
    pub(super) fn add_interpreter(&mut self, interpreter: u64) {
        let field = self.labels.field;
        let count = self.layout.interpreter_bytes as usize / 8;
        let mut words = Vec::new();
        self.pages.words(interpreter, count, &mut words);
        self.add_words("(interpreter)", &words, field);
    }

    fn add_words(&mut self, name: &str, words: &[u64], label: u32) {
        let mut references = Vec::new();
        for word in words {
            if *word < 4096 || !word.is_multiple_of(8) {
                continue;
            }
            if let Some(to) = self.maybe_holder(*word)
                && !self.is_intern_table(*word)
            {
                references.push(Reference::new(Held::Internal, label, to));
            }
        }
        self.root_row(name, references);
    }

    /// The dict of interned texts holds nothing: they go when nobody else holds them.
    fn is_intern_table(&mut self, address: u64) -> bool {
        /// Any program interns thousands.
        const FEWEST: u64 = 500;
        const LOOKED_AT: u64 = 16;
        let Some(of) = self.table.get(address).map(|node| self.type_of[node as usize]) else {
            return false;
        };
        if self.types[of as usize].shape != Shape::Dict {
            return false;
        }
        let keys_at = self.word_at(address + 32);
        let Some(keys) = super::dict::keys(keys_at, self.layout, &mut self.pages) else {
            return false;
        };
        let is_interned = |walk: &mut Self, at: u64| {
            let entry = keys.entries + (at * keys.stride + keys.key_word()) * 8;
            let (key, value) = (walk.word_at(entry), walk.word_at(entry + 8));
            key == 0 || key == value && walk.word_at(key + 32) & 3 != 0
        };
        keys.count >= FEWEST && (0..LOOKED_AT).all(|at| is_interned(self, at))
    }

    /// Variables of C code: writable data of the program and its libraries.
    pub(super) fn add_globals(&mut self, pid: u32, mappings: &[Mapping]) {
        let field = self.labels.field;
        for mapping in mappings
            .iter()
            .filter(|mapping| mapping.offset == 0 && !mapping.is_anonymous())
        {
            let path = PathBuf::from(format!("/proc/{pid}/root{}", mapping.path));
            let name = mapping.path.rsplit('/').next().unwrap_or_default();
            let mut all = Vec::new();
            for (start, bytes) in super::elf::variables(&path, mapping.start) {
                let start = start.next_multiple_of(8);
                let mut words = Vec::new();
                self.pages
                    .words(start, bytes.min(GLOBALS_BYTES) as usize / 8, &mut words);
                all.append(&mut words);
            }
            self.add_words(&format!("(C variables of {name})"), &all, field);
        }
    }

    /// Objects that the collector lists and that nothing led to.
    pub(super) fn add_collected(&mut self, interpreter: u64) {
        let layout = self.layout;
        let heads = (0..3)
            .map(|generation| layout.generations + 24 * generation)
            .chain([layout.permanent]);
        for head in heads {
            let head = interpreter + head;
            let mut at = self.word_at(head);
            for _ in 0..COLLECTED {
                if at == head || at == 0 {
                    break;
                }
                self.object(at + HEAD_BYTES);
                at = self.word_at(at);
            }
        }
    }

    pub(super) fn is_collected(&self, node: u32) -> bool {
        self.types[self.type_of[node as usize] as usize].has(flags::HAVE_GC)
    }
}
