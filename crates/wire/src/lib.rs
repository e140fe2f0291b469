//! The agent protocol and the public JSON documents, versioned.

pub mod report;
