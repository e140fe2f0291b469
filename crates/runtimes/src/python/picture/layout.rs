//! Where the interpreter keeps what, per version: offsets in bytes, on 64-bit machines.
//!
//! From the structures in CPython's own headers (`Include/cpython`, `Include/internal`), printed by a
//! program compiled against the headers of 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0. Within a minor
//! version they do not change: extension modules depend on it.

/// How far behind an object's `tp_dictoffset` its attributes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attributes {
    /// A dict at `tp_dictoffset` (3.9, 3.10).
    Plain,
    /// 3.11: values at word −4, dict at word −3.
    TwoWords,
    /// 3.12: values (tagged) or dict at word −3.
    Tagged,
    /// 3.13: dict at word −3, values behind the instance.
    Inline,
}

/// The frame of a running function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    /// Objects of their own, one each (3.9, 3.10).
    Objects {
        code: u64,
        value_stack: u64,
        locals_plus: u64,
    },
    /// Stretches of a thread's own stack (3.11 and later).
    Stack {
        previous: u64,
        code: u64,
        function: u64,
        locals: u64,
        frame_object: u64,
        stack_top: u64,
        locals_plus: u64,
        /// `_PyCFrame.current_frame`, where the thread keeps one of those.
        c_frame: Option<u64>,
        /// In `PyFrameObject`: pointer to the frame, and the frame inside.
        object_frame: u64,
        object_data: u64,
    },
}

/// Offsets of one version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) minor: u8,
    pub(super) interpreters_head: u64,
    pub(super) interpreter_next: u64,
    pub(super) interpreter_bytes: u64,
    pub(super) threads: u64,
    pub(super) modules: u64,
    pub(super) generations: u64,
    pub(super) permanent: u64,
    pub(super) thread_next: u64,
    pub(super) thread_bytes: u64,
    pub(super) thread_frame: u64,
    pub(super) frames: Frames,
    pub(super) attributes: Attributes,
    /// In generators: the frame (3.11 and later: inside).
    pub(super) generator_frame: u64,
    pub(super) generator_state: u64,
    pub(super) code_name: u64,
    pub(super) code_file: u64,
    pub(super) code_line: u64,
    /// Names of the variables of a frame: one tuple (3.11), or the first of three.
    pub(super) code_names: u64,
    pub(super) code_cell_names: u64,
    pub(super) code_free_names: u64,
    pub(super) code_locals_count: u64,
    pub(super) function_code: u64,
    pub(super) function_globals: u64,
    pub(super) function_closure: u64,
    pub(super) function_bytes: u64,
    pub(super) type_cached_keys: u64,
    pub(super) type_qualname: u64,
    pub(super) heap_type_bytes: u64,
    pub(super) ascii_bytes: u64,
    pub(super) compact_bytes: u64,
    pub(super) exception_traceback: u64,
    /// `PyDictKeysObject`: entries are counted here, indices begin there.
    pub(super) keys_count: u64,
    pub(super) keys_indices: u64,
    /// In `PyDictValues`.
    pub(super) values: u64,
}

/// Words of `PyTypeObject`, the same in all these versions.
pub(super) mod type_object {
    pub(crate) const NAME: u64 = 24;
    pub(crate) const BASIC_SIZE: u64 = 32;
    pub(crate) const ITEM_SIZE: u64 = 40;
    pub(crate) const FLAGS: u64 = 168;
    pub(crate) const WEAKLIST_OFFSET: u64 = 208;
    pub(crate) const MEMBERS: u64 = 240;
    pub(crate) const BASE: u64 = 256;
    pub(crate) const DICT: u64 = 264;
    pub(crate) const DICT_OFFSET: u64 = 288;
    pub(crate) const BASES: u64 = 336;
    pub(crate) const MRO: u64 = 344;
    pub(crate) const SUBCLASSES: u64 = 360;
}

/// Bits of `tp_flags`.
pub(super) mod flags {
    pub(crate) const MANAGED_WEAKREF: u64 = 1 << 3;
    pub(crate) const MANAGED_DICT: u64 = 1 << 4;
    pub(crate) const HEAP_TYPE: u64 = 1 << 9;
    pub(crate) const HAVE_GC: u64 = 1 << 14;
    pub(crate) const LONG: u64 = 1 << 24;
    pub(crate) const LIST: u64 = 1 << 25;
    pub(crate) const TUPLE: u64 = 1 << 26;
    pub(crate) const BYTES: u64 = 1 << 27;
    pub(crate) const UNICODE: u64 = 1 << 28;
    pub(crate) const DICT: u64 = 1 << 29;
    pub(crate) const EXCEPTION: u64 = 1 << 30;
    pub(crate) const TYPE: u64 = 1 << 31;
}

