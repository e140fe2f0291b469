//! From points of growth of a JVM's heap to the static fields, locals and thread locals that hold them.

use std::collections::HashMap;

use plimsoll_model::Pattern;

use crate::graph::{EdgeIndex, EdgeKind, Graph, NodeIndex, NodeKind};
use crate::growth::{Holder, Point};
use crate::growth_trend::{Step, Trend, judge};
use crate::places::{Place, Places, Sum, is_library, name_of};
use crate::retainers::{ShortestPaths, describe_step};
use crate::retaining::RetainingEdges;

/// Points of growth that are looked at, the largest first.
const LOOKED_AT: usize = 200;
/// Of a place's growth: what it hangs from must have grown by less to be a point of growth.
const STEADY_SHARE: f64 = 0.1;
/// Objects that a place must have gained: fewer say nothing.
const FEWEST: f64 = 3.0;
/// Steps of a retainer path that are told.
const STEPS: usize = 40;

/// The dumps so far.
pub(crate) struct Dumps<'a> {
    pub(crate) points: &'a [Point],
    pub(crate) earlier: &'a [HashMap<u64, Sum>],
    pub(crate) latest: &'a Places,
    pub(crate) graph: &'a Graph,
}

/// What piled up under one name.
struct Group<'a> {
    named: Named,
    places: Vec<&'a Place>,
    path: Vec<EdgeIndex>,
}

/// A holder as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    name: String,
    node: NodeIndex,
    module: Option<String>,
    is_named: bool,
    is_thread_local: bool,
}

/// Holders of what grew, most bytes per job first; those that go on growing before those that stopped.
pub(crate) fn holders(dumps: &Dumps<'_>) -> Vec<Holder> {
    let retaining = RetainingEdges::of(dumps.graph);
    let paths = ShortestPaths::of(dumps.graph, &retaining);
    let mut groups: HashMap<String, Group<'_>> = HashMap::new();
    for place in points_of_growth(dumps) {
        let Some(path) = paths.path_to(dumps.graph, place.sample) else {
            continue;
        };
        let named = name(dumps.graph, &path, place.sample);
        let group = groups.entry(named.name.clone()).or_insert(Group {
            named,
            places: Vec::new(),
            path,
        });
        group.places.push(place);
    }
    let mut holders: Vec<Holder> = groups.into_values().map(|group| dumps.holder(&group)).collect();
    let stops = |holder: &Holder| matches!(holder.trend, Trend::FillsAndStops);
    holders.sort_by(|a, b| {
        stops(a)
            .cmp(&stops(b))
            .then(b.bytes_per_job.total_cmp(&a.bytes_per_job))
            .then_with(|| a.name.cmp(&b.name))
    });
    holders
}

