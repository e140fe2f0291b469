//! Types of objects: how many bytes they have and which words of them are references.

use super::layout::{Layout, flags, type_object as field};
use super::output::Texts;
use super::pages::Pages;

/// How an object is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// `None`: no object of interest.
    Nothing,
    /// Refers to nothing (besides attributes of a subclass).
    Leaf,
    Text,
    Integer,
    Bytes,
    ByteArray,
    Dict,
    List,
    Tuple,
    Set,
    Deque,
    Type,
    Module,
    Function,
    Code,
    Frame,
    Generator,
    Weakref,
    Exception,
    /// A link in the list of an `lru_cache`: neighbours are not held.
    CacheLink,
    NdArray,
    /// Fields by a table, other words by looking.
    Plain,
}

/// A field that holds an object, by name.
pub(super) type Field = (u32, u32);

/// What is known of a type.
#[derive(Debug)]
pub(super) struct TypeInfo {
    pub(super) name: u32,
    pub(super) shape: Shape,
    pub(super) basic_bytes: u64,
    pub(super) item_bytes: u64,
    pub(super) flags: u64,
    pub(super) dict_offset: i64,
    pub(super) cached_keys: u64,
    /// Named fields and slots.
    pub(super) fields: Vec<Field>,
    /// Offsets of words that may hold references, by no name.
    pub(super) scanned: Vec<u32>,
    /// Bytes in front of the object that belong to it.
    pub(super) head_bytes: u64,
}

impl TypeInfo {
    pub(super) fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}

/// Classes above one that are followed: Python's own limit is far higher, no program has as many.
const DEPTH: usize = 64;
/// Slots of one class.
const SLOTS: u64 = 1024;
/// A static instance of more bytes is no instance.
const BASIC_BYTES: u64 = 1 << 20;
const NAME_BYTES: usize = 256;

/// Fields of types written in C, by the name of the type. Others are found by looking at each word.
const FIELDS: &[(&str, &[(u32, &str)])] = &[
    ("cell", &[(16, "cell_contents")]),
    ("method", &[(16, "__func__"), (24, "__self__")]),
    (
        "builtin_function_or_method",
        &[(24, "__self__"), (32, "__module__")],
    ),
    ("traceback", &[(16, "tb_next"), (24, "tb_frame")]),
    ("staticmethod", &[(16, "__func__")]),
    ("classmethod", &[(16, "__func__")]),
    (
        "property",
        &[(16, "fget"), (24, "fset"), (32, "fdel"), (40, "__doc__")],
    ),
    (
        "functools.partial",
        &[(16, "func"), (24, "args"), (32, "keywords")],
    ),
    ("mappingproxy", &[(16, "mapping")]),
    ("slice", &[(16, "start"), (24, "stop"), (32, "step")]),
];

fn fields_of(name: &str) -> &'static [(u32, &'static str)] {
    FIELDS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(&[], |(_, fields)| fields)
}

/// Shape and bytes that it accounts for, by the name of the type written in C.
fn shape_of(name: &str, bits: u64, layout: &Layout) -> Option<(Shape, u64)> {
    Some(match name {
        "NoneType" => (Shape::Nothing, u64::MAX),
        "float" | "bool" | "complex" | "ellipsis" | "NotImplementedType" | "datetime.date"
        | "datetime.timedelta" | "decimal.Decimal" | "uuid.UUID" | "_random.Random" => {
            (Shape::Leaf, u64::MAX)
        }
        "set" | "frozenset" => (Shape::Set, 200),
        "collections.deque" => (Shape::Deque, u64::MAX),
        "bytearray" => (Shape::ByteArray, u64::MAX),
        "module" => (Shape::Module, 40),
        "function" => (Shape::Function, layout.function_bytes),
        "code" => (Shape::Code, u64::MAX),
        "frame" => (Shape::Frame, u64::MAX),
        "generator" | "coroutine" | "async_generator" => (Shape::Generator, u64::MAX),
        "weakref"
        | "weakref.ReferenceType"
        | "weakproxy"
        | "weakref.ProxyType"
        | "weakcallableproxy"
        | "weakref.CallableProxyType" => (Shape::Weakref, 64),
        "functools._lru_list_elem" | "_functools._lru_list_elem" => (Shape::CacheLink, u64::MAX),
        "numpy.ndarray" => (Shape::NdArray, 64),
        _ if bits & flags::DICT != 0 && name == "dict" => (Shape::Dict, 48),
        _ if bits & flags::LIST != 0 && name == "list" => (Shape::List, 40),
        _ if bits & flags::TUPLE != 0 && name == "tuple" => (Shape::Tuple, 24),
        _ if bits & flags::UNICODE != 0 && name == "str" => (Shape::Text, u64::MAX),
        _ if bits & flags::BYTES != 0 && name == "bytes" => (Shape::Bytes, u64::MAX),
        _ if bits & flags::LONG != 0 && name == "int" => (Shape::Integer, u64::MAX),
        _ if bits & flags::TYPE != 0 && name == "type" => (Shape::Type, layout.heap_type_bytes),
        _ if bits & flags::EXCEPTION != 0 && name == "BaseException" => {
            (Shape::Exception, layout.exception_traceback + 24)
        }
        _ => return None,
    })
}

