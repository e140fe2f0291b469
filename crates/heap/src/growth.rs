//! Growth over two or more dumps of one process: what grows with jobs, and who holds it.
//!
//! Feed the dumps in order with [`GrowthStudy::add`]; each is reduced to what the comparison with
//! the next one needs, so only the latest graph stays in memory. [`GrowthStudy::finish`] names the
//! holders in the latest.
//!
//! Objects are the same if their id and type are. Code, shapes and what the runtime learns while it
//! warms up never count, nor do the objects of Plimsoll's own agent.

use std::collections::HashMap;

use plimsoll_model::{JobCounts, Pattern};

use crate::growth_anatomy::Anatomy;
use crate::growth_interval::Interval;
use crate::growth_reduce::Reduced;
use crate::growth_trend::Trend;
use crate::growth_types::{TypeGrowth, TypeTable};
use crate::holder::name_holders;
use crate::holder_follow::History;
use crate::places::{Places, Sum};
use crate::places_growth::Dumps;
use crate::source::{Position, SourceLookup};
use crate::{Dominators, Format, Graph};

/// When a dump was taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// File or other name of the dump.
    pub label: String,
    /// Jobs completed by then.
    pub jobs: u64,
    /// The same by class, where known.
    pub jobs_by_class: JobCounts,
}

/// Compares dumps as they come.
#[derive(Debug, Default)]
pub struct GrowthStudy {
    /// Path of Plimsoll's agent in the process, whose objects do not count.
    agent_script: Option<String>,
    points: Vec<Point>,
    tables: Vec<TypeTable>,
    reduced: Vec<Reduced>,
    intervals: Vec<Interval>,
    latest: Option<Anatomy>,
    /// Places of the latest dump, and sums of those before, where objects have no lasting ids.
    places: Option<Places>,
    former_places: Vec<HashMap<u64, Sum>>,
}

/// What the dumps tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Growth {
    /// The dumps, in order.
    pub points: Vec<Point>,
    /// Types, the fastest-growing first.
    pub types: Vec<TypeGrowth>,
    /// Holders, most bytes per job first; those that go on growing before those that stopped.
    pub holders: Vec<Holder>,
    /// Growth of everything that counts, per job and interval.
    pub total_bytes_per_job: Vec<f64>,
}

/// A container at the point of growth.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// Id of the object in the dumps.
    pub id: u64,
    /// By which name people know it: `cache.entries`, `bus → drain listeners`.
    pub name: String,
    /// Whether `name` is that of a variable or property, not merely a description.
    pub is_named: bool,
    /// Its type.
    pub holder_type: String,
    /// Similar holders that this one stands for; 1 if it is alone.
    pub holders: u64,
    /// File that declares it.
    pub module: Option<String>,
    /// Where it is declared; where `is_near`, a function that sees it.
    pub source: Option<Position>,
    /// Whether `source` is only a function nearby.
    pub is_near: bool,
    /// For a holder inside a package: the variable of the program that it is reached from.
    pub reached_from: Option<Reached>,
    /// Type of what piled up.
    pub type_name: String,
    /// Members at each point, where they can be counted.
    pub counts: Vec<Option<u64>>,
    /// Retained bytes at each point, where the holder was there.
    pub retained_bytes: Vec<Option<u64>>,
    /// Objects gained from the first dump to the last, links of chains and open handles included.
    pub gained: f64,
    /// Objects gained per job in the last interval.
    pub count_per_job: f64,
    /// Objects gained per job in each interval.
    pub count_per_job_by_interval: Vec<f64>,
    /// Bytes gained per job in each interval.
    pub bytes_per_job_by_interval: Vec<f64>,
    /// Bytes gained per job in the last interval.
    pub bytes_per_job: f64,
    /// How the growth goes on.
    pub trend: Trend,
    /// How it leaks.
    pub pattern: Pattern,
    /// One plain sentence with figures.
    pub explanation: String,
    /// What to do, the best first.
    pub remedies: Vec<String>,
    /// From the roots to one of the objects that piled up.
    pub retainer_path: Vec<String>,
    /// Functions of the program among what piled up: listeners, callbacks, closures.
    pub functions: Vec<FunctionSite>,
}

