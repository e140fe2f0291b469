//! Where a holder is declared.

use crate::growth_anatomy::{Anatomy, is_context};
use crate::holder_script::{Origin, Scripts, Site};
use crate::holder_search::{Start, Way};
use crate::holder_text::Words;
use crate::source::{Position, Sources};
use crate::{EdgeKind, EdgeName, NodeIndex, NodeKind};

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

/// Where a variable is declared, and whether what it holds is made there.
enum Declared {
    Here(Position),
    /// The line only fetches it from another module.
    Imported(Position),
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
            .and_then(|(owner, name)| self.property(way, *owner, name, &readers));
        let own = |found: &Position| crate::holder_script::origin_of(&found.file) == Origin::Application;
        if let Some(position) = property.clone().filter(own) {
            return Some(Found::Declaration(position));
        }
        let variable = words.variable.as_ref().and_then(|name| match way.start {
            Start::Global => self.global(name, &readers).map(Declared::Here),
            _ => self.variable(name, &readers),
        });
        let position = match (variable, property) {
            (Some(Declared::Here(position)), _) | (_, Some(position)) => Some(position),
            (Some(Declared::Imported(position)), None) => Some(position),
            (None, None) => None,
        };
        if let Some(position) = position {
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

    fn variable(&self, name: &str, readers: &[Site]) -> Option<Declared> {
        readers.iter().find_map(|site| {
            let script = self.sources.script(self.scripts.name(site.script)?)?;
            let spot = script.scan().variable(name, site.spot)?;
            let position = self.sources.position(&script.name, spot);
            Some(if script.scan().is_required(spot) {
                Declared::Imported(position)
            } else {
                Declared::Here(position)
            })
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

    fn property(&self, way: &Way<'_>, owner: NodeIndex, name: &str, readers: &[Site]) -> Option<Position> {
        let graph = &self.anatomy.graph;
        if let Some(site) = self.class_site(owner) {
            return self.property_in(site.script, name, Some(site));
        }
        if !matches!(graph.kind(owner), NodeKind::Object | NodeKind::Closure) || self.is_builtin(owner) {
            return None;
        }
        // A plain object was made by whoever wrote its methods, or by the class whose instance holds it.
        let methods = self
            .method_site(owner)
            .and_then(|site| self.property_in(site.script, name, None));
        let holders = way.steps.iter().skip(1).rev();
        let classes = holders
            .take_while(|step| graph.kind(step.from) == NodeKind::Object)
            .find_map(|step| self.class_site(step.from));
        if methods.is_some() || classes.is_some() {
            return methods.or_else(|| self.property_in(classes?.script, name, None));
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

    /// Where the class of an object is written, if in the program or a package.
    fn class_site(&self, node: NodeIndex) -> Option<Site> {
        self.scripts
            .site(node)
            .filter(|site| self.scripts.origin(site.script) != Origin::Runtime)
    }

    /// An instance of one of the runtime's own classes: no source of the program gives it its properties.
    fn is_builtin(&self, node: NodeIndex) -> bool {
        self.anatomy.graph.kind(node) == NodeKind::Object && self.anatomy.graph.name(node) != "Object"
    }

    /// Where a function is written that a plain object has as a property.
    fn method_site(&self, node: NodeIndex) -> Option<Site> {
        /// Properties looked at: methods come first in the objects that modules export.
        const PROPERTIES: usize = 32;
        let graph = &self.anatomy.graph;
        let properties = graph
            .edges(node)
            .filter(|edge| edge.kind == EdgeKind::Property && edge.name != EdgeName::Name("__proto__"));
        properties
            .take(PROPERTIES)
            .filter(|edge| graph.kind(edge.to) == NodeKind::Closure)
            .find_map(|edge| self.class_site(edge.to))
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
