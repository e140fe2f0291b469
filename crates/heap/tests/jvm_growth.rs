//! Growth of a JVM's heap, whose objects move between dumps.

#![allow(clippy::unwrap_used)]

use plimsoll_heap::{
    Census, Dominators, EdgeKind, Format, Graph, GraphBuilder, Growth, GrowthStudy, NoSources, NodeIndex,
    NodeKind, Point, Trend, Types, compare,
};

/// A heap under construction; each dump puts objects elsewhere.
struct Heap {
    builder: GraphBuilder,
    next_id: u64,
}

impl Heap {
    fn new(seed: u64) -> (Self, NodeIndex) {
        let mut heap = Self {
            builder: GraphBuilder::of_format(Format::Hprof),
            next_id: 0x1000 * seed,
        };
        let root = heap.builder.node(NodeKind::Synthetic, "(GC roots)", 0, 0);
        let class = heap.node(NodeKind::ObjectShape, "Worker", 100);
        heap.builder.edge(root, EdgeKind::Internal, "system class", class);
        (heap, class)
    }

    fn node(&mut self, kind: NodeKind, name: &str, bytes: u32) -> NodeIndex {
        self.next_id += 8;
        self.builder.node(kind, name, self.next_id, bytes)
    }

    fn field(&mut self, from: NodeIndex, name: &str, type_name: &str, bytes: u32) -> NodeIndex {
        let to = self.node(NodeKind::Object, type_name, bytes);
        self.builder.edge(from, EdgeKind::Property, name, to);
        to
    }

    /// An `ArrayList` in a field, with jobs.
    fn list(&mut self, from: NodeIndex, name: &str, type_name: &str, jobs: u32) {
        let list = self.field(from, name, "java.util.ArrayList", 24);
        let array = self.field(list, "elementData", "java.lang.Object[]", 16 + 4 * jobs);
        for at in 0..jobs {
            let job = self.node(NodeKind::Object, type_name, 40);
            self.builder.element(array, at, job);
            self.field(job, "id", "java.lang.String", 24);
        }
    }
}

/// A worker after some jobs: a list that leaks below an object of the program's, one that is full, a
/// chain, and a value of a thread's.
fn worker(jobs: u32) -> Graph {
    let (mut heap, class) = Heap::new(u64::from(jobs));
    let registry = heap.field(class, "registry", "Registry", 24);
    heap.list(registry, "failed", "Job", jobs);
    heap.list(class, "recent", "Recent", jobs.min(100));
    let mut link = heap.field(class, "chain", "Link", 24);
    for _ in 0..jobs / 2 {
        link = heap.field(link, "next", "Link", 24);
    }
    let thread = heap.field(NodeIndex(0), "thread", "java.lang.Thread", 100);
    let entry = heap.field(
        thread,
        "threadLocals",
        "java.lang.ThreadLocal$ThreadLocalMap$Entry",
        32,
    );
    let key = heap.field(class, "local", "java.lang.ThreadLocal", 16);
    heap.builder.edge(entry, EdgeKind::Weak, "referent", key);
    heap.list(entry, "value", "byte[]", jobs / 4);
    heap.builder.build()
}

fn growth(jobs: &[u32]) -> Growth {
    let mut study = GrowthStudy::new(None);
    for jobs in jobs {
        let point = Point {
            label: jobs.to_string(),
            jobs: u64::from(*jobs),
            ..Point::default()
        };
        study.add(point, worker(*jobs));
    }
    study.finish(&NoSources)
}

#[test]
fn holders_are_the_fields_that_grow_with_jobs() {
    let growth = growth(&[200, 400, 800]);
    let found: Vec<(&str, &str, Trend, f64)> = growth
        .holders
        .iter()
        .map(|holder| {
            (
                holder.name.as_str(),
                holder.type_name.as_str(),
                holder.trend,
                holder.bytes_per_job,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("Worker.registry.failed", "Job", Trend::Proportional, 68.0),
            ("Worker.local", "byte[]", Trend::Proportional, 17.0),
            ("Worker.chain", "Link", Trend::Proportional, 12.0),
        ]
    );
    let first = &growth.holders[0];
    assert_eq!(first.holder_type, "java.util.ArrayList");
    assert_eq!(first.counts, [Some(200), Some(400), Some(800)]);
    assert!(
        first.retainer_path[0].ends_with("class Worker"),
        "{:?}",
        first.retainer_path
    );
    assert!(growth.holders[1].remedies[0].contains("remove()"));
}

#[test]
fn what_does_not_grow_has_no_holder() {
    let mut study = GrowthStudy::new(None);
    for at in 1..=3 {
        study.add(
            Point {
                jobs: at * 100,
                ..Point::default()
            },
            worker(300),
        );
    }
    assert_eq!(study.finish(&NoSources).holders, []);
}

#[test]
fn dumps_are_compared_by_totals() {
    let census = |jobs: u32| {
        let graph = worker(jobs);
        Census::of(&graph, &Types::of(&graph), &Dominators::of(&graph))
    };
    let changes = compare(&census(200), &census(300));
    let job = changes.iter().find(|change| change.type_name == "Job").unwrap();
    assert_eq!(
        (job.new, job.deleted, job.new_bytes, job.freed_bytes),
        (100, 0, 4000, 0)
    );
    assert!(compare(&census(200), &census(200)).is_empty());
}