/// A variable of the program through which a holder is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its name or path.
    pub name: String,
    /// Its declaration.
    pub source: Option<Position>,
}

/// A function found in what piled up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionSite {
    /// Its name; empty for an anonymous one.
    pub name: String,
    /// Where it is written.
    pub source: Position,
}

impl Holder {
    /// What to do if the pattern turns out to be another than the dumps alone show.
    pub fn remedies_for(&self, pattern: Pattern) -> Vec<String> {
        if pattern == self.pattern {
            return self.remedies.clone();
        }
        let file = self.source.as_ref().map_or("", |position| &position.file);
        if file.ends_with(".py") {
            return crate::cpython::remedies(pattern, &self.name);
        }
        crate::pattern_remedy::remedies(pattern, &self.name, None)
    }
}

impl GrowthStudy {
    /// A study that leaves out the objects of the agent whose script has this path.
    pub fn new(agent_script: Option<String>) -> Self {
        GrowthStudy {
            agent_script,
            ..GrowthStudy::default()
        }
    }

    /// Takes the next dump; points must come in the order of their jobs.
    pub fn add(&mut self, point: Point, graph: Graph) {
        self.make_room();
        let dominators = Dominators::of(&graph);
        self.add_weighed(point, graph, dominators);
    }

    /// The same for a dump whose dominators are known already.
    pub fn add_weighed(&mut self, point: Point, graph: Graph, dominators: Dominators) {
        self.make_room();
        if graph.format() == Format::Hprof {
            self.places = Some(Places::of(&graph, &dominators));
        }
        let anatomy = Anatomy::new(graph, dominators, self.agent_script.as_deref());
        if let Some(earlier) = self.reduced.last().filter(|_| self.places.is_none()) {
            self.intervals.push(Interval::between(earlier, &anatomy));
        }
        self.tables.push(TypeTable::of(&anatomy));
        self.points.push(point);
        self.latest = Some(anatomy);
    }

    /// Drops the graph of the latest dump, once reduced; call it before the next one is read.
    pub fn make_room(&mut self) {
        if let Some(places) = self.places.take() {
            self.former_places.push(places.into_sums());
            self.latest = None;
        }
        if let Some(anatomy) = self.latest.take() {
            self.reduced.push(Reduced::of(&anatomy));
        }
    }

    /// Names what grew. Without two dumps there is nothing to tell.
    pub fn finish(self, sources: &dyn SourceLookup) -> Growth {
        let jobs: Vec<f64> = self
            .points
            .windows(2)
            .map(|pair| pair[1].jobs.saturating_sub(pair[0].jobs).max(1) as f64)
            .collect();
        let total_bytes_per_job = self
            .intervals
            .iter()
            .zip(&jobs)
            .map(|(interval, jobs)| interval.total_bytes / jobs)
            .collect();
        let types = crate::growth_types::compare(&self.tables, &self.points);
        let holders = match (&self.latest, &self.places) {
            (Some(anatomy), Some(places)) => crate::places_growth::holders(&Dumps {
                points: &self.points,
                earlier: &self.former_places,
                latest: places,
                graph: &anatomy.graph,
            }),
            (Some(anatomy), None) if !self.intervals.is_empty() => name_holders(
                History {
                    anatomy,
                    reduced: &self.reduced,
                    intervals: &self.intervals,
                    jobs: &jobs,
                },
                self.agent_script.as_deref(),
                sources,
            ),
            _ => Vec::new(),
        };
        Growth {
            points: self.points,
            types,
            holders,
            total_bytes_per_job,
        }
    }
}
