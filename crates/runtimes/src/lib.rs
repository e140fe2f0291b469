//! Per runtime: recognise, inject, attach, capture.

pub mod freeze;
pub mod native;
pub mod node;
pub mod python;