/// Places that gained objects while what they hang from did not.
fn points_of_growth<'a>(dumps: &Dumps<'a>) -> Vec<&'a Place> {
    let gained = |place: &Place| {
        let series = dumps.series(place.hash, place.sum);
        let first = series.first().copied().unwrap_or_default();
        (
            place.sum.count as f64 - first.count as f64,
            place.sum.bytes as f64 - first.bytes as f64,
        )
    };
    let mut found: Vec<(f64, &Place)> = Vec::new();
    for place in &dumps.latest.all {
        let (count, bytes) = gained(place);
        let above = gained(&dumps.latest.all[place.above as usize]).0;
        if count >= FEWEST && bytes > 0.0 && above < count * STEADY_SHARE {
            found.push((bytes, place));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found
        .into_iter()
        .take(LOOKED_AT)
        .map(|(_, place)| place)
        .collect()
}

impl Dumps<'_> {
    /// A place at each point.
    fn series(&self, hash: u64, latest: Sum) -> Vec<Sum> {
        let earlier = self
            .earlier
            .iter()
            .map(|sums| sums.get(&hash).copied().unwrap_or_default());
        earlier.chain([latest]).collect()
    }

    fn jobs(&self) -> Vec<f64> {
        let jobs = self
            .points
            .windows(2)
            .map(|pair| pair[1].jobs.saturating_sub(pair[0].jobs).max(1) as f64);
        jobs.collect()
    }

    /// Bytes of a group at each point: what hangs from its places, and what those hang from by itself.
    fn bytes(&self, group: &Group<'_>) -> Vec<u64> {
        let mut sums = vec![0u64; self.points.len()];
        let mut above: Vec<u32> = group.places.iter().map(|place| place.above).collect();
        above.sort_unstable();
        above.dedup();
        for place in &group.places {
            for (at, sum) in self.series(place.hash, place.sum).into_iter().enumerate() {
                sums[at] += sum.bytes;
            }
        }
        for upper in above.into_iter().filter(|at| *at != 0) {
            let upper = &self.latest.all[upper as usize];
            for (at, sum) in self.series(upper.hash, upper.sum).into_iter().enumerate() {
                sums[at] += sum.self_bytes;
            }
        }
        sums
    }

    fn holder(&self, group: &Group<'_>) -> Holder {
        let jobs = self.jobs();
        let main = group.places[0];
        let counts: Vec<u64> = self
            .series(main.hash, main.sum)
            .iter()
            .map(|sum| sum.count)
            .collect();
        let bytes = self.bytes(group);
        let per_job = |values: &[u64]| -> Vec<f64> {
            let steps = values.windows(2).zip(&jobs);
            steps
                .map(|(pair, jobs)| (pair[1] as f64 - pair[0] as f64) / jobs)
                .collect()
        };
        let (count_rates, byte_rates) = (per_job(&counts), per_job(&bytes));
        let steps: Vec<Step> = counts
            .windows(2)
            .zip(&jobs)
            .map(|(pair, jobs)| Step {
                count: pair[1] as f64 - pair[0] as f64,
                jobs: *jobs,
            })
            .collect();
        let all_jobs: f64 = jobs.iter().sum::<f64>().max(1.0);
        let gained = counts.last().copied().unwrap_or(0) as f64 - counts[0] as f64;
        let named = &group.named;
        let type_name = self.graph.name(main.sample).to_owned();
        Holder {
            id: self.graph.id(named.node),
            name: named.name.clone(),
            is_named: named.is_named,
            holder_type: self.graph.name(named.node).to_owned(),
            holders: 1,
            module: named.module.clone(),
            source: None,
            is_near: false,
            reached_from: None,
            counts: counts.iter().map(|count| Some(*count)).collect(),
            retained_bytes: bytes.iter().map(|bytes| Some(*bytes)).collect(),
            gained,
            count_per_job: gained / all_jobs,
            count_per_job_by_interval: count_rates,
            bytes_per_job: byte_rates
                .iter()
                .zip(&jobs)
                .map(|(rate, jobs)| rate * jobs)
                .sum::<f64>()
                / all_jobs,
            bytes_per_job_by_interval: byte_rates,
            trend: judge(&steps),
            pattern: Pattern::GrowingCollection,
            explanation: format!(
                "`{}` holds {} objects of type `{type_name}`, {:.2} more per job since the first dump.",
                named.name,
                counts.last().copied().unwrap_or(0),
                gained / all_jobs,
            ),
            remedies: remedies(named),
            retainer_path: path_text(self.graph, &group.path),
            functions: Vec::new(),
            type_name,
        }
    }
}

fn remedies(named: &Named) -> Vec<String> {
    let name = &named.name;
    let mut remedies = vec![format!(
        "Remove each entry from `{name}` when its job is done, in a `finally`."
    )];
    if named.is_thread_local {
        remedies.insert(
            0,
            format!("Call `remove()` on `{name}` when the job ends: threads of a pool never die, and their values neither."),
        );
    }
    remedies.push("If it is a cache, bound it: a largest size and an expiry.".to_owned());
    remedies.push(
        "If entries belong to an object, key them by it in a `WeakHashMap` whose values do not hold the key."
            .to_owned(),
    );
    remedies
}

