//! Shallow sizes as HotSpot lays objects out.
//!
//! A dump does not say whether references and class pointers were compressed: it writes all of them with 8
//! bytes. But objects do not overlap: the widest layout in which every object ends before the next
//! begins is the one that was in force. Sizes are rounded up to 8 bytes; fields of superclasses and
//! subclasses share gaps, as since JDK 15.

use super::address_map::AddressMap;

/// How wide the parts of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    pub(crate) reference: u64,
    pub(crate) header: u64,
    pub(crate) array_header: u64,
}

/// Compressed references and class pointers, as in heaps below 32 GB: what is taken without evidence.
const COMPRESSED: Widths = Widths {
    reference: 4,
    header: 12,
    array_header: 16,
};

/// From wide to narrow: nothing compressed; class pointers compressed (ZGC, heaps of 32 GB and more); both;
/// both with compact headers (JDK 24).
const LAYOUTS: [Widths; 4] = [
    Widths {
        reference: 8,
        header: 16,
        array_header: 24,
    },
    Widths {
        reference: 8,
        header: 12,
        array_header: 16,
    },
    COMPRESSED,
    Widths {
        reference: 4,
        header: 8,
        array_header: 12,
    },
];

/// The 32-bit virtual machine.
const NARROW: Widths = Widths {
    reference: 4,
    header: 8,
    array_header: 12,
};

/// What the size of an object depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) is_array: bool,
    pub(crate) references: u64,
    pub(crate) primitive_bytes: u64,
}

impl Widths {
    /// What is taken where addresses are not known.
    pub(crate) fn assumed(id_bytes: usize) -> Self {
        if id_bytes == 4 { NARROW } else { COMPRESSED }
    }

    pub(crate) fn bytes(self, shape: Shape) -> u64 {
        let header = if shape.is_array {
            self.array_header
        } else {
            self.header
        };
        let fields = shape.references.saturating_mul(self.reference);
        let bytes = header
            .saturating_add(fields)
            .saturating_add(shape.primitive_bytes);
        bytes.saturating_add(7) & !7
    }
}

/// Neighbours that are looked at: enough for any layout to show, few enough to cost nothing.
const NEIGHBOURS: usize = 200_000;
/// So many neighbours that lie close must fit a layout before it is believed.
const EVIDENCE: usize = 64;
/// Objects farther apart than the widest layout and this are no evidence, in bytes.
const CLOSE_BYTES: u64 = 64;

/// The layout that was in force; `shape` is that of a node, `None` where it is not known.
pub(crate) fn detect(map: &AddressMap, id_bytes: usize, shape: impl Fn(u32) -> Option<Shape>) -> Widths {
    if id_bytes == 4 {
        return NARROW;
    }
    let neighbours: Vec<(Shape, u64)> = map
        .gaps(NEIGHBOURS)
        .into_iter()
        .filter_map(|(node, units)| Some((shape(node)?, u64::from(units) * 8)))
        .collect();
    let fits = |widths: &&Widths| {
        let mut close = 0;
        for (shape, gap) in &neighbours {
            let bytes = widths.bytes(*shape);
            if bytes > *gap {
                return false;
            }
            close += usize::from(*gap <= bytes + CLOSE_BYTES);
        }
        close >= EVIDENCE
    };
    LAYOUTS.iter().find(fits).copied().unwrap_or(COMPRESSED)
}
