//! Node workers: the agent that ships inside this binary, the environment that loads it, and the way
//! into a process that already runs.

mod arguments;
mod attach;
mod inject;
mod recognise;

pub use crate::files::InjectError;
pub use attach::{AttachError, Attached, Holder, attach};
pub use inject::{AgentFiles, node_options};
pub use recognise::{Role, recognise};
