//! Heap dumps of any runtime as one graph, and what can be asked of it.
//!
//! Pure over the bytes it is fed: no files, no clock. Parsers are push-fed and bounded.

mod graph;

pub use graph::{Edge, EdgeKind, EdgeName, Graph, GraphBuilder, Location, NodeIndex, NodeKind};
