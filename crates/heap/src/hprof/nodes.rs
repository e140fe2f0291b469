//! Objects as they come, in columns, and the graph they make when all are there.

use super::address_map::AddressMap;
use super::classes::{BasicType, CLASS, Classes, EMPTY, UNKNOWN_CLASS};
use super::cursor::id_of;
use super::roots::Held;
use super::sizes::{Shape, Widths, detect};
use super::strings::Contents;
use super::{Detail, Heap, ParseError};
use crate::column::{Column, WIDE};
use crate::graph::{EdgeKind, Format, Graph, NodeKind};

/// What a node is, in 32 bits: the number of a class, or a kind of primitive, and a flag.
#[derive(Debug, Clone, Copy)]
struct Code(u32);

impl Code {
    const ARRAY: u32 = 1 << 31;
    const PRIMITIVE: u32 = 1 << 30;
    const CLASS: u32 = 1 << 29;
    const NUMBER: u32 = Self::CLASS - 1;
    const ROOT: u32 = Self::CLASS | Self::NUMBER;

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    fn number(self) -> u32 {
        self.0 & Self::NUMBER
    }
}

/// Objects as they come.
#[derive(Debug)]
pub(crate) struct Nodes {
    is_labelled: bool,
    codes: Vec<u32>,
    addresses: Column,
    first_edge: Vec<u32>,
    /// Elements of arrays.
    counts: Vec<u32>,
    /// Addresses that references lead to; of the same scale as `addresses`.
    targets: Column,
    names: Vec<u32>,
    kinds: Vec<EdgeKind>,
    /// Weak references that were left out: without labels they could not be told from others.
    weak_left_out: u32,
    /// Instances whose class is not known yet: head and data.
    pending: Vec<(u64, u64, usize)>,
    pending_data: Vec<u8>,
}

/// Half of the range of a scaled column: addresses around the first are near.
const RANGE: u64 = 1 << 34;
/// HotSpot aligns objects so, and so do the others.
const ALIGNMENT_SHIFT: u32 = 3;

