//! Frames of running functions, generators and coroutines.

use std::rc::Rc;

use super::layout::Frames;
use super::output::{Held, Reference};
use super::walk::Walk;

/// Variables and stack of one frame.
const SLOTS: u64 = 1 << 16;
/// Frames of one thread: Python's own limit of recursion is 1,000 by default.
const DEPTH: usize = 20_000;
/// Threads of one interpreter.
const THREADS: usize = 10_000;

/// One frame, whatever keeps it.
#[derive(Debug, Clone, Copy)]
struct FrameAt {
    code: u64,
    slots: u64,
    /// Slots in use behind the variables; a guess where the function runs.
    stack: u64,
    is_running: bool,
}

impl Walk<'_> {
    fn at(&mut self, address: u64) -> u64 {
        self.pages.u64(address).unwrap_or(0)
    }

    /// Names of the variables of code; the free ones come last.
    pub(super) fn variables_of(&mut self, code: u64) -> Rc<[u32]> {
        if let Some(known) = self.variables.get(&code) {
            return known.clone();
        }
        let layout = self.layout;
        let tuples = match layout.minor {
            ..11 => vec![layout.code_names, layout.code_cell_names, layout.code_free_names],
            _ => vec![layout.code_names],
        };
        let mut names = Vec::new();
        for offset in tuples {
            let tuple = self.at(code + offset);
            let count = self.at(tuple + 16).min(SLOTS);
            for at in 0..count {
                let name = self.at(tuple + 24 + at * 8);
                names.push(self.label_of(name));
            }
        }
        let names: Rc<[u32]> = names.into();
        self.variables.insert(code, names.clone());
        names
    }

    /// References of a frame, for the object in hand or for a root.
    fn frame_references(&mut self, frame: FrameAt) -> Vec<(Held, u32, u64)> {
        let names = self.variables_of(frame.code);
        let mut references = Vec::new();
        let mut words = Vec::new();
        let count = names.len() as u64 + frame.stack.min(SLOTS);
        self.pages.words(frame.slots, count as usize, &mut words);
        for (at, word) in words.into_iter().enumerate().filter(|(_, word)| *word != 0) {
            let variable = names.get(at).copied();
            match variable {
                Some(label) => references.push((Held::Variable, label, word)),
                None => references.push((Held::Internal, self.labels.stack, word)),
            }
        }
        references
    }

    fn refer_frame(&mut self, frame: FrameAt) {
        self.refer(Held::Internal, self.labels.code, frame.code);
        for (held, label, word) in self.frame_references(frame) {
            match (held, frame.is_running) {
                (Held::Variable, _) | (_, false) => {
                    self.refer(held, label, word);
                }
                _ => self.maybe_refer(held, label, word),
            }
        }
    }

    /// A frame on a thread's stack or inside a generator (3.11 and later).
    fn interpreter_frame(&mut self, frame: u64) -> Option<FrameAt> {
        let Frames::Stack {
            code,
            stack_top,
            locals_plus,
            ..
        } = self.layout.frames
        else {
            return None;
        };
        let code = self.at(frame + code);
        let variables = u64::from(self.pages.u32(code + self.layout.code_locals_count)?).min(SLOTS);
        let top = self.pages.u32(frame + stack_top)? as i32;
        let is_running = top < variables as i32;
        let stack = if is_running {
            u64::from(self.pages.u32(code + self.layout.code_locals_count - 8)?)
        } else {
            top as u64 - variables
        };
        Some(FrameAt {
            code,
            slots: frame + locals_plus,
            stack,
            is_running,
        })
    }

    pub(super) fn visit_frame(&mut self, address: u64, basic: u64) -> u64 {
        match self.layout.frames {
            Frames::Objects {
                code,
                value_stack,
                locals_plus,
            } => {
                let code_at = self.at(address + code);
                for offset in (24..value_stack).step_by(8).filter(|offset| *offset != code) {
                    let word = self.at(address + offset);
                    self.maybe_refer(Held::Internal, self.labels.field, word);
                }
                let slots = address + locals_plus;
                let names = self.variables_of(code_at).len() as u64;
                let items = self.at(address + 16).min(SLOTS);
                self.refer_frame(FrameAt {
                    code: code_at,
                    slots,
                    stack: items.saturating_sub(names),
                    is_running: true,
                });
                basic + items * 8
            }
            Frames::Stack {
                object_frame,
                object_data,
                ..
            } => {
                let back = self.at(address + 16);
                let label = self.out.texts.number("f_back");
                self.maybe_refer(Held::Internal, label, back);
                let frame = self.at(address + object_frame);
                // Frames that still run are roots of their thread; those that are over live in here.
                if frame == address + object_data
                    && let Some(frame) = self.interpreter_frame(frame)
                {
                    let whole = basic + (self.variables_of(frame.code).len() as u64 + frame.stack) * 8;
                    self.visit_specials(address + object_data);
                    self.refer_frame(frame);
                    return whole;
                }
                basic
            }
        }
    }

    /// What a frame holds besides its variables.
    fn visit_specials(&mut self, frame: u64) {
        if let Frames::Stack {
            function,
            locals,
            frame_object,
            ..
        } = self.layout.frames
        {
            for offset in [function, locals, frame_object] {
                let word = self.at(frame + offset);
                self.maybe_refer(Held::Internal, self.labels.frame, word);
            }
        }
    }

    pub(super) fn visit_generator(&mut self, address: u64, basic: u64) -> u64 {
        let layout = self.layout;
        let class = self.at(address + 8);
        let weak = self.at(class + super::layout::type_object::WEAKLIST_OFFSET);
        let end = match layout.frames {
            Frames::Objects { .. } => basic,
            Frames::Stack { .. } => layout.generator_frame,
        };
        for offset in (16..end).step_by(8).filter(|offset| *offset != weak) {
            let word = self.at(address + offset);
            let label = match (layout.minor, offset) {
                (..11, 16) => self.labels.frame,
                _ => self.labels.field,
            };
            self.maybe_refer(Held::Internal, label, word);
        }
        if layout.minor < 11 {
            return basic;
        }
        let state = self.pages.u8(address + layout.generator_state).unwrap_or(1) as i8;
        let frame = address + layout.generator_frame;
        if state > 0 {
            return basic;
        }
        let Some(frame_at) = self.interpreter_frame(frame) else {
            return basic;
        };
        self.visit_specials(frame);
        self.refer_frame(frame_at);
        let room = u64::from(
            self.pages
                .u32(frame_at.code + layout.code_locals_count - 8)
                .unwrap_or(0),
        );
        basic + (self.variables_of(frame_at.code).len() as u64 + room.min(SLOTS)) * 8
    }

    /// Threads of an interpreter: what each keeps, and the variables of its frames.
    pub(super) fn add_threads(&mut self, interpreter: u64) {
        let layout = self.layout;
        let mut thread = self.at(interpreter + layout.threads);
        for number in 1..=THREADS {
            if thread == 0 {
                return;
            }
            let mut words = Vec::new();
            self.pages
                .words(thread, layout.thread_bytes as usize / 8, &mut words);
            let field = self.labels.field;
            let held: Vec<(Held, u32, u64)> = words
                .into_iter()
                .map(|word| (Held::Internal, field, word))
                .collect();
            self.root(&format!("(thread {number})"), &held);
            self.add_stack(thread);
            thread = self.at(thread + layout.thread_next);
        }
    }

    fn add_stack(&mut self, thread: u64) {
        let Frames::Stack {
            previous,
            c_frame,
            function,
            locals,
            frame_object,
            ..
        } = self.layout.frames
        else {
            return; // frames are objects, and the thread refers to the latest
        };
        let mut frame = self.at(thread + self.layout.thread_frame);
        if let Some(offset) = c_frame {
            frame = self.at(frame + offset);
        }
        for _ in 0..DEPTH {
            if frame == 0 {
                return;
            }
            let next = self.at(frame + previous);
            if let Some(at) = self.interpreter_frame(frame)
                && let Some(code) = self.maybe_object(at.code)
            {
                let mut references = vec![Reference::new(Held::Internal, self.labels.code, code)];
                for offset in [function, locals, frame_object] {
                    let word = self.at(frame + offset);
                    if let Some(to) = self.maybe_holder(word) {
                        references.push(Reference::new(Held::Internal, self.labels.frame, to));
                    }
                }
                for (held, label, word) in self.frame_references(at) {
                    if let Some(to) = self.maybe_holder(word) {
                        references.push(Reference::new(held, label, to));
                    }
                }
                let name = match self.layout.minor {
                    ..11 => self.layout.code_name,
                    _ => self.layout.code_name + 8,
                };
                let name = self.at(at.code + name);
                let name = self.text(name, 80).unwrap_or_default();
                self.root_row(&format!("(frame of {name})"), references);
            }
            frame = next;
        }
    }
}
