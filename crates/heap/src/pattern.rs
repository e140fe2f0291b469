//! Leak patterns: a chain of small rules over the structure of the graph, the most specific first.
//!
//! A rule looks at the holder, at the way to it and at what piled up, never at names that a user
//! chose. It answers with the evidence in one sentence, and with what to do.

use plimsoll_model::{HumanBytes, Pattern};

use crate::growth_anatomy::Anatomy;
use crate::growth_interval::{Finding, Place};
use crate::holder_pile::Pile;
use crate::holder_script::Scripts;
use crate::holder_search::Way;
use crate::holder_text::Words;
use crate::pattern_collection::{backlog, cache, collection, identity_map, interning, retry_buffer};
use crate::pattern_function::{async_context, closure, listener, promise, timer};
use crate::pattern_handle::{client, handle, native};
use crate::pattern_remedy::remedies;
use crate::source::{Position, Sources};

/// Everything that rules may look at.
pub(crate) struct Case<'c> {
    pub(crate) anatomy: &'c Anatomy,
    pub(crate) scripts: &'c Scripts<'c>,
    pub(crate) sources: &'c Sources<'c>,
    pub(crate) finding: &'c Finding,
    pub(crate) way: Option<&'c Way<'c>>,
    pub(crate) words: &'c Words,
    pub(crate) pile: &'c Pile,
    pub(crate) position: Option<&'c Position>,
    /// Variables of the program that hold an AsyncLocalStorage.
    pub(crate) storages: &'c [String],
    pub(crate) holders: u64,
    pub(crate) count_per_job: f64,
    pub(crate) bytes_per_job: f64,
}

impl Case<'_> {
    /// How the holder is called: by its variable, else by what it is.
    pub(crate) fn name(&self) -> String {
        if !self.words.text.is_empty() {
            return self.words.text.clone();
        }
        match &self.finding.place {
            Place::Flock(_) => format!("{} (held by the runtime)", self.pile.type_name),
            _ => format!(
                "{} without a name",
                self.anatomy.graph.name(crate::NodeIndex(self.finding.owner))
            ),
        }
    }

    /// `0.5 Object (12.4 KiB) a job`.
    pub(crate) fn figures(&self) -> String {
        let count = if self.count_per_job >= 0.005 {
            format!("{} ", short(self.count_per_job))
        } else {
            String::new()
        };
        format!(
            "{count}{} and {} a job",
            self.pile.type_name,
            HumanBytes(self.bytes_per_job)
        )
    }
}

/// A figure with as many places as it bears.
fn short(value: f64) -> String {
    let text = if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// What a rule found: the pattern, and the evidence as the end of a sentence.
pub(crate) struct Evidence {
    pub(crate) pattern: Pattern,
    /// A name for a holder that has none of its own.
    pub(crate) name: Option<String>,
    pub(crate) sentence: String,
}

/// The pattern with everything that a report says about it.
pub(crate) struct Told {
    pub(crate) pattern: Pattern,
    pub(crate) name: String,
    pub(crate) explanation: String,
    pub(crate) remedies: Vec<String>,
}

type Rule = fn(&Case<'_>) -> Option<Evidence>;

/// The first rule that answers decides.
const RULES: [Rule; 14] = [
    listener,
    async_context,
    timer,
    promise,
    client,
    handle,
    native,
    interning,
    backlog,
    retry_buffer,
    identity_map,
    cache,
    closure,
    collection,
];

/// Recognises the pattern of a holder.
pub(crate) fn recognise(case: &Case<'_>) -> Told {
    let evidence = RULES
        .iter()
        .find_map(|rule| rule(case))
        .unwrap_or_else(|| unknown(case));
    let name = evidence.name.clone().unwrap_or_else(|| case.name());
    let remedies = remedies(evidence.pattern, &name, case.words.event.as_deref());
    let place = match case.position {
        Some(position) => format!(" ({position})"),
        None => String::new(),
    };
    let many = if case.holders > 1 {
        format!("; {} such holders", case.holders)
    } else {
        String::new()
    };
    let explanation = format!(
        "`{name}`{place} gains {}: {}{many}.",
        case.figures(),
        evidence.sentence
    );
    Told {
        pattern: evidence.pattern,
        name,
        explanation,
        remedies,
    }
}

fn unknown(case: &Case<'_>) -> Evidence {
    let kind = case.anatomy.graph.kind(crate::NodeIndex(case.finding.owner));
    Evidence {
        pattern: Pattern::Unknown,
        name: None,
        sentence: format!(
            "the dumps show no variable of the program that holds it (it hangs from a {kind:?} node)"
        ),
    }
}