impl Nodes {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            is_labelled: matches!(detail, Detail::Labelled | Detail::Strings),
            codes: vec![Code::ROOT],
            addresses: Column::default(),
            first_edge: vec![0],
            counts: vec![0],
            targets: Column::default(),
            names: Vec::new(),
            kinds: Vec::new(),
            weak_left_out: 0,
            pending: Vec::new(),
            pending_data: Vec::new(),
        }
    }

    fn push(&mut self, address: u64, code: u32, count: u32) -> Result<u32, ParseError> {
        if self.addresses.len() == 0 {
            // Heaps below 32 GB of a 64-bit machine begin anywhere in there.
            let base = if address < 2 * RANGE { 0 } else { address - RANGE };
            self.addresses = Column::scaled(base & !7, ALIGNMENT_SHIFT);
            self.targets = Column::scaled(base & !7, ALIGNMENT_SHIFT);
            self.addresses.push(0);
        }
        if self.codes.len() >= WIDE as usize {
            return Err(ParseError::TooLarge("objects"));
        }
        self.codes.push(code);
        self.addresses.push(address);
        self.first_edge.push(self.targets.len() as u32);
        self.counts.push(count);
        Ok(self.codes.len() as u32 - 1)
    }

    #[inline]
    fn edge(&mut self, kind: EdgeKind, name: u32, target: u64) -> Result<(), ParseError> {
        if target == 0 {
            return Ok(());
        }
        if self.is_labelled {
            self.names.push(name);
            self.kinds.push(kind);
        } else if kind == EdgeKind::Weak {
            self.weak_left_out += 1;
            return Ok(());
        }
        if self.targets.len() >= WIDE as usize {
            return Err(ParseError::TooLarge("references"));
        }
        self.targets.push(target);
        Ok(())
    }

    pub(crate) fn instance(
        &mut self,
        classes: &mut Classes,
        contents: Option<&mut Contents>,
        id_bytes: usize,
        head: (u64, u64),
        data: &[u8],
    ) -> Result<(), ParseError> {
        let (address, class_address) = head;
        let class = classes.find(class_address);
        let Some((class, layout)) = class.and_then(|class| Some((class, classes.layout(class, id_bytes)?)))
        else {
            self.pending.push((address, class_address, data.len()));
            self.pending_data.extend_from_slice(data);
            return Ok(());
        };
        let node = self.push(address, class, 0)?;
        for slot in &layout.slots {
            let at = slot.offset as usize;
            let kind = if slot.is_weak {
                EdgeKind::Weak
            } else {
                EdgeKind::Property
            };
            // Data may be shorter than the class says, if the dump is wrong.
            if let Some(bytes) = data.get(at..at + id_bytes) {
                self.edge(kind, slot.name, id_of(bytes))?;
            }
        }
        if layout.holds_class {
            self.edge(EdgeKind::Internal, CLASS, class_address)?;
        }
        if let (Some(contents), Some(fields)) = (contents, layout.string) {
            contents.string(node, fields, data, id_bytes);
        }
        Ok(())
    }

    pub(crate) fn object_array(
        &mut self,
        classes: &mut Classes,
        address: u64,
        class: u64,
        count: u32,
    ) -> Result<(), ParseError> {
        let class = match classes.find(class) {
            Some(class) => class,
            None => classes.at(class),
        };
        self.push(address, class | Code::ARRAY, count)?;
        Ok(())
    }

    pub(crate) fn elements(
        &mut self,
        first: u32,
        elements: impl Iterator<Item = u64>,
    ) -> Result<(), ParseError> {
        for (at, target) in elements.enumerate() {
            self.edge(EdgeKind::Element, first + at as u32, target)?;
        }
        Ok(())
    }

    pub(crate) fn primitive_array(
        &mut self,
        address: u64,
        kind: BasicType,
        count: u32,
    ) -> Result<u32, ParseError> {
        self.push(address, Code::PRIMITIVE | Code::ARRAY | u32::from(kind.0), count)
    }

    /// Reads what was put off until all classes are known; what is unknown still gets a node.
    fn settle(
        &mut self,
        classes: &mut Classes,
        contents: &mut Option<Contents>,
        id_bytes: usize,
    ) -> Result<(), ParseError> {
        let data = std::mem::take(&mut self.pending_data);
        let mut rest = &data[..];
        for (address, class, length) in std::mem::take(&mut self.pending) {
            let (own, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            self.instance(classes, contents.as_mut(), id_bytes, (address, class), own)?;
            if self.pending.pop().is_some() {
                self.pending_data.clear();
                let class = classes.at(class);
                self.push(address, class, length as u32)?;
            }
        }
        Ok(())
    }

    /// A node for each class that was described.
    fn add_classes(&mut self, classes: &mut Classes) -> Result<(), ParseError> {
        for at in 0..classes.all.len() {
            let class = &mut classes.all[at];
            if class.is_dumped {
                let references = std::mem::take(&mut class.references);
                self.push(class.address, Code::CLASS | at as u32, 0)?;
                for (name, target) in references {
                    self.edge(EdgeKind::Property, name, target)?;
                }
            }
        }
        Ok(())
    }

    fn shape(&self, classes: &mut Classes, id_bytes: usize, node: u32) -> Option<Shape> {
        let (code, count) = (
            Code(self.codes[node as usize]),
            u64::from(self.counts[node as usize]),
        );
        if code.has(Code::PRIMITIVE) {
            let bytes = BasicType(code.number() as u8).bytes(id_bytes)? as u64;
            return Some(Shape {
                is_array: true,
                references: 0,
                primitive_bytes: count * bytes,
            });
        }
        if code.has(Code::ARRAY) {
            return Some(Shape {
                is_array: true,
                references: count,
                primitive_bytes: 0,
            });
        }
        if code.has(Code::CLASS) {
            return None;
        }
        let layout = classes.layout(code.number(), id_bytes);
        // All that is known of an instance without a class is the length of its data.
        let (references, primitive_bytes) = layout.map_or((0, count as u32), |layout| {
            (layout.references, layout.primitive_bytes)
        });
        Some(Shape {
            is_array: false,
            references: u64::from(references),
            primitive_bytes: u64::from(primitive_bytes),
        })
    }

    /// Shallow sizes. That of a class is its mirror's with its static fields.
    fn sizes(&self, classes: &mut Classes, map: &AddressMap, id_bytes: usize) -> Column {
        let classes = std::cell::RefCell::new(classes);
        let shape = |node| self.shape(&mut classes.borrow_mut(), id_bytes, node);
        let widths = detect(map, id_bytes, shape);
        let mirror = self.mirror_bytes(&mut classes.borrow_mut(), widths, id_bytes);
        let mut sizes = Column::default();
        let mut by_class: Vec<u64> = Vec::new();
        sizes.push(0);
        for node in 1..self.codes.len() as u32 {
            let code = Code(self.codes[node as usize]);
            let number = code.number() as usize;
            sizes.push(if code.has(Code::CLASS) {
                let statics = classes.borrow().all[number].static_bytes;
                mirror + ((u64::from(statics) + 7) & !7)
            } else if code.has(Code::ARRAY) {
                shape(node).map_or(0, |shape| widths.bytes(shape))
            } else {
                if by_class.len() <= number {
                    by_class.resize(number + 1, 0);
                }
                if by_class[number] == 0 || self.counts[node as usize] > 0 {
                    by_class[number] = shape(node).map_or(0, |shape| widths.bytes(shape));
                }
                by_class[number]
            });
        }
        sizes
    }

    fn mirror_bytes(&self, classes: &mut Classes, widths: Widths, id_bytes: usize) -> u64 {
        let texts = &classes.texts;
        let mirror = classes
            .all
            .iter()
            .position(|class| texts.get(class.name) == "java.lang.Class");
        let layout = mirror.and_then(|at| classes.layout(at as u32, id_bytes));
        layout.map_or(0, |layout| {
            widths.bytes(Shape {
                is_array: false,
                references: u64::from(layout.references),
                primitive_bytes: u64::from(layout.primitive_bytes),
            })
        })
    }

    /// Turns addresses that references lead to into nodes, on two cores; [`WIDE`] where there is none.
    fn resolve(&mut self, map: &AddressMap) {
        let (mut targets, wide) = std::mem::take(&mut self.targets).into_parts();
        let find = |part: &mut [u32]| {
            for target in part {
                *target = map.find_low(*target).unwrap_or(WIDE);
            }
        };
        let half = targets.len() / 2;
        let (front, back) = targets.split_at_mut(half);
        std::thread::scope(|scope| {
            scope.spawn(move || find(back));
            find(front);
        });
        for (edge, address) in wide {
            targets[edge as usize] = map.find_far(address).unwrap_or(WIDE);
        }
        self.compact(&mut targets);
        self.targets = Column::of_low(targets);
    }

    /// Leaves out references that lead nowhere.
    fn compact(&mut self, targets: &mut Vec<u32>) {
        let Some(first) = targets.iter().position(|target| *target == WIDE) else {
            return;
        };
        let mut kept = first;
        let mut node = self.first_edge.partition_point(|start| *start as usize <= first);
        for edge in first..targets.len() {
            while node < self.first_edge.len() && self.first_edge[node] as usize == edge {
                self.first_edge[node] = kept as u32;
                node += 1;
            }
            if targets[edge] != WIDE {
                targets[kept] = targets[edge];
                if self.is_labelled {
                    self.names[kept] = self.names[edge];
                    self.kinds[kept] = self.kinds[edge];
                }
                kept += 1;
            }
        }
        for start in &mut self.first_edge[node..] {
            *start = kept as u32;
        }
        targets.truncate(kept);
        self.names.truncate(kept);
        self.kinds.truncate(kept);
    }

    /// Adds references of the root and of threads: each moves what lies behind.
    fn insert(
        &mut self,
        targets: &mut Vec<u32>,
        mut added: Vec<(u32, EdgeKind, u32, u32)>,
    ) -> Result<(), ParseError> {
        if targets.len() + added.len() >= WIDE as usize {
            return Err(ParseError::TooLarge("references"));
        }
        added.sort_by_key(|(node, ..)| *node);
        let old = targets.len();
        targets.resize(old + added.len(), 0);
        if self.is_labelled {
            self.names.resize(old + added.len(), 0);
            self.kinds.resize(old + added.len(), EdgeKind::Property);
        }
        let mut end = old;
        for (before, (node, kind, name, target)) in added.iter().enumerate().rev() {
            // Behind the references that the node has.
            let start = self
                .first_edge
                .get(*node as usize + 1)
                .map_or(old, |start| *start as usize);
            targets.copy_within(start..end, start + before + 1);
            targets[start + before] = *target;
            if self.is_labelled {
                self.names.copy_within(start..end, start + before + 1);
                self.kinds.copy_within(start..end, start + before + 1);
                self.names[start + before] = *name;
                self.kinds[start + before] = *kind;
            }
            end = start;
        }
        let mut more = 0;
        for (node, start) in self.first_edge.iter_mut().enumerate() {
            *start += more as u32;
            while added.get(more).is_some_and(|(of, ..)| *of as usize == node) {
                more += 1;
            }
        }
        Ok(())
    }

    fn kind_of(code: Code) -> NodeKind {
        match () {
            () if code.0 == Code::ROOT => NodeKind::Synthetic,
            () if code.has(Code::ARRAY) => NodeKind::Array,
            () if code.has(Code::CLASS) => NodeKind::ObjectShape,
            () => NodeKind::Object,
        }
    }
}

