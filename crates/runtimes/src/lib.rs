//! Per runtime: recognise, inject, attach, capture.

pub mod freeze;
pub mod node;
pub mod python;
