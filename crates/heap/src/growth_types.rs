//! Types over the dumps: counts and sizes, and which of them grow with jobs.

use std::collections::{HashMap, HashSet};

use crate::Types;
use crate::growth::Point;
use crate::growth_anatomy::Anatomy;
use crate::growth_trend::{Step, Trend, judge};
use crate::growth_weight::is_learnt;

/// A type over the dumps.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeGrowth {
    /// Named as the runtime's tools do.
    pub type_name: String,
    /// Objects at each point.
    pub counts: Vec<u64>,
    /// Their shallow sizes at each point.
    pub self_bytes: Vec<u64>,
    /// Objects gained per job, first to last point.
    pub count_per_job: f64,
    /// Bytes gained per job, first to last point.
    pub bytes_per_job: f64,
    /// How the growth goes on.
    pub trend: Trend,
}

impl TypeGrowth {
    /// Whether the type grows with jobs across all intervals.
    pub fn is_proportional(&self) -> bool {
        self.trend == Trend::Proportional && self.bytes_per_job > 0.0
    }
}

/// Counts and sizes of one dump.
#[derive(Debug, Default)]
pub(crate) struct TypeTable {
    rows: HashMap<String, (u64, u64)>,
}

impl TypeTable {
    pub(crate) fn of(anatomy: &Anatomy) -> Self {
        let graph = &anatomy.graph;
        let types = Types::of(graph);
        let mut sums = vec![(0u64, 0u64); types.len()];
        for node in graph.nodes().filter(|node| !is_learnt(graph, *node)) {
            let sum = &mut sums[types.of_node(graph, node).0 as usize];
            sum.0 += 1;
            sum.1 += graph.self_bytes(node);
        }
        let rows = sums.into_iter().enumerate().filter(|(_, sum)| sum.0 > 0);
        let name = |at: usize| types.name(crate::TypeIndex(at as u32)).to_owned();
        TypeTable {
            rows: rows.map(|(at, sum)| (name(at), sum)).collect(),
        }
    }
}

/// Compares the tables of all points.
pub(crate) fn compare(tables: &[TypeTable], points: &[Point]) -> Vec<TypeGrowth> {
    let names: HashSet<&String> = tables.iter().flat_map(|table| table.rows.keys()).collect();
    let mut types: Vec<TypeGrowth> = names
        .into_iter()
        .map(|name| type_growth(name, tables, points))
        .collect();
    types.sort_by(|a, b| {
        b.bytes_per_job
            .total_cmp(&a.bytes_per_job)
            .then_with(|| a.type_name.cmp(&b.type_name))
    });
    types
}

fn type_growth(name: &str, tables: &[TypeTable], points: &[Point]) -> TypeGrowth {
    let rows: Vec<(u64, u64)> = tables
        .iter()
        .map(|table| table.rows.get(name).copied().unwrap_or_default())
        .collect();
    let jobs = |from: usize, to: usize| points[to].jobs.saturating_sub(points[from].jobs).max(1) as f64;
    let steps: Vec<Step> = (1..rows.len())
        .map(|at| Step {
            count: rows[at].0 as f64 - rows[at - 1].0 as f64,
            jobs: jobs(at - 1, at),
        })
        .collect();
    let last = rows.len().saturating_sub(1);
    let all_jobs = if rows.is_empty() { 1.0 } else { jobs(0, last) };
    let (first, end) = (
        rows.first().copied().unwrap_or_default(),
        rows.last().copied().unwrap_or_default(),
    );
    TypeGrowth {
        type_name: name.to_owned(),
        counts: rows.iter().map(|row| row.0).collect(),
        self_bytes: rows.iter().map(|row| row.1).collect(),
        count_per_job: (end.0 as f64 - first.0 as f64) / all_jobs,
        bytes_per_job: (end.1 as f64 - first.1 as f64) / all_jobs,
        trend: judge(&steps),
    }
}