/// Puts everything together.
pub(crate) fn into_graph(heap: Heap, id_bytes: usize) -> Result<Graph, ParseError> {
    let Heap {
        mut classes,
        mut nodes,
        roots,
        mut contents,
        ..
    } = heap;
    nodes.settle(&mut classes, &mut contents, id_bytes)?;
    nodes.add_classes(&mut classes)?;
    if nodes.codes.len() == 1 {
        return Err(ParseError::NoHeap);
    }
    let roots = roots.resolve(&mut classes);
    let map = AddressMap::of(&nodes.addresses);
    let scale = nodes.addresses.scale();
    let find = |address: u64| match scale.low(address) {
        WIDE => map.find_far(address),
        low => map.find_low(low),
    };
    nodes.resolve(&map);
    let (mut targets, _) = std::mem::take(&mut nodes.targets).into_parts();
    nodes.insert(&mut targets, root_edges(&roots, find))?;
    let self_bytes = nodes.sizes(&mut classes, &map, id_bytes);
    let values = contents.map_or_else(Vec::new, |contents| contents.resolve(&mut classes, find));
    drop(map);
    let edges = targets.len() as u32;
    nodes.first_edge.push(edges);
    let kinds = nodes
        .codes
        .iter()
        .map(|code| Nodes::kind_of(Code(*code)))
        .collect();
    let names = names(nodes.codes, &mut classes);
    Ok(Graph {
        format: Format::Hprof,
        kinds,
        names,
        ids: nodes.addresses,
        self_bytes,
        first_edge: nodes.first_edge,
        edge_kinds: nodes.kinds,
        edge_names: nodes.names,
        edge_targets: targets,
        left_out: nodes.weak_left_out,
        texts: classes.texts,
        values,
        ..Graph::default()
    })
}

