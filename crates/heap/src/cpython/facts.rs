//! What is known of single objects besides their type.

use std::collections::HashMap;

use crate::NodeIndex;
use crate::retaining::BitSet;

/// Facts of one picture. Texts are numbers into the graph's.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Modules: name and file.
    pub(crate) modules: HashMap<u32, (u32, u32)>,
    /// Classes: module and qualified name.
    pub(crate) classes: HashMap<u32, (u32, u32)>,
    /// Code: qualified name, file, first line.
    pub(crate) codes: HashMap<u32, (u32, u32, u32)>,
    /// Dicts that are the attributes of another object.
    pub(crate) stores: BitSet,
    /// Objects with more references counted than found, and how many more.
    pub(crate) lost: HashMap<u32, u32>,
    /// Extension modules that the process had loaded.
    pub(crate) libraries: Vec<String>,
}

impl Facts {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            modules: HashMap::new(),
            classes: HashMap::new(),
            codes: HashMap::new(),
            stores: BitSet::with_len(nodes),
            lost: HashMap::new(),
            libraries: Vec::new(),
        }
    }

    /// Whether a node is the attributes of another.
    pub(crate) fn is_store(&self, node: NodeIndex) -> bool {
        self.stores.has(node.0 as usize)
    }
}
