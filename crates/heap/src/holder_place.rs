//! Where a holder is declared.

use crate::growth_anatomy::{Anatomy, is_context};
use crate::holder_script::{Origin, Scripts, Site};
use crate::holder_search::{Start, Way};
use crate::holder_text::Words;
use crate::source::{Position, Sources};
use crate::{NodeIndex, NodeKind};

/// Where to look, and how sure that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The declaration of the variable or property.
    Declaration(Position),
    /// A function that sees the variable; its declaration was not found.
    Near(Position),
}

impl Found {
    pub(crate) fn position(&self) -> &Position {
        match self {
            Found::Declaration(position) | Found::Near(position) => position,
        }
    }
}

/// Reads positions for one dump.
pub(crate) struct Places<'g> {
    pub(crate) anatomy: &'g Anatomy,
    pub(crate) scripts: &'g Scripts<'g>,
    pub(crate) sources: &'g Sources<'g>,
}

impl Places<'_> {
    /// The place that a developer wants to open first: where the growing property gets its first
    /// value if that is in the program, else the variable's declaration, else a function nearby.
    pub(crate) fn of(&self, way: &Way<'_>, words: &Words) -> Option<Found> {
        let readers = self.readers(way);
        let property = words
            .property
            .as_ref()
            .and_then(|(owner, name)| self.property(*owner, name, &readers));
        let own = |found: &Position| crate::holder_script::origin_of(&found.file) == Origin::Application;
        if let Some(position) = property.clone().filter(own) {
            return Some(Found::Declaration(position));
        }
        let variable = words.variable.as_ref().and_then(|name| match way.start {
            Start::Global => self.global(name, &readers),
            _ => self.variable(name, &readers),
        });
        if let Some(position) = variable.or(property) {
            return Some(Found::Declaration(position));
        }
        if way.start == Start::Global {
            return None;
        }
        let near = readers.first().and_then(|site| self.position(*site));
        near.map(Found::Near)
    }

    /// Functions that see the variable that a way begins with.
    fn readers(&self, way: &Way<'_>) -> Vec<Site> {
        match (way.start, way.top()) {
            (Start::Variable, Some(context)) if is_context(&self.anatomy.graph, context) => {
                self.scripts.readers(context)
            }
            (Start::Global, _) => self.scripts.first_of_application(),
            _ => Vec::new(),
        }
    }

    fn variable(&self, name: &str, readers: &[Site]) -> Option<Position> {
        readers.iter().find_map(|site| {
            let script = self.sources.script(self.scripts.name(site.script)?)?;
            let spot = script.scan().variable(name, site.spot)?;
            Some(self.sources.position(&script.name, spot))
        })
    }

    /// Where a property of the global object is assigned, in any script of the program.
    fn global(&self, name: &str, scripts: &[Site]) -> Option<Position> {
        scripts.iter().find_map(|site| {
            let script = self.sources.script(self.scripts.name(site.script)?)?;
            let spot = script.scan().global_property(name)?;
            Some(self.sources.position(&script.name, spot))
        })
    }

    fn property(&self, owner: NodeIndex, name: &str, readers: &[Site]) -> Option<Position> {
        let graph = &self.anatomy.graph;
        let class = self
            .scripts
            .site(owner)
            .filter(|site| self.scripts.origin(site.script) != Origin::Runtime);
        if let Some(site) = class {
            return self.property_in(site.script, name, Some(site));
        }
        if !matches!(graph.kind(owner), NodeKind::Object | NodeKind::Closure) {
            return None;
        }
        let mut seen = Vec::new();
        readers.iter().find_map(|site| {
            if seen.contains(&site.script) {
                return None;
            }
            seen.push(site.script);
            self.property_in(site.script, name, None)
        })
    }

    fn property_in(&self, script: u32, name: &str, class: Option<Site>) -> Option<Position> {
        let script = self.sources.script(self.scripts.name(script)?)?;
        let scan = script.scan();
        let inside = class.and_then(|site| scan.property(name, Some(site.spot)));
        let spot = inside.or_else(|| scan.property(name, None))?;
        Some(self.sources.position(&script.name, spot))
    }

    pub(crate) fn position(&self, site: Site) -> Option<Position> {
        let name = self.scripts.name(site.script)?;
        Some(self.sources.position(name, site.spot))
    }
}
