//! Heap dumps of any runtime as one graph, and what can be asked of it.
//!
//! Pure over the bytes it is fed: no files, no clock. Parsers are push-fed and bounded.

mod builder;
mod column;
mod detached;
mod diff;
mod dominators;
mod graph;
mod incoming;
mod retainers;
mod retaining;
mod types;
pub mod v8;

pub use builder::GraphBuilder;
pub use diff::{Census, TypeChange, compare};
pub use dominators::{DominatorChildren, Dominators};
pub use graph::{Edge, EdgeIndex, EdgeKind, EdgeName, Graph, Location, NodeIndex, NodeKind, TextIndex};
pub use retainers::{ShortestPaths, describe_node, describe_step};
pub use retaining::RetainingEdges;
pub use types::{Summary, TypeIndex, TypeRow, Types};
