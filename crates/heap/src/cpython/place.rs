//! Where a holder stands in the source.

use super::source::{PythonSources, Scope};
use super::way::{Names, Start, Way, origin_of};
use super::words::Words;
use crate::holder_script::Origin;
use crate::source::Position;
use crate::{EdgeKind, EdgeName, NodeIndex};

/// A place in a source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) position: Position,
    /// Whether it is the assignment itself.
    pub(crate) is_exact: bool,
}

/// Type of what `functools.lru_cache` makes of a function.
pub(crate) const CACHE_WRAPPER: &str = "functools._lru_cache_wrapper";

/// Finds where the holder at the end of a way is declared.
pub(crate) fn place_of(
    names: &Names<'_>,
    sources: &PythonSources<'_>,
    way: &Way<'_>,
    words: &Words,
) -> Option<Place> {
    let cached = way
        .steps
        .iter()
        .find_map(|step| cached_function(names, step.edge.to.0));
    if let Some((_, file, line)) = cached {
        return Some(line_of(file, line));
    }
    if let Some((owner, attribute)) = &words.attribute
        && let Some(place) = of_attribute(names, sources, owner.0, attribute)
    {
        return Some(place);
    }
    of_start(names, sources, way, words.variable.as_deref()?)
}

/// The function behind an `lru_cache`.
pub(crate) fn cached_function<'g>(names: &Names<'g>, node: u32) -> Option<(&'g str, &'g str, u32)> {
    let graph = names.graph();
    if graph.name(NodeIndex(node)) != CACHE_WRAPPER {
        return None;
    }
    let function = graph
        .edges(NodeIndex(node))
        .find(|edge| graph.name(edge.to) == "function")?;
    names.code_of(function.to.0)
}

fn line_of(file: &str, line: u32) -> Place {
    Place {
        position: Position {
            file: file.to_owned(),
            line: line.max(1),
            column: 1,
        },
        is_exact: true,
    }
}

fn of_attribute(
    names: &Names<'_>,
    sources: &PythonSources<'_>,
    owner: u32,
    attribute: &str,
) -> Option<Place> {
    let class = names.class_of(owner)?;
    // The class that assigns it may be one above.
    let mut near = None;
    for class in classes_above(names, class) {
        let Some(file) = names.class_file(class).filter(|file| file.ends_with(".py")) else {
            continue;
        };
        let short = names.short_class_name(class);
        let found = sources
            .assignment(file, attribute, Scope::Instance(short))
            .or_else(|| sources.assignment(file, attribute, Scope::Class(short)));
        if let Some(position) = found {
            return Some(Place {
                position,
                is_exact: true,
            });
        }
        near = near.or_else(|| sources.class(file, short));
    }
    near.map(|position| Place {
        position,
        is_exact: false,
    })
}

/// A class and those above it, in the order of its `__mro__`.
fn classes_above(names: &Names<'_>, class: u32) -> Vec<u32> {
    let graph = names.graph();
    let order = graph
        .edges(NodeIndex(class))
        .find(|edge| edge.name == EdgeName::Name("__mro__"));
    match order {
        Some(order) => graph.edges(order.to).map(|edge| edge.to.0).collect(),
        None => vec![class],
    }
}

fn of_start(names: &Names<'_>, sources: &PythonSources<'_>, way: &Way<'_>, variable: &str) -> Option<Place> {
    let exact = |position| Place {
        position,
        is_exact: true,
    };
    match way.start {
        Start::Module(module) => {
            let own = names.module_file(module)?;
            let found = sources.assignment(own, variable, Scope::Module);
            if let Some(position) = found {
                return Some(exact(position));
            }
            let elsewhere = elsewhere(names, sources, way.steps.first()?.edge.to, variable);
            elsewhere.or_else(|| {
                Some(Place {
                    is_exact: false,
                    ..line_of(own, 1)
                })
            })
        }
        Start::Class(class) => {
            let file = names.class_file(class)?;
            let short = names.short_class_name(class);
            let found = sources.assignment(file, variable, Scope::Class(short));
            found.map(exact).or_else(|| {
                let position = sources.class(file, short)?;
                Some(Place {
                    position,
                    is_exact: false,
                })
            })
        }
        Start::Closure(function) | Start::Local(function) => {
            let (_, file, line) = names.code_of(function)?;
            // The function around it begins before: its variable is assigned there.
            let from = match way.start {
                Start::Closure(_) => around(names, sources, function).unwrap_or(line),
                _ => line,
            };
            let found = sources.assignment(file, variable, Scope::Function(from));
            Some(found.map_or_else(
                || Place {
                    is_exact: false,
                    ..line_of(file, line)
                },
                exact,
            ))
        }
        Start::Default(function) => {
            let (_, file, line) = names.code_of(function)?;
            Some(line_of(file, line))
        }
        Start::Root(_) => None,
    }
}

/// First line of the function around another, by its qualified name among all code.
fn around(names: &Names<'_>, _sources: &PythonSources<'_>, function: u32) -> Option<u32> {
    let (own, file, _) = names.code_of(function)?;
    let (outer, _) = own.rsplit_once(".<locals>.")?;
    let graph = names.graph();
    let is_it =
        |(name, of, _): &&(u32, u32, u32)| graph.texts.get(*name) == outer && graph.texts.get(*of) == file;
    names.facts.codes.values().find(is_it).map(|(_, _, line)| *line)
}

/// The module that assigns an object which another one imports.
fn elsewhere(
    names: &Names<'_>,
    sources: &PythonSources<'_>,
    object: NodeIndex,
    variable: &str,
) -> Option<Place> {
    /// Modules that have the same object.
    const LOOKED_AT: usize = 200;
    let graph = names.graph();
    let modules = graph
        .retainers(object)
        .take(LOOKED_AT)
        .filter(|(from, edge)| edge.kind == EdgeKind::Property && names.facts.is_store(*from));
    let mut files: Vec<(Origin, &str, String)> = modules
        .filter_map(|(from, edge)| {
            let file = names.module_file(names.anatomy.above(from.0))?;
            let EdgeName::Name(name) = edge.name else {
                return None;
            };
            Some((origin_of(Some(file)), file, name.to_owned()))
        })
        .collect();
    files.sort_by_key(|(origin, _, name)| (*origin, name != variable));
    files.iter().find_map(|(_, file, name)| {
        let position = sources.assignment(file, name, Scope::Module)?;
        Some(Place {
            position,
            is_exact: true,
        })
    })
}
