//! Python workers: the agent that ships inside this binary, and the environment that loads it.

mod arguments;
mod inject;
mod recognise;

pub use arguments::{Escape, escape};
pub use inject::{AgentFiles, python_path};
pub use recognise::recognise;
