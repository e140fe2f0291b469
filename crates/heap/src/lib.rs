//! Heap dumps of any runtime as one graph, and what can be asked of it.
//!
//! Pure over the bytes it is fed: no files, no clock. Parsers are push-fed and bounded.

mod builder;
mod column;
pub mod cpython;
mod detached;
mod diff;
mod dominators;
mod dump;
mod graph;
mod growth;
mod growth_anatomy;
mod growth_chain;
mod growth_group;
mod growth_interval;
mod growth_members;
mod growth_net;
mod growth_reduce;
mod growth_trend;
mod growth_types;
mod growth_weight;
mod holder;
mod holder_follow;
mod holder_path;
mod holder_pile;
mod holder_place;
mod holder_script;
mod holder_search;
mod holder_text;
pub mod hprof;
mod incoming;
mod pattern;
mod pattern_collection;
mod pattern_function;
mod pattern_handle;
mod pattern_remedy;
mod places;
mod places_growth;
mod query;
mod retainers;
mod retaining;
mod source;
mod source_map;
mod source_property;
mod source_scan;
mod source_token;
mod types;
pub mod v8;

pub use builder::GraphBuilder;
pub use diff::{Census, TypeChange, compare};
pub use dominators::{DominatorChildren, Dominators};
pub use dump::{Detail, DumpError, DumpParser};
pub use graph::{
    Edge, EdgeIndex, EdgeKind, EdgeName, Format, Graph, Location, NodeIndex, NodeKind, TextIndex,
};
pub use growth::{FunctionSite, Growth, GrowthStudy, Holder, Point, Reached};
pub use growth_trend::Trend;
pub use growth_types::TypeGrowth;
pub use holder_script::Origin;
pub use query::{Query, QueryError, Subject};
pub use retainers::{ShortestPaths, describe_node, describe_step};
pub use retaining::RetainingEdges;
pub use source::{NoSources, Position, SourceLookup};
pub use types::{Summary, TypeIndex, TypeRow, Types};