/// Reads types.
pub(super) struct Reader<'l> {
    pub(super) layout: &'l Layout,
}

impl Reader<'_> {
    /// What is at `address`, if that is a type.
    pub(super) fn read(&self, address: u64, pages: &mut Pages<'_>, texts: &mut Texts) -> Option<TypeInfo> {
        if !is_type(address, pages) {
            return None;
        }
        let bits = pages.u64(address + field::FLAGS)?;
        let basic_bytes = pages
            .u64(address + field::BASIC_SIZE)
            .filter(|bytes| (16..BASIC_BYTES).contains(bytes))?;
        let own_name = static_name(address, pages)?;
        let (shape, covered) = self.shape(address, pages);
        let mut info = TypeInfo {
            name: texts.number(&self.full_name(address, bits, &own_name, pages)),
            shape,
            basic_bytes,
            item_bytes: pages
                .u64(address + field::ITEM_SIZE)
                .filter(|bytes| *bytes < 4096)
                .unwrap_or(0),
            flags: bits,
            dict_offset: pages.i64(address + field::DICT_OFFSET).unwrap_or(0),
            cached_keys: match bits & flags::HEAP_TYPE {
                0 => 0,
                _ => pages.u64(address + self.layout.type_cached_keys).unwrap_or(0),
            },
            fields: Vec::new(),
            scanned: Vec::new(),
            head_bytes: head_bytes(bits),
        };
        self.find_fields(address, covered, &mut info, pages, texts);
        Some(info)
    }

    /// The shape of the nearest class written in C that has one.
    fn shape(&self, address: u64, pages: &mut Pages<'_>) -> (Shape, u64) {
        for class in bases(address, pages) {
            let bits = pages.u64(class + field::FLAGS).unwrap_or(0);
            let named = static_name(class, pages).filter(|_| is_written_in_c(class, bits, pages));
            if let Some(shape) = named.and_then(|name| shape_of(&name, bits, self.layout)) {
                return shape;
            }
        }
        (Shape::Plain, 16)
    }

    fn find_fields(
        &self,
        address: u64,
        covered: u64,
        info: &mut TypeInfo,
        pages: &mut Pages<'_>,
        texts: &mut Texts,
    ) {
        let classes = bases(address, pages);
        for class in &classes {
            if let Some(name) = static_name(*class, pages) {
                let fields = fields_of(&name);
                info.fields.extend(
                    fields
                        .iter()
                        .map(|(offset, label)| (*offset, texts.number(label))),
                );
                if !fields.is_empty() {
                    break;
                }
            }
        }
        for class in classes {
            slots(class, info.basic_bytes, pages, texts, &mut info.fields);
        }
        if covered == u64::MAX && info.dict_offset <= 0 {
            return;
        }
        let weak = pages.u64(address + field::WEAKLIST_OFFSET).unwrap_or(0);
        let known: Vec<u64> = info.fields.iter().map(|(offset, _)| u64::from(*offset)).collect();
        let attributes = info.dict_offset as u64;
        let from = if covered == u64::MAX {
            info.basic_bytes
        } else {
            covered.max(16)
        };
        info.scanned = (from..info.basic_bytes.saturating_sub(7))
            .step_by(8)
            .filter(|offset| !known.contains(offset) && *offset != weak && *offset != attributes)
            .map(|offset| offset as u32)
            .collect();
    }

    /// `module.Class` as Python prints it; what is built in goes without a module.
    fn full_name(&self, address: u64, bits: u64, own: &str, pages: &mut Pages<'_>) -> String {
        if bits & flags::HEAP_TYPE == 0 {
            return own.strip_prefix("builtins.").unwrap_or(own).to_owned();
        }
        let qualname = pages
            .u64(address + self.layout.type_qualname)
            .and_then(|text| super::text::read(text, self.layout, pages, NAME_BYTES));
        let short = own.rsplit('.').next().unwrap_or(own);
        let name = qualname.unwrap_or_else(|| short.to_owned());
        let module = pages
            .u64(address + field::DICT)
            .and_then(|dict| super::dict::value_of(dict, "__module__", self.layout, pages))
            .and_then(|text| super::text::read(text, self.layout, pages, NAME_BYTES))
            .or_else(|| own.rsplit_once('.').map(|(module, _)| module.to_owned()));
        match module.as_deref() {
            None | Some("builtins") => name,
            Some(module) => format!("{module}.{name}"),
        }
    }
}

