//! What the virtual machine itself holds, and the stacks of threads.

use std::collections::HashMap;

use super::classes::Classes;
use super::hash::Seeded;

/// Why something is a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootKind {
    Unknown,
    JniGlobal,
    JniLocal,
    JavaFrame,
    NativeStack,
    SystemClass,
    ThreadBlock,
    Monitor,
    Thread,
    Interned,
    Finalizing,
    Debugger,
    ReferenceCleanup,
    VmInternal,
    JniMonitor,
    /// Not a root: Android tells unreachable objects so.
    Unreachable,
}

impl RootKind {
    pub(crate) fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            0xFF => Self::Unknown,
            0x01 => Self::JniGlobal,
            0x02 => Self::JniLocal,
            0x03 => Self::JavaFrame,
            0x04 => Self::NativeStack,
            0x05 => Self::SystemClass,
            0x06 => Self::ThreadBlock,
            0x07 => Self::Monitor,
            0x08 => Self::Thread,
            0x89 => Self::Interned,
            0x8A => Self::Finalizing,
            0x8B => Self::Debugger,
            0x8C => Self::ReferenceCleanup,
            0x8D => Self::VmInternal,
            0x8E => Self::JniMonitor,
            0x90 => Self::Unreachable,
            _ => return None,
        })
    }

    /// Numbers of 4 bytes that follow the address; `None` for an identifier.
    pub(crate) fn extra_fields(self) -> Option<usize> {
        Some(match self {
            Self::JniGlobal => return None,
            Self::JniLocal | Self::JavaFrame | Self::Thread | Self::JniMonitor => 2,
            Self::NativeStack | Self::ThreadBlock => 1,
            _ => 0,
        })
    }

    /// As a step of a path.
    fn name(self) -> &'static str {
        match self {
            Self::Unknown | Self::Unreachable => "unknown root",
            Self::JniGlobal => "JNI global",
            Self::JniLocal => "JNI local",
            Self::JavaFrame => "local variable",
            Self::NativeStack => "native stack",
            Self::SystemClass => "system class",
            Self::ThreadBlock => "thread block",
            Self::Monitor => "monitor",
            Self::Thread => "thread",
            Self::Interned => "interned string",
            Self::Finalizing => "being finalized",
            Self::Debugger => "debugger",
            Self::ReferenceCleanup => "reference cleanup",
            Self::VmInternal => "virtual machine",
            Self::JniMonitor => "JNI monitor",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    class: u32,
    method: u32,
    file: u32,
    line: i32,
}

/// Roots as they come, and what is needed to name the frames of local variables.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    all: Vec<(RootKind, u64, [u32; 2])>,
    frames: HashMap<u64, Frame, Seeded>,
    traces: HashMap<u32, Vec<u64>>,
}

/// A root to be: what holds it (0: the root node, else the address of a thread), by which name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) by: u64,
    pub(crate) name: u32,
    pub(crate) address: u64,
}

impl Roots {
    pub(crate) fn add(&mut self, kind: RootKind, address: u64, extra: [u32; 2]) {
        if kind != RootKind::Unreachable && address != 0 {
            self.all.push((kind, address, extra));
        }
    }

    /// `names` are the serial number of the class and the texts of method and file.
    pub(crate) fn frame(&mut self, id: u64, names: [u32; 3], line: i32) {
        let [class, method, file] = names;
        self.frames.insert(
            id,
            Frame {
                class,
                method,
                file,
                line,
            },
        );
    }

    pub(crate) fn trace(&mut self, serial: u32, frames: Vec<u64>) {
        self.traces.insert(serial, frames);
    }

    /// All roots with their names, each once.
    pub(crate) fn resolve(self, classes: &mut Classes) -> Vec<Held> {
        let mut threads = HashMap::new();
        for (kind, address, [serial, trace]) in &self.all {
            if *kind == RootKind::Thread {
                threads.entry(*serial).or_insert((*address, *trace));
            }
        }
        let mut names = Names::default();
        let mut held: Vec<Held> = Vec::with_capacity(self.all.len());
        for (kind, address, [serial, frame]) in &self.all {
            let thread = match kind {
                RootKind::JavaFrame | RootKind::JniLocal => threads.get(serial),
                _ => None,
            };
            let (by, name) = match thread {
                // The thread object itself is a local variable of many frames.
                Some((thread, _)) if thread == address => continue,
                Some((thread, trace)) => (*thread, names.local(*kind, (*trace, *frame), &self, classes)),
                None => (0, names.kind(*kind, classes)),
            };
            held.push(Held {
                by,
                name,
                address: *address,
            });
        }
        held.sort_by_key(|root| (root.by, root.address));
        held.dedup_by_key(|root| (root.by, root.address));
        held
    }
}

/// Texts that were made already.
#[derive(Default)]
struct Names {
    kinds: Vec<(RootKind, u32)>,
    frames: HashMap<(u32, u32), u32>,
}

impl Names {
    fn kind(&mut self, kind: RootKind, classes: &mut Classes) -> u32 {
        if let Some((_, text)) = self.kinds.iter().find(|(known, _)| *known == kind) {
            return *text;
        }
        let text = classes.text(kind.name());
        self.kinds.push((kind, text));
        text
    }

    fn local(&mut self, kind: RootKind, at: (u32, u32), roots: &Roots, classes: &mut Classes) -> u32 {
        if let Some(text) = self.frames.get(&at) {
            return *text;
        }
        let (trace, number) = at;
        let frame = roots
            .traces
            .get(&trace)
            .and_then(|frames| frames.get(number as usize))
            .and_then(|id| roots.frames.get(id));
        let Some(frame) = frame else {
            return self.kind(kind, classes);
        };
        let class = classes.name_by_serial(frame.class);
        let text = |at: u32| classes.texts.get(at);
        let place = match (text(frame.file), frame.line) {
            ("", _) => String::new(),
            (file, line) if line > 0 => format!(" ({file}:{line})"),
            (file, _) => format!(" ({file})"),
        };
        let name = format!(
            "local variable of {}.{}(){place}",
            text(class),
            text(frame.method)
        );
        let text = classes.text(&name);
        self.frames.insert(at, text);
        text
    }
}
