//! x
use crate::serve::Shared;
use std::sync::Arc;
pub fn run(_: &Arc<Shared>, _: &tokio::runtime::Handle) {}
