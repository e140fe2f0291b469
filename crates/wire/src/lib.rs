//! The agent protocol and the public JSON documents, versioned.
//!
//! Everything here crosses a process boundary, so everything here is bounded and tolerant: unknown
//! fields are ignored, unknown message types are ordinary values.

pub mod agent;
pub mod report;
pub mod stream;
pub mod trace;
