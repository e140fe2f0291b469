//! From findings to holders with names, positions, patterns and figures.

use std::collections::HashMap;

use crate::growth::{FunctionSite, Holder, Reached};
use crate::growth_anatomy::{Anatomy, is_context};
use crate::growth_interval::{Finding, Place};
use crate::growth_trend::{Step, Trend, judge};
use crate::holder_follow::{History, owners};
use crate::holder_path::retainer_path;
use crate::holder_pile::Pile;
use crate::holder_place::{Found, Places};
use crate::holder_script::{Origin, Scripts, origin_of};
use crate::holder_search::{Search, Start, Way};
use crate::holder_text::{Words, words};
use crate::pattern::{Case, recognise};
use crate::source::{Position, SourceLookup, Sources};
use crate::{Graph, NodeIndex, NodeKind};

/// Findings that are named; the rest is far below them.
const NAMED: usize = 96;
/// Growth below this is the runtime's own drift: V8 keeps about as much for a job that keeps nothing.
const LEAST_BYTES_PER_JOB: f64 = 4.0;
/// Holders in the answer.
const HOLDERS: usize = 32;

/// Names the findings of the last interval and follows them through the earlier ones.
pub(crate) fn name_holders(
    history: History<'_>,
    agent_script: Option<&str>,
    lookup: &dyn SourceLookup,
) -> Vec<Holder> {
    let Some(last) = history.intervals.last() else {
        return Vec::new();
    };
    let anatomy = history.anatomy;
    if anatomy.graph.python.is_some() {
        return ranked(crate::cpython::name_holders(history, lookup));
    }
    let scripts = Scripts::new(&anatomy.graph, agent_script);
    let sources = Sources::new(lookup);
    let naming = Naming {
        anatomy,
        scripts: &scripts,
        sources: &sources,
        history,
        storages: Vec::new(),
    };
    let storages = naming.storages();
    let naming = Naming { storages, ..naming };
    let enough = LEAST_BYTES_PER_JOB * history.jobs.last().copied().unwrap_or(1.0);
    let worth = last
        .findings
        .iter()
        .filter(|finding| finding.bytes >= enough)
        .take(NAMED);
    let filled = history.filled();
    let worth: Vec<&Finding> = worth.chain(&filled).collect();
    ranked(naming.merge(worth.into_iter().map(|finding| naming.named(finding)).collect()))
}

/// The most telling first: those that go on growing, known patterns, most bytes.
fn ranked(mut holders: Vec<Holder>) -> Vec<Holder> {
    holders.sort_by(|a, b| {
        let rank = |holder: &Holder| {
            (
                rank_of(holder.trend),
                holder.pattern == plimsoll_model::Pattern::Unknown,
            )
        };
        rank(a)
            .cmp(&rank(b))
            .then(b.bytes_per_job.total_cmp(&a.bytes_per_job))
    });
    holders.truncate(HOLDERS);
    holders
}

fn rank_of(trend: Trend) -> u8 {
    match trend {
        Trend::Proportional => 0,
        Trend::Slowing | Trend::Uneven | Trend::Unclear | Trend::Began => 1,
        Trend::FillsAndStops => 2,
    }
}

/// A finding with its name and what it takes to judge it.
struct Named<'g> {
    finding: Finding,
    way: Option<Way<'g>>,
    words: Words,
    found: Option<Found>,
    pile: Pile,
    /// Anchors with the same name.
    members: Vec<Finding>,
}

struct Naming<'g> {
    anatomy: &'g Anatomy,
    scripts: &'g Scripts<'g>,
    sources: &'g Sources<'g>,
    history: History<'g>,
    storages: Vec<String>,
}

/// Async storages named: there are few in any program.
const STORAGES: usize = 4;

