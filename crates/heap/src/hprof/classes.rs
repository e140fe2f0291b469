//! Classes of a JVM heap dump: names, field layouts through superclasses, static fields.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::hash::Seeded;
use crate::column::Texts;

/// Kinds of values in fields and arrays, as the format numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BasicType(pub(crate) u8);

impl BasicType {
    pub(crate) const OBJECT: Self = Self(2);
    pub(crate) const CHAR: Self = Self(5);
    pub(crate) const BYTE: Self = Self(8);
    /// The primitive ones, by name, from number [`BasicType::FIRST_PRIMITIVE`] on.
    pub(crate) const PRIMITIVES: [&'static str; 8] = [
        "boolean", "char", "float", "double", "byte", "short", "int", "long",
    ];
    pub(crate) const FIRST_PRIMITIVE: u8 = 4;

    /// Its name; that of a reference is `object`.
    pub(crate) fn name(self) -> &'static str {
        let at = usize::from(self.0.wrapping_sub(Self::FIRST_PRIMITIVE));
        Self::PRIMITIVES.get(at).copied().unwrap_or("object")
    }

    /// Bytes of a value in the dump; `None` if there is no such type.
    pub(crate) fn bytes(self, id_bytes: usize) -> Option<usize> {
        Some(match self.0 {
            2 => id_bytes,
            4 | 8 => 1,
            5 | 9 => 2,
            6 | 10 => 4,
            7 | 11 => 8,
            _ => return None,
        })
    }
}

/// A field that holds a reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Where in the data of an instance.
    pub(crate) offset: u32,
    /// Text of its name.
    pub(crate) name: u32,
    /// The `referent` of a soft, weak or phantom reference: it keeps nothing alive.
    pub(crate) is_weak: bool,
}

/// Where the references are in instances of a class.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) slots: Vec<Slot>,
    /// Bytes of all fields in the dump.
    pub(crate) bytes: u32,
    /// Fields that hold references, and bytes of the others, for the size in memory.
    pub(crate) references: u32,
    pub(crate) primitive_bytes: u32,
    /// Where the contents and the coder of a `java.lang.String` are.
    pub(crate) string: Option<StringFields>,
    /// Whether instances hold their class: it may be unloaded without them.
    pub(crate) holds_class: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct StringFields {
    pub(crate) value: u32,
    pub(crate) coder: Option<u32>,
}

/// A class as the dump describes it.
#[derive(Debug, Default)]
pub(crate) struct Class {
    pub(crate) address: u64,
    pub(crate) super_class: u64,
    pub(crate) loader: u64,
    /// Named references from the class object itself: static fields, signers, constants.
    pub(crate) references: Vec<(u32, u64)>,
    pub(crate) static_bytes: u32,
    /// Own fields: text of the name, and type.
    fields: Vec<(u32, BasicType)>,
    /// Text of its name; that of an unknown class until `LOAD_CLASS` tells.
    pub(crate) name: u32,
    pub(crate) is_dumped: bool,
    layout: Option<Layout>,
}

/// All classes, and the texts that name them and their fields.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) texts: Texts,
    /// Text by identifier of the dump.
    utf8: HashMap<u64, u32, Seeded>,
    pub(crate) all: Vec<Class>,
    by_address: HashMap<u64, u32, Seeded>,
    by_serial: HashMap<u32, u32>,
    /// The class that was asked for last: neighbours in a heap are often of one class.
    latest: (u64, u32),
    class_name: HashMap<u32, u32>,
    /// Loaders that live as long as the virtual machine, and their classes with them.
    lasting_loaders: Vec<u64>,
}

/// Texts that every dump has: the empty one, and what a class object holds besides its static fields.
pub(crate) const EMPTY: u32 = 0;
const SIGNERS: u32 = 1;
const DOMAIN: u32 = 2;
const LOADER: u32 = 3;
const SUPER: u32 = 4;
pub(crate) const CLASS: u32 = 5;

/// Static fields that hold the loaders which are never unloaded: since JDK 9, and before.
const LOADER_KEEPERS: [&str; 2] = ["jdk.internal.loader.ClassLoaders", "java.lang.ClassLoader"];
const LOADER_FIELDS: [&str; 4] = ["BOOT_LOADER", "PLATFORM_LOADER", "APP_LOADER", "scl"];
/// Name of a class that the dump does not name.
pub(crate) const UNKNOWN_CLASS: &str = "(unknown class)";
/// Longest name that is kept; the class file format allows 65,535 bytes.
const NAME_BYTES_LIMIT: usize = 65_535;
/// Superclasses of a class at most: real hierarchies stay below 30, and a cycle must end.
const DEPTH: usize = 1000;
/// What soft, weak and phantom references have in common; `FinalReference` keeps its object alive
/// until it was finalized.
const WEAK_REFERENCES: [&str; 3] = [
    "java.lang.ref.SoftReference",
    "java.lang.ref.WeakReference",
    "java.lang.ref.PhantomReference",
];

