//! Python workers: the agent that ships inside this binary, and the environment that loads it;
//! heap pictures from outside.

mod arguments;
mod inject;
pub mod picture;
mod recognise;

pub use arguments::{Escape, escape};
pub use inject::{AgentFiles, python_path};
pub use recognise::recognise;
