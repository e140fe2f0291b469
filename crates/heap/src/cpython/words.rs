//! Ways in Python's words: `worker.CACHE`, `worker.jar._cookies[…]`, `main() → session._jar`.

use super::members::members;
use super::way::{Names, Start, Step, Way};
use crate::{EdgeKind, EdgeName, NodeIndex};

/// What a way says in words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Words {
    /// The whole: name, attributes, what hangs there. Empty for a root of the interpreter.
    pub(crate) text: String,
    /// The name that it begins with, without its module.
    pub(crate) variable: Option<String>,
    /// The last attribute of an instance on the way: the instance and the attribute.
    pub(crate) attribute: Option<(NodeIndex, String)>,
}

/// Dicts with more entries than this have data as keys, not names.
const RECORD_ENTRIES: usize = 24;

/// Puts a way into words; `place` is the field at its end that grows.
pub(crate) fn words(names: &Names<'_>, way: &Way<'_>, place: Option<&str>) -> Words {
    let mut words = Words::default();
    for (number, step) in way.steps.iter().enumerate() {
        match number {
            0 => begin(names, &mut words, way.start, step),
            _ => add(names, &mut words, step),
        }
    }
    if let (Some(place), Some(last)) = (place, way.steps.last())
        && is_identifier(place)
        && !words.text.is_empty()
    {
        attribute(&mut words, last.edge.to, place);
    }
    words
}

fn begin(names: &Names<'_>, words: &mut Words, start: Start, step: &Step<'_>) {
    let EdgeName::Name(name) = step.edge.name else {
        return;
    };
    let prefix = match start {
        Start::Module(module) => format!("{}.", names.module_name(module)),
        Start::Class(class) => format!("{}.", names.class_name(class)),
        Start::Closure(function) => {
            let own = names.code_of(function).map_or("", |(name, _, _)| name);
            // The variable belongs to the function around the one that sees it.
            let around = own.rsplit_once(".<locals>.").map_or(own, |(around, _)| around);
            format!("{around}() → ")
        }
        Start::Default(function) => {
            let own = names.code_of(function).map_or("", |(name, _, _)| name);
            words.text = format!("{own}() → default value");
            words.variable = Some(own.to_owned());
            return;
        }
        Start::Local(frame) => {
            let own = names.code_of(frame).map_or("", |(name, _, _)| name);
            format!("{own}() → ")
        }
        Start::Root(_) => return,
    };
    words.text = format!("{prefix}{name}");
    words.variable = Some(name.to_owned());
}

fn add(names: &Names<'_>, words: &mut Words, step: &Step<'_>) {
    let graph = names.graph();
    match (step.edge.kind, step.edge.name) {
        (_, EdgeName::Name("cell_contents" | "__func__" | "__wrapped__")) => {}
        (EdgeKind::Property, EdgeName::Name(name)) if is_identifier(name) => {
            let owner = match names.facts.is_store(step.from) {
                true => NodeIndex(names.anatomy.above(step.from.0)),
                false => step.from,
            };
            attribute(words, owner, name);
        }
        (EdgeKind::Property, EdgeName::Name(key)) => {
            // A dict by a key as Python prints it.
            let is_record = members(graph, step.from).take(RECORD_ENTRIES + 1).count() <= RECORD_ENTRIES;
            if is_record {
                words.text.push_str(&format!("[{key}]"));
            } else {
                bracket(words);
            }
        }
        (EdgeKind::Element, _) => bracket(words),
        (EdgeKind::Context, EdgeName::Name(name)) => {
            words.text.push_str(&format!(" → {name}"));
        }
        _ => {}
    }
}

fn attribute(words: &mut Words, owner: NodeIndex, name: &str) {
    words.text.push('.');
    words.text.push_str(name);
    words.attribute = Some((owner, name.to_owned()));
}

fn bracket(words: &mut Words) {
    if !words.text.ends_with("[…]") {
        words.text.push_str("[…]");
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_')
}
