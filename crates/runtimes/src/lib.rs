//! Per runtime: recognise, inject, attach, capture.

mod files;
pub mod freeze;
pub mod native;
pub mod node;
pub mod python;
mod role;

pub use files::InjectError;
pub use role::{Role, Runtime, recognise};
