//! From findings to holders with names, positions, patterns and figures, for pictures of CPython.

use std::collections::{HashMap, HashSet};

use plimsoll_model::HumanBytes;

use super::pattern::{Case, Evidence, recognise};
use super::pile::Pile;
use super::place::{Place as Found, place_of};
use super::remedy::remedies;
use super::source::PythonSources;
use super::way::{Names, Start, Way};
use super::words::{Words, words};
use crate::growth::{Holder, Reached};
use crate::growth_interval::{Finding, Place};
use crate::growth_trend::{Step, judge};
use crate::holder_follow::{History, owners};
use crate::holder_script::Origin;
use crate::source::SourceLookup;
use crate::{NodeIndex, NodeKind, describe_node, describe_step};

/// Findings that are named; the rest is far below them.
const NAMED: usize = 96;
/// Growth below this is drift of the interpreter: caches of types and methods, interned texts.
const LEAST_BYTES_PER_JOB: f64 = 4.0;

/// A finding with its name.
struct Named<'g> {
    finding: Finding,
    members: Vec<Finding>,
    way: Option<Way<'g>>,
    words: Words,
    found: Option<Found>,
    pile: Pile,
}

/// Names the findings of the last interval, and those that have stopped.
pub(crate) fn name_holders(history: History<'_>, lookup: &dyn SourceLookup) -> Vec<Holder> {
    let (Some(last), Some(facts)) = (history.intervals.last(), history.anatomy.graph.python.as_deref())
    else {
        return Vec::new();
    };
    let names = Names::new(history.anatomy, facts);
    let sources = PythonSources::new(lookup);
    let naming = Naming {
        names: &names,
        sources: &sources,
        history,
    };
    let enough = LEAST_BYTES_PER_JOB * history.jobs.last().copied().unwrap_or(1.0);
    let filled = history.filled();
    let worth = last
        .findings
        .iter()
        .filter(|finding| finding.bytes >= enough)
        .take(NAMED);
    let named = worth
        .chain(&filled)
        .map(|finding| naming.named(finding))
        .collect();
    naming.merge(named)
}

struct Naming<'n, 'g> {
    names: &'n Names<'g>,
    sources: &'n PythonSources<'n>,
    history: History<'g>,
}

