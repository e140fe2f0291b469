//! Which script a function, and the table of its variables, comes from.

use std::collections::HashMap;

use crate::growth_anatomy::{is_context, is_script_of, script_name};
use crate::source_scan::Spot;
use crate::{EdgeName, Graph, Location, NodeIndex, NodeKind};

/// Whose code it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The program's own.
    Application,
    /// A package that it uses.
    Package,
    /// The runtime's own, or Plimsoll's.
    Runtime,
}

/// A place in a script of the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Site {
    pub(crate) script: u32,
    pub(crate) spot: Spot,
}

impl From<Location> for Site {
    fn from(location: Location) -> Self {
        Site {
            script: location.script_id,
            spot: Spot {
                line: location.line,
                column: location.column,
            },
        }
    }
}

/// Scripts by id.
#[derive(Debug)]
pub(crate) struct Scripts<'g> {
    graph: &'g Graph,
    names: HashMap<u32, &'g str>,
    agent: Option<&'g str>,
}

impl<'g> Scripts<'g> {
    pub(crate) fn new(graph: &'g Graph, agent: Option<&'g str>) -> Self {
        let mut names = HashMap::new();
        for node in graph
            .nodes()
            .filter(|node| graph.kind(*node) == NodeKind::Closure)
        {
            if let Some(location) = graph.location(node)
                && !names.contains_key(&location.script_id)
                && let Some(name) = script_name(graph, node)
            {
                names.insert(location.script_id, name);
            }
        }
        Scripts { graph, names, agent }
    }

    pub(crate) fn name(&self, script: u32) -> Option<&'g str> {
        self.names.get(&script).copied()
    }

    pub(crate) fn origin(&self, script: u32) -> Origin {
        let Some(name) = self.name(script) else {
            return Origin::Runtime;
        };
        if self.agent.is_some_and(|agent| is_script_of(name, agent)) {
            return Origin::Runtime;
        }
        origin_of(name)
    }

    /// The beginning of each script of the program.
    pub(crate) fn first_of_application(&self) -> Vec<Site> {
        let start = |script: &u32| Site {
            script: *script,
            spot: Spot { line: 0, column: 0 },
        };
        let own = self
            .names
            .keys()
            .filter(|script| self.origin(**script) == Origin::Application);
        let mut sites: Vec<Site> = own.map(start).collect();
        sites.sort();
        sites
    }

    pub(crate) fn site(&self, node: NodeIndex) -> Option<Site> {
        self.graph.location(node).map(Site::from)
    }

    /// Functions that see the variables of a context, those that share it before those further in.
    pub(crate) fn readers(&self, context: NodeIndex) -> Vec<Site> {
        /// Contexts looked into, and functions collected, per question.
        const CONTEXTS: usize = 64;
        const READERS: usize = 32;
        let mut queue = vec![context];
        let mut readers = Vec::new();
        let mut at = 0;
        while at < queue.len() && readers.len() < READERS {
            for (from, edge) in self.graph.retainers(queue[at]).take(2000) {
                if edge.name == EdgeName::Name("context") && self.graph.kind(from) == NodeKind::Closure {
                    readers.extend(self.site(from).filter(|site| !readers.contains(site)));
                } else if edge.name == EdgeName::Name("previous")
                    && is_context(self.graph, from)
                    && queue.len() < CONTEXTS
                    && !queue.contains(&from)
                {
                    queue.push(from);
                }
            }
            if at == 0 && !readers.is_empty() {
                break;
            }
            at += 1;
        }
        readers.truncate(READERS);
        readers
    }

    /// Whose variables a context holds.
    pub(crate) fn origin_of_context(&self, context: NodeIndex) -> Origin {
        self.readers(context)
            .iter()
            .map(|site| self.origin(site.script))
            .min()
            .unwrap_or(Origin::Runtime)
    }
}

/// Whose code a script is, by its name.
pub(crate) fn origin_of(script: &str) -> Origin {
    let is_path = script.starts_with('/') || script.starts_with("file:") || script.get(1..3) == Some(":\\");
    if script.starts_with("node:") || !is_path && !script.contains('.') {
        Origin::Runtime
    } else if script.contains("/node_modules/") || script.contains("\\node_modules\\") {
        Origin::Package
    } else {
        Origin::Application
    }
}
