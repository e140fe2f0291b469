//! Per runtime: recognise, inject, attach, capture.

pub mod node;