const V9: Layout = Layout {
    minor: 9,
    interpreters_head: 32,
    interpreter_next: 0,
    interpreter_bytes: 5656,
    threads: 8,
    modules: 856,
    generations: 640,
    permanent: 720,
    thread_next: 8,
    thread_bytes: 264,
    thread_frame: 24,
    frames: Frames::Objects {
        code: 32,
        value_stack: 64,
        locals_plus: 360,
    },
    attributes: Attributes::Plain,
    generator_frame: 16,
    generator_state: 0,
    code_name: 112,
    code_file: 104,
    code_line: 40,
    code_names: 72,
    code_cell_names: 88,
    code_free_names: 80,
    code_locals_count: 28,
    function_code: 16,
    function_globals: 24,
    function_closure: 48,
    function_bytes: 112,
    type_cached_keys: 864,
    type_qualname: 856,
    heap_type_bytes: 880,
    ascii_bytes: 48,
    compact_bytes: 72,
    exception_traceback: 32,
    keys_count: 32,
    keys_indices: 40,
    values: 0,
};

const V10: Layout = Layout {
    minor: 10,
    interpreter_bytes: 113_528,
    thread_bytes: 280,
    frames: Frames::Objects {
        code: 32,
        value_stack: 64,
        locals_plus: 352,
    },
    function_code: 48,
    function_globals: 16,
    function_closure: 72,
    function_bytes: 120,
    type_cached_keys: 872,
    type_qualname: 864,
    heap_type_bytes: 888,
    ..V9
};

const V11: Layout = Layout {
    minor: 11,
    interpreters_head: 40,
    interpreter_bytes: 107_752,
    threads: 16,
    modules: 888,
    generations: 672,
    permanent: 752,
    thread_bytes: 360,
    thread_frame: 56,
    frames: Frames::Stack {
        previous: 48,
        code: 32,
        function: 0,
        locals: 24,
        frame_object: 40,
        stack_top: 64,
        locals_plus: 72,
        c_frame: Some(8),
        object_frame: 24,
        object_data: 48,
    },
    attributes: Attributes::TwoWords,
    generator_frame: 80,
    generator_state: 75,
    code_name: 120,
    code_file: 112,
    code_line: 72,
    code_names: 96,
    code_cell_names: 0,
    code_free_names: 0,
    code_locals_count: 76,
    heap_type_bytes: 904,
    exception_traceback: 40,
    keys_count: 24,
    keys_indices: 32,
    ..V10
};

const V12: Layout = Layout {
    minor: 12,
    interpreter_bytes: 16_384, // 383,552 in all, most of it static objects and small blocks
    threads: 72,
    modules: 944,
    generations: 136,
    permanent: 216,
    thread_bytes: 288,
    frames: Frames::Stack {
        previous: 8,
        code: 0,
        function: 16,
        locals: 40,
        frame_object: 48,
        stack_top: 64,
        locals_plus: 72,
        c_frame: Some(0),
        object_frame: 24,
        object_data: 48,
    },
    attributes: Attributes::Tagged,
    generator_frame: 72,
    generator_state: 67,
    code_line: 68,
    code_locals_count: 72,
    function_bytes: 128,
    type_cached_keys: 880,
    type_qualname: 872,
    heap_type_bytes: 920,
    ascii_bytes: 40,
    compact_bytes: 56,
    ..V11
};

const V13: Layout = Layout {
    minor: 13,
    interpreters_head: 632,
    interpreter_next: 7264,
    interpreter_bytes: 16_384, // 194,968 in all
    threads: 7344,
    modules: 7656,
    generations: 7424,
    permanent: 7504,
    thread_bytes: 304,
    thread_frame: 72,
    frames: Frames::Stack {
        previous: 8,
        code: 0,
        function: 16,
        locals: 40,
        frame_object: 48,
        stack_top: 64,
        locals_plus: 72,
        c_frame: None,
        object_frame: 24,
        object_data: 64,
    },
    attributes: Attributes::Inline,
    heap_type_bytes: 928,
    values: 8,
    ..V12
};

impl Layout {
    /// The layout of Python 3.`minor`, if it is known.
    pub(super) fn of(minor: u8) -> Option<&'static Layout> {
        Some(match minor {
            9 => &V9,
            10 => &V10,
            11 => &V11,
            12 => &V12,
            13 => &V13,
            _ => return None,
        })
    }
}
