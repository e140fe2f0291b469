//! x
use std::sync::Arc;
use crate::serve::Shared;
pub fn run(_: &Arc<Shared>, _: &tokio::runtime::Handle) {}
