//! Node workers: the agent that ships inside this binary and the environment that loads it.

mod inject;

pub use inject::{AgentFiles, InjectError, node_options};