impl Classes {
    pub(crate) fn new() -> Self {
        let mut texts = Texts::default();
        for text in [
            "",
            "<signers>",
            "<protection domain>",
            "<class loader>",
            "<super class>",
            "<class>",
        ] {
            texts.push(text);
        }
        Self {
            texts,
            utf8: HashMap::default(),
            all: Vec::new(),
            by_address: HashMap::default(),
            by_serial: HashMap::new(),
            latest: (0, u32::MAX),
            class_name: HashMap::new(),
            lasting_loaders: Vec::new(),
        }
    }

    /// A text of the reader's own.
    pub(crate) fn text(&mut self, text: &str) -> u32 {
        self.texts.push(text);
        self.texts.len() as u32 - 1
    }

    /// `STRING_IN_UTF8`.
    pub(crate) fn utf8(&mut self, id: u64, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(NAME_BYTES_LIMIT)];
        let text = self.text(&String::from_utf8_lossy(bytes));
        self.utf8.insert(id, text);
    }

    pub(crate) fn text_of(&self, id: u64) -> u32 {
        self.utf8.get(&id).copied().unwrap_or(EMPTY)
    }

    /// `LOAD_CLASS`.
    pub(crate) fn loaded(&mut self, serial: u32, address: u64, name: u64) {
        let name = self.text_of(name);
        let at = self.at(address);
        self.by_serial.insert(serial, at);
        self.all[at as usize].name = self.java_name(name);
    }

    /// The name of a class as people write it, by its name in the class file.
    fn java_name(&mut self, internal: u32) -> u32 {
        if let Some(known) = self.class_name.get(&internal) {
            return *known;
        }
        let name = java_name(self.texts.get(internal));
        let text = self.text(&name);
        self.class_name.insert(internal, text);
        text
    }

    /// Number of the class at an address, which is made known by it.
    pub(crate) fn at(&mut self, address: u64) -> u32 {
        let next = self.all.len() as u32;
        let at = *self.by_address.entry(address).or_insert(next);
        if at == next {
            self.all.push(Class {
                address,
                ..Class::default()
            });
        }
        at
    }

    /// Number of the class at an address that something told of.
    #[inline]
    pub(crate) fn find(&mut self, address: u64) -> Option<u32> {
        if self.latest.0 == address && self.latest.1 != u32::MAX {
            return Some(self.latest.1);
        }
        let at = *self.by_address.get(&address)?;
        self.latest = (address, at);
        Some(at)
    }

    /// Name of the class at an address, for people.
    pub(crate) fn name_at(&mut self, address: u64) -> String {
        let found = self.find(address).map(|class| self.all[class as usize].name);
        match found.map(|name| self.texts.get(name)) {
            None | Some("") => UNKNOWN_CLASS.to_owned(),
            Some(name) => name.to_owned(),
        }
    }

    /// Name of the class with a serial number.
    pub(crate) fn name_by_serial(&self, serial: u32) -> u32 {
        let at = self.by_serial.get(&serial);
        at.map_or(0, |at| self.all[*at as usize].name)
    }

    /// Names of a class and of those above it, itself first.
    pub(crate) fn line(&self, class: u32) -> impl Iterator<Item = &Class> {
        let start = self.all.get(class as usize);
        std::iter::successors(start, |class| {
            let above = self.by_address.get(&class.super_class)?;
            self.all.get(*above as usize)
        })
        .take(DEPTH)
    }

    /// Where the references of instances of a class are; `None` as long as the class or one above it
    /// was not dumped.
    #[inline]
    pub(crate) fn layout(&mut self, class: u32, id_bytes: usize) -> Option<&Layout> {
        let at = class as usize;
        if self.all[at].layout.is_none() {
            self.all[at].layout = Some(self.compute(class, id_bytes)?);
        }
        self.all[at].layout.as_ref()
    }

    fn compute(&self, class: u32, id_bytes: usize) -> Option<Layout> {
        let mut layout = Layout::default();
        let mut last = 0;
        let mut offset = 0u32;
        let names = || self.line(class).map(|class| self.texts.get(class.name));
        let is_reference = names().any(|name| WEAK_REFERENCES.contains(&name));
        let is_string = names().next() == Some("java.lang.String");
        let (mut value, mut coder) = (None, None);
        for part in self.line(class) {
            if !part.is_dumped {
                return None;
            }
            last = part.super_class;
            for (name, kind) in &part.fields {
                let text = self.texts.get(*name);
                if is_string && text == "coder" {
                    coder = Some(offset);
                }
                if *kind == BasicType::OBJECT {
                    if is_string && text == "value" {
                        value = Some(offset);
                    }
                    layout.references += 1;
                    layout.slots.push(Slot {
                        offset,
                        name: *name,
                        is_weak: is_reference && text == "referent",
                    });
                } else {
                    layout.primitive_bytes = layout
                        .primitive_bytes
                        .saturating_add(kind.bytes(id_bytes)? as u32);
                }
                offset = offset.checked_add(kind.bytes(id_bytes)? as u32)?;
            }
        }
        layout.bytes = offset;
        let loader = self.all[class as usize].loader;
        layout.holds_class = loader != 0 && !self.lasting_loaders.contains(&loader);
        layout.string = value.map(|value| StringFields { value, coder });
        // The line ended where a class is missing.
        (last == 0).then_some(layout)
    }

    /// `CLASS_DUMP`, without its tag; `None` if `bytes` end before it does, `Some(None)` if it makes no sense.
    pub(crate) fn dumped(&mut self, cursor: &mut Cursor<'_>, id_bytes: usize) -> Option<Result<(), String>> {
        let address = cursor.id()?;
        cursor.u4()?;
        let mut class = Class {
            address,
            super_class: cursor.id()?,
            loader: cursor.id()?,
            is_dumped: true,
            ..Class::default()
        };
        let (signers, domain) = (cursor.id()?, cursor.id()?);
        // Two reserved identifiers, and the size of an instance.
        cursor.take(2 * id_bytes + 4)?;
        let mut named = Vec::new();
        for _ in 0..cursor.u2()? {
            cursor.u2()?;
            match self.value(cursor, id_bytes)? {
                Ok((kind, value)) if kind == BasicType::OBJECT => named.push((EMPTY, value)),
                Ok(_) => {}
                Err(what) => return Some(Err(what)),
            }
        }
        for _ in 0..cursor.u2()? {
            let name = cursor.id()?;
            match self.value(cursor, id_bytes)? {
                Ok((kind, value)) => {
                    class.static_bytes += kind.bytes(id_bytes).unwrap_or(0) as u32;
                    if kind == BasicType::OBJECT {
                        named.push((self.text_of(name), value));
                    }
                }
                Err(what) => return Some(Err(what)),
            }
        }
        for _ in 0..cursor.u2()? {
            let (name, kind) = (cursor.id()?, BasicType(cursor.u1()?));
            if kind.bytes(id_bytes).is_none() {
                return Some(Err(format!("a field of type {}", kind.0)));
            }
            class.fields.push((self.text_of(name), kind));
        }
        class.references = named;
        self.keep(class, signers, domain);
        Some(Ok(()))
    }

    fn keep(&mut self, mut class: Class, signers: u64, domain: u64) {
        class.references.extend([
            (SIGNERS, signers),
            (DOMAIN, domain),
            (LOADER, class.loader),
            (SUPER, class.super_class),
        ]);
        class.references.retain(|(_, value)| *value != 0);
        let at = self.at(class.address) as usize;
        class.name = self.all[at].name;
        if LOADER_KEEPERS.contains(&self.texts.get(class.name)) {
            let fields = class.references.iter();
            let loaders = fields.filter(|(name, _)| LOADER_FIELDS.contains(&self.texts.get(*name)));
            self.lasting_loaders.extend(loaders.map(|(_, value)| *value));
        }
        // The first description counts: objects may have been read by it.
        if !self.all[at].is_dumped {
            self.all[at] = class;
        }
    }

    fn value(&self, cursor: &mut Cursor<'_>, id_bytes: usize) -> Option<Result<(BasicType, u64), String>> {
        let kind = BasicType(cursor.u1()?);
        let Some(bytes) = kind.bytes(id_bytes) else {
            return Some(Err(format!("a value of type {}", kind.0)));
        };
        if kind == BasicType::OBJECT {
            return Some(Ok((kind, cursor.id()?)));
        }
        cursor.take(bytes)?;
        Some(Ok((kind, 0)))
    }
}