fn head_bytes(bits: u64) -> u64 {
    let collector = if bits & flags::HAVE_GC != 0 { 16 } else { 0 };
    let managed = if bits & (flags::MANAGED_DICT | flags::MANAGED_WEAKREF) != 0 {
        16
    } else {
        0
    };
    collector + managed
}

/// Whether the class of an object at `address` says of itself that its instances are types.
fn is_type(address: u64, pages: &mut Pages<'_>) -> bool {
    if address == 0 || !address.is_multiple_of(8) {
        return false;
    }
    let Some(meta) = pages
        .u64(address + 8)
        .filter(|meta| *meta != 0 && meta.is_multiple_of(8))
    else {
        return false;
    };
    let of_types = pages
        .u64(meta + field::FLAGS)
        .is_some_and(|bits| bits & flags::TYPE != 0 && bits & flags::DICT == 0);
    // `type` is its own class; a metaclass has it above itself.
    let metameta = pages.u64(meta.wrapping_add(8)).unwrap_or(0);
    let closes = metameta == meta
        || pages
            .u64(metameta.wrapping_add(8))
            .is_some_and(|above| above == metameta || pages.u64(above.wrapping_add(8)) == Some(above));
    of_types && closes
}

/// `tp_name`.
fn static_name(address: u64, pages: &mut Pages<'_>) -> Option<String> {
    let name = pages.u64(address + field::NAME)?;
    pages.c_text(name, NAME_BYTES).filter(|name| !name.is_empty())
}

/// Classes of programs can have the name of one written in C, but not its missing `__dict__`…
/// so what counts is that a heap type's own dict says `__module__`: those of C types are no heap
/// types, or carry their module in `tp_name`.
fn is_written_in_c(address: u64, bits: u64, pages: &mut Pages<'_>) -> bool {
    bits & flags::HEAP_TYPE == 0
        || static_name(address, pages).is_some_and(|name| name.contains('.'))
        || pages
            .u64(address + field::MEMBERS)
            .is_some_and(|members| members != 0 && !is_inside(members, address))
}

/// Members of a class made in Python stand inside the class object.
fn is_inside(members: u64, class: u64) -> bool {
    (class..class + 2048).contains(&members)
}

/// A class and those above it, by `tp_base`.
fn bases(address: u64, pages: &mut Pages<'_>) -> Vec<u64> {
    let mut classes = vec![address];
    while let Some(base) = classes.last().and_then(|last| pages.u64(last + field::BASE)) {
        if base == 0 || classes.len() >= DEPTH || classes.contains(&base) {
            break;
        }
        classes.push(base);
    }
    classes
}

/// Slots (`__slots__`, and members of C types that hold objects).
fn slots(class: u64, basic_bytes: u64, pages: &mut Pages<'_>, texts: &mut Texts, fields: &mut Vec<Field>) {
    const OBJECT: u32 = 6;
    const OBJECT_EX: u32 = 16;
    const MEMBER_BYTES: u64 = 40;
    let Some(members) = pages.u64(class + field::MEMBERS).filter(|members| *members != 0) else {
        return;
    };
    for at in 0..SLOTS {
        let member = members + at * MEMBER_BYTES;
        let Some(name) = pages.u64(member).filter(|name| *name != 0) else {
            return;
        };
        let kind = pages.u32(member + 8).unwrap_or(0);
        let offset = pages.u64(member + 16).unwrap_or(0);
        if matches!(kind, OBJECT | OBJECT_EX)
            && (16..basic_bytes).contains(&offset)
            && offset.is_multiple_of(8)
            && !fields.iter().any(|(known, _)| u64::from(*known) == offset)
            && let Some(name) = pages.c_text(name, NAME_BYTES)
        {
            fields.push((offset as u32, texts.number(&name)));
        }
    }
}