impl<'g> Naming<'_, 'g> {
    fn named(&self, finding: &Finding) -> Named<'g> {
        let pile = Pile::of(self.names, &finding.samples);
        let way = match finding.place {
            Place::Flock(_) => None,
            _ => self.names.way(finding.owner, Origin::Runtime),
        };
        let slot = match &finding.place {
            Place::Slot(name) => Some(name.as_str()),
            _ => None,
        };
        let words = way
            .as_ref()
            .map(|way| words(self.names, way, slot))
            .unwrap_or_default();
        let found = way
            .as_ref()
            .and_then(|way| place_of(self.names, self.sources, way, &words));
        Named {
            finding: finding.clone(),
            members: Vec::new(),
            way,
            words,
            found,
            pile,
        }
    }

    /// Findings with the same name are one: a list per tenant, objects of one root.
    fn merge(&self, named: Vec<Named<'g>>) -> Vec<Holder> {
        let mut merged: Vec<Named<'g>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for one in named {
            let name = match (&one.finding.place, one.words.text.is_empty()) {
                // What was lost together is one leak, of whatever types it consists.
                (Place::Flock(_), _) => format!("#{}", one.finding.owner),
                (_, true) => format!("#{}{:?}", one.finding.shape, one.finding.place),
                _ => one.words.text.clone(),
            };
            match known.get(&name) {
                Some(at) => {
                    let into = &mut merged[*at];
                    into.pile.functions.extend(one.pile.functions);
                    into.members.push(one.finding);
                }
                None => {
                    known.insert(name, merged.len());
                    merged.push(one);
                }
            }
        }
        merged.iter().map(|named| self.holder(named)).collect()
    }

    fn holder(&self, named: &Named<'g>) -> Holder {
        let all: Vec<&Finding> = std::iter::once(&named.finding).chain(&named.members).collect();
        let steps = self.history.steps(&all);
        let counts: Vec<Step> = steps.iter().map(|step| step.0).collect();
        let by_interval: Vec<f64> = steps.iter().map(|step| step.1).collect();
        let bytes = by_interval.last().copied().unwrap_or(0.0);
        let count_per_job = counts.last().map_or(0.0, |step| step.count / step.jobs.max(1.0));
        let source = named.found.as_ref().map(|found| found.position.clone());
        let evidence = self.evidence(named);
        let name = self.name(named);
        let graph = &self.names.anatomy.graph;
        let place = source
            .as_ref()
            .map_or(String::new(), |position| format!(" ({position})"));
        let many = match owners(&all) {
            1 => String::new(),
            many => format!("; {many} such holders"),
        };
        let explanation = format!(
            "`{name}`{place} gains {count_per_job:.2} {} and {} a job: {}{many}.",
            named.pile.type_name,
            HumanBytes(bytes),
            evidence.sentence
        );
        Holder {
            id: named.finding.owner_id,
            is_named: !named.words.text.is_empty(),
            holder_type: match named.finding.place {
                Place::Flock(_) => "interpreter".to_owned(),
                _ => graph.name(NodeIndex(named.finding.owner)).to_owned(),
            },
            holders: owners(&all),
            module: source.as_ref().map(|position| position.file.clone()),
            is_near: !named.found.as_ref().is_some_and(|found| found.is_exact),
            source,
            reached_from: self.reached_from(named),
            type_name: named.pile.type_name.clone(),
            counts: self.history.counts(&named.finding),
            retained_bytes: self.history.retained(&named.finding),
            gained: counts.iter().map(|step| step.count).sum(),
            count_per_job,
            count_per_job_by_interval: counts
                .iter()
                .map(|step| step.count / step.jobs.max(1.0))
                .collect(),
            bytes_per_job_by_interval: by_interval,
            bytes_per_job: bytes,
            trend: judge(&counts),
            pattern: evidence.pattern,
            explanation,
            remedies: remedies(evidence.pattern, &name),
            retainer_path: self.path(named),
            functions: unique(&named.pile.functions),
            name,
        }
    }

    fn name(&self, named: &Named<'_>) -> String {
        let graph = &self.names.anatomy.graph;
        let owner = graph.name(NodeIndex(named.finding.owner));
        match (&named.finding.place, named.words.text.is_empty()) {
            (Place::Flock(_), _) => format!("{} {owner}", named.pile.type_name),
            (_, true) => format!("{owner} without a name"),
            _ => named.words.text.clone(),
        }
    }

    fn evidence(&self, named: &Named<'g>) -> Evidence {
        let extension = match named.finding.place {
            Place::Flock(_) => super::lost::extension(self.names, &named.finding.samples),
            _ => None,
        };
        let last = named.words.attribute.as_ref().map(|(_, name)| name.as_str());
        let is_looked_up = named.found.as_ref().is_some_and(|found| {
            let name = last.or(named.words.variable.as_deref());
            name.is_some_and(|name| self.sources.is_looked_up(&found.position.file, name))
        });
        recognise(&Case {
            names: self.names,
            finding: &named.finding,
            way: named.way.as_ref(),
            pile: &named.pile,
            is_looked_up,
            extension: extension.as_deref(),
        })
    }

    /// For a holder inside a package: the name of the program that leads to it.
    fn reached_from(&self, named: &Named<'g>) -> Option<Reached> {
        let way = named
            .way
            .as_ref()
            .filter(|way| way.origin != Origin::Application)?;
        if matches!(way.start, Start::Root(_)) {
            return None;
        }
        let way = self.names.way(named.finding.owner, Origin::Application)?;
        let words = words(self.names, &way, None);
        let bare = Words {
            attribute: None,
            ..words.clone()
        };
        let found = place_of(self.names, self.sources, &way, &bare);
        Some(Reached {
            name: words.text,
            source: found.map(|found| found.position),
        })
    }

    /// From the roots over the way to one of the objects that piled up.
    fn path(&self, named: &Named<'g>) -> Vec<String> {
        let graph = &self.names.anatomy.graph;
        let mut path = vec!["(GC roots)".to_owned()];
        let mut last = NodeIndex(named.finding.owner);
        if let Some(way) = &named.way {
            for (number, step) in way.steps.iter().enumerate() {
                last = step.edge.to;
                if self.names.facts.is_store(step.edge.to) {
                    continue;
                }
                path.push(match (number, &named.words.variable) {
                    (0, Some(_)) => format!("{} :: {}", self.first(way), describe_node(graph, step.edge.to)),
                    _ => describe_step(graph, step.edge),
                });
            }
        } else if graph.kind(last) == NodeKind::Synthetic {
            path.push(graph.name(last).to_owned());
        }
        let sample = named.pile.samples.first().map(|node| NodeIndex(*node));
        if let Some(sample) = sample.filter(|sample| *sample != last) {
            let edge = graph
                .edges(last)
                .find(|edge| edge.to == sample && edge.name != crate::EdgeName::Name(""));
            path.push(edge.map_or_else(|| describe_node(graph, sample), |edge| describe_step(graph, edge)));
        }
        path
    }

    fn first(&self, way: &Way<'_>) -> String {
        let only = Way {
            steps: way.steps[..1].to_vec(),
            ..way.clone()
        };
        words(self.names, &only, None).text
    }
}

fn unique(functions: &[crate::FunctionSite]) -> Vec<crate::FunctionSite> {
    let mut seen = HashSet::new();
    functions
        .iter()
        .filter(|site| seen.insert(*site))
        .take(8)
        .cloned()
        .collect()
}