/// `[Ljava/lang/String;` as `java.lang.String[]`, `[[I` as `int[][]`.
fn java_name(internal: &str) -> String {
    let element = internal.trim_start_matches('[');
    let depth = internal.len() - element.len();
    let primitive = |letter: &str| {
        let names = [
            ("Z", "boolean"),
            ("C", "char"),
            ("F", "float"),
            ("D", "double"),
            ("B", "byte"),
            ("S", "short"),
            ("I", "int"),
            ("J", "long"),
        ];
        names
            .into_iter()
            .find(|(short, _)| *short == letter)
            .map(|(_, name)| name)
    };
    let element = match element.strip_prefix('L').and_then(|name| name.strip_suffix(';')) {
        Some(name) if depth > 0 => name.replace('/', "."),
        _ if depth > 0 => primitive(element).unwrap_or(element).to_owned(),
        _ => element.replace('/', "."),
    };
    element + &"[]".repeat(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_as_people_write_them() {
        for (internal, expected) in [
            ("java/lang/String", "java.lang.String"),
            ("[B", "byte[]"),
            ("[[I", "int[][]"),
            ("[Ljava/util/HashMap$Node;", "java.util.HashMap$Node[]"),
            // Android writes names with dots and primitive arrays with brackets.
            ("java.lang.String", "java.lang.String"),
            ("byte[]", "byte[]"),
            ("B", "B"),
            ("", ""),
        ] {
            assert_eq!(java_name(internal), expected, "{internal}");
        }
    }
}