/// References of the root and of threads to what they hold.
fn root_edges(roots: &[Held], find: impl Fn(u64) -> Option<u32>) -> Vec<(u32, EdgeKind, u32, u32)> {
    let edge = |held: &Held| {
        let target = find(held.address)?;
        let (by, kind) = match held.by {
            0 => (0, EdgeKind::Internal),
            thread => (find(thread).unwrap_or(0), EdgeKind::Context),
        };
        Some((by, kind, held.name, target))
    };
    roots.iter().filter_map(edge).collect()
}

/// Names of nodes, in the place of their codes.
fn names(mut codes: Vec<u32>, classes: &mut Classes) -> Vec<u32> {
    let unknown = classes.text(UNKNOWN_CLASS);
    let mut primitives = [unknown; 16];
    for (at, name) in BasicType::PRIMITIVES.into_iter().enumerate() {
        primitives[at + usize::from(BasicType::FIRST_PRIMITIVE)] = classes.text(&format!("{name}[]"));
    }
    let root = classes.text("(GC roots)");
    for code in &mut codes {
        let what = Code(*code);
        *code = match () {
            () if what.0 == Code::ROOT => root,
            () if what.has(Code::PRIMITIVE) => primitives[what.number() as usize & 15],
            () => match classes.all[what.number() as usize].name {
                EMPTY => unknown,
                name => name,
            },
        };
    }
    codes
}