fn path_text(graph: &Graph, path: &[EdgeIndex]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut repeats = 0;
    for edge in path {
        let step = describe_step(graph, graph.edge(*edge));
        // Links of a chain all read the same.
        if told.last() == Some(&step) {
            repeats += 1;
            continue;
        }
        if repeats > 0 {
            told.push(format!("… {repeats} more of these"));
        }
        repeats = 0;
        told.push(step);
    }
    if repeats > 0 {
        told.push(format!("… {repeats} more of these"));
    }
    let more = told.len().saturating_sub(STEPS);
    told.truncate(STEPS);
    if more > 0 {
        told.push(format!("… {more} more steps"));
    }
    told
}

/// The static field, local or thread local that a way begins with, and the fields of the program's own
/// objects up to the first collection.
fn name(graph: &Graph, path: &[EdgeIndex], member: NodeIndex) -> Named {
    let start = path
        .iter()
        .rposition(|edge| starts_name(graph, *edge))
        .unwrap_or(0);
    let edge = graph.edge(path[start]);
    let source = graph.edge_source(path[start]);
    let field = name_of(edge.name).unwrap_or_default();
    let is_static = graph.kind(source) == NodeKind::ObjectShape;
    let mut named = Named {
        name: match is_static {
            true => format!("{}.{field}", graph.name(source)),
            false => field.to_owned(),
        },
        node: edge.to,
        module: is_static.then(|| graph.name(source).to_owned()),
        is_named: is_static || edge.kind == EdgeKind::Context,
        is_thread_local: false,
    };
    if let Some(local) = thread_local(graph, &path[start..]) {
        named.name = local.0;
        named.module = local.1;
        named.node = local.2;
        named.is_thread_local = true;
        return named;
    }
    for next in &path[start + 1..] {
        let edge = graph.edge(*next);
        let type_name = graph.name(named.node);
        let is_link = graph.name_index(edge.to) == graph.name_index(named.node);
        if is_library(type_name) || edge.to == member || is_link || edge.kind != EdgeKind::Property {
            break;
        }
        named.name = format!("{}.{}", named.name, name_of(edge.name).unwrap_or_default());
        named.node = edge.to;
    }
    named
}

fn starts_name(graph: &Graph, at: EdgeIndex) -> bool {
    let edge = graph.edge(at);
    let is_static = graph.kind(graph.edge_source(at)) == NodeKind::ObjectShape
        && graph.kind(edge.to) != NodeKind::ObjectShape
        && name_of(edge.name).is_some_and(|name| !name.starts_with('<'));
    is_static || edge.kind == EdgeKind::Context
}

/// The variable behind an entry of a thread's map: its key is the `ThreadLocal` that the entry refers to weakly.
fn thread_local(graph: &Graph, path: &[EdgeIndex]) -> Option<(String, Option<String>, NodeIndex)> {
    const ENTRY: &str = "java.lang.ThreadLocal$ThreadLocalMap$Entry";
    let (entry, value) = path.iter().find_map(|edge| {
        let from = graph.edge_source(*edge);
        (graph.name(from) == ENTRY).then(|| (from, graph.edge(*edge).to))
    })?;
    let key = graph.edges(entry).find(|edge| edge.kind == EdgeKind::Weak)?.to;
    let owner = graph
        .retainers(key)
        .find(|(from, edge)| graph.kind(*from) == NodeKind::ObjectShape && edge.kind == EdgeKind::Property);
    Some(match owner {
        Some((class, edge)) => (
            format!("{}.{}", graph.name(class), name_of(edge.name).unwrap_or_default()),
            Some(graph.name(class).to_owned()),
            value,
        ),
        None => (format!("a value of a `{}`", graph.name(key)), None, value),
    })
}