impl<'g> Naming<'g> {
    /// Variables of the program that hold an AsyncLocalStorage: objects with the key of its stores.
    fn storages(&self) -> Vec<String> {
        let graph = &self.anatomy.graph;
        let key = |edge: &crate::Edge<'_>| {
            edge.name == crate::EdgeName::Name("kResourceStore") && graph.kind(edge.to) == NodeKind::Symbol
        };
        let storages = graph.nodes().filter(|node| {
            graph.kind(*node) == NodeKind::Object && graph.edges(*node).any(|edge| key(&edge))
        });
        let ways = storages
            .take(STORAGES)
            .filter_map(|node| self.search().way(node.0, Origin::Package));
        let mut named: Vec<(Origin, String)> = ways
            .map(|way| (way.origin, words(graph, &way, None).text))
            .collect();
        named.retain(|(_, name)| !name.is_empty());
        named.sort();
        named.into_iter().map(|(_, name)| name).collect()
    }

    fn places(&self) -> Places<'g> {
        Places {
            anatomy: self.anatomy,
            scripts: self.scripts,
            sources: self.sources,
        }
    }

    fn search(&self) -> Search<'g> {
        Search {
            anatomy: self.anatomy,
            scripts: self.scripts,
        }
    }

    fn named(&self, finding: &Finding) -> Named<'g> {
        let pile = Pile::of(self.anatomy, self.scripts, &self.places(), &finding.samples);
        let way = self.way(finding, &pile);
        let is_variable = is_context(&self.anatomy.graph, NodeIndex(finding.owner));
        let slot = slot_name(finding).filter(|_| !is_variable);
        let words = way
            .as_ref()
            .map(|way| words(&self.anatomy.graph, way, slot))
            .unwrap_or_default();
        let found = way.as_ref().and_then(|way| self.places().of(way, &words));
        Named {
            finding: finding.clone(),
            way,
            words,
            found,
            pile,
            members: Vec::new(),
        }
    }

    fn way(&self, finding: &Finding, pile: &Pile) -> Option<Way<'g>> {
        let graph = &self.anatomy.graph;
        let owner = NodeIndex(finding.owner);
        if let (Place::Slot(name), true) = (&finding.place, is_context(graph, owner)) {
            return crate::holder_search::own_variable(self.anatomy, self.scripts, owner, name);
        }
        if matches!(finding.place, Place::Flock(_)) {
            return pile.way.and_then(|(context, target)| {
                crate::holder_search::variable_of(self.anatomy, self.scripts, context, target)
            });
        }
        let way = self
            .search()
            .way(finding.owner, Origin::Runtime)
            .filter(|way| way.start != Start::Root)?;
        if way.start == Start::Variable && way.origin == Origin::Runtime {
            // A queue inside an iterator or stream of the program is better known by that.
            let own = self.search().way(finding.owner, Origin::Package);
            return own.filter(|own| self.holds_all(own, finding.owner)).or(Some(way));
        }
        Some(way)
    }

    /// Whether the variables beside the one that a way begins with hold the object together.
    fn holds_all(&self, way: &Way<'_>, node: u32) -> bool {
        way.start == Start::Variable && way.top().is_some_and(|top| self.anatomy.dominates(top.0, node))
    }

    /// Findings with the same name are one: a listener list per shard, a queue per tenant.
    fn merge(&self, named: Vec<Named<'g>>) -> Vec<Holder> {
        let mut merged: Vec<Named<'g>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for one in named {
            let name = if one.words.text.is_empty() {
                format!("#{}{:?}", one.finding.shape, one.finding.place)
            } else {
                one.words.text.clone()
            };
            match known.get(&name) {
                Some(at) => merged[*at].members.push(one.finding),
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
        let by_interval: Vec<f64> = steps.iter().map(|step| step.1).collect();
        let bytes: f64 = by_interval.last().copied().unwrap_or(0.0);
        let counts: Vec<Step> = steps.iter().map(|step| step.0).collect();
        let trend = judge(&counts);
        let source = named.found.as_ref().map(|found| found.position().clone());
        let source = source.filter(|position| origin_of(&position.file) != Origin::Runtime);
        let source = source.or_else(|| {
            named
                .pile
                .functions
                .first()
                .map(|function| function.source.clone())
        });
        let owner = NodeIndex(named.finding.owner);
        let case = Case {
            anatomy: self.anatomy,
            scripts: self.scripts,
            sources: self.sources,
            finding: &named.finding,
            way: named.way.as_ref(),
            words: &named.words,
            pile: &named.pile,
            position: source.as_ref(),
            storages: &self.storages,
            holders: owners(&all),
            count_per_job: counts.last().map_or(0.0, |step| step.count / step.jobs.max(1.0)),
            bytes_per_job: bytes,
        };
        let told = recognise(&case);
        let is_named = !named.words.text.is_empty();
        Holder {
            id: named.finding.owner_id,
            name: told.name.clone(),
            is_named,
            holder_type: holder_type(&self.anatomy.graph, owner, &named.words, &named.finding),
            holders: owners(&all),
            module: source.as_ref().map(|position| position.file.clone()),
            is_near: !matches!(named.found, Some(Found::Declaration(_))),
            source: source.clone(),
            reached_from: self.reached_from(named),
            type_name: named.pile.type_name.clone(),
            counts: self.history.counts(&named.finding),
            retained_bytes: self.history.retained(&named.finding),
            gained: counts.iter().map(|step| step.count).sum(),
            count_per_job: case.count_per_job,
            count_per_job_by_interval: counts
                .iter()
                .map(|step| step.count / step.jobs.max(1.0))
                .collect(),
            bytes_per_job_by_interval: by_interval,
            bytes_per_job: bytes,
            trend,
            pattern: told.pattern,
            explanation: told.explanation,
            remedies: told.remedies,
            retainer_path: retainer_path(
                &self.anatomy.graph,
                named.way.as_ref(),
                named.finding.samples.first().copied(),
            ),
            functions: named.pile.functions.clone(),
        }
    }

    fn reached_from(&self, named: &Named<'g>) -> Option<Reached> {
        let way = named.way.as_ref()?;
        if way.start != Start::Variable || way.origin != Origin::Package {
            return None;
        }
        let way = self.search().way(named.finding.owner, Origin::Application)?;
        if way.start != Start::Variable {
            return None;
        }
        let words = words(&self.anatomy.graph, &way, None);
        let source = self.places().of(
            &way,
            &Words {
                property: None,
                ..words.clone()
            },
        );
        Some(Reached {
            name: words.text,
            source: source.map(|found| found.position().clone()),
        })
    }
}

fn slot_name(finding: &Finding) -> Option<&str> {
    match &finding.place {
        Place::Slot(name) => Some(name),
        _ => None,
    }
}

fn holder_type(graph: &Graph, owner: NodeIndex, words: &Words, finding: &Finding) -> String {
    let owner = words.emitter.unwrap_or(owner);
    match (graph.kind(owner), &finding.place) {
        (_, Place::Flock(_)) => "runtime".to_owned(),
        (NodeKind::Closure, _) => format!("class {}", graph.name(owner)),
        (_, Place::Slot(_)) if is_context(graph, owner) => {
            finding.samples.first().map_or("variable".to_owned(), |node| {
                graph.name(NodeIndex(*node)).to_owned()
            })
        }
        _ => graph.name(owner).trim_start_matches("system / ").to_owned(),
    }
}

impl From<(String, Position)> for FunctionSite {
    fn from((name, source): (String, Position)) -> Self {
        FunctionSite { name, source }
    }
}
