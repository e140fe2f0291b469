//! Growth on small graphs made by hand: one test a property of the comparison.

use plimsoll_heap::{
    EdgeKind, Graph, GraphBuilder, Growth, GrowthStudy, Holder, Location, NoSources, NodeIndex, NodeKind,
    Point, Trend,
};

/// Jobs at the three points.
const JOBS: [u64; 3] = [100, 550, 1000];

/// Builds dumps of one program: a module's context with what the test hangs into it.
struct Heap {
    builder: GraphBuilder,
    context: NodeIndex,
}

impl Heap {
    fn new() -> Self {
        let mut builder = GraphBuilder::default();
        let root = builder.node(NodeKind::Synthetic, "", 1, 0);
        let closure = builder.node(NodeKind::Closure, "handle", 3, 56);
        let context = builder.node(NodeKind::Object, "system / Context", 5, 48);
        let shared = builder.node(NodeKind::Code, "(shared function info)", 7, 56);
        let script = builder.node(NodeKind::Code, "/app/worker.js", 9, 100);
        builder.edge(root, EdgeKind::Property, "handle", closure);
        builder.edge(closure, EdgeKind::Internal, "context", context);
        builder.edge(closure, EdgeKind::Internal, "shared", shared);
        builder.edge(shared, EdgeKind::Internal, "script", script);
        builder.location(
            closure,
            Location {
                script_id: 8,
                line: 4,
                column: 10,
            },
        );
        Heap { builder, context }
    }

    fn object(&mut self, name: &str, id: u64, bytes: u32) -> NodeIndex {
        self.builder.node(NodeKind::Object, name, id, bytes)
    }

    /// A variable of the module that holds an object.
    fn variable(&mut self, name: &str, to: NodeIndex) {
        self.builder.edge(self.context, EdgeKind::Context, name, to);
    }
}

/// Ids of things that come with jobs, odd and ascending as V8's are.
fn job_id(job: u64) -> u64 {
    match job.checked_sub(BESIDE) {
        Some(job) => 1005 + 10 * job,
        None => 1001 + 10 * job,
    }
}

/// The number of something else that comes with a job; its id is of the same time.
fn beside(job: u64) -> u64 {
    job + BESIDE
}

const BESIDE: u64 = 1 << 40;

/// An array whose members are the jobs of a range, each of 100 bytes.
fn array(heap: &mut Heap, name: &str, id: u64, jobs: impl Iterator<Item = u64>) {
    let array = heap.object("Array", id, 32);
    heap.variable(name, array);
    for (index, job) in jobs.enumerate() {
        let member = heap.object("Object", job_id(job), 100);
        heap.builder.element(array, index as u32, member);
    }
}

fn study(dump: impl Fn(u64, &mut Heap)) -> Growth {
    let mut study = GrowthStudy::new(None);
    for jobs in JOBS {
        let mut heap = Heap::new();
        dump(jobs, &mut heap);
        study.make_room();
        let graph: Graph = heap.builder.build();
        study.add(
            Point {
                label: format!("{jobs}"),
                jobs,
                ..Point::default()
            },
            graph,
        );
    }
    study.finish(&NoSources)
}

fn first(growth: &Growth) -> &Holder {
    growth.holders.first().expect("a holder")
}

#[test]
fn an_array_that_takes_in_every_job_is_the_holder() {
    let growth = study(|jobs, heap| array(heap, "parked", 51, 0..jobs));
    let holder = first(&growth);
    assert_eq!(
        (holder.name.as_str(), holder.id, holder.trend),
        ("parked", 51, Trend::Proportional)
    );
    assert_eq!(holder.counts, [Some(100), Some(550), Some(1000)]);
    assert_eq!((holder.count_per_job, holder.bytes_per_job), (1.0, 100.0));
    assert_eq!(holder.retainer_path[..3], ["(GC roots)", "…", "parked :: Array"]);
    assert_eq!(
        growth.holders.len(),
        1,
        "its ancestors and its members are no holders"
    );
}

#[test]
fn a_ring_is_no_holder() {
    let growth = study(|jobs, heap| array(heap, "recent", 51, jobs - 50..jobs));
    assert_eq!(growth.holders, []);
}

#[test]
fn a_collection_that_fills_is_told_from_one_that_leaks() {
    let growth = study(|jobs, heap| {
        array(heap, "cache", 51, 0..jobs.min(500));
        array(
            heap,
            "parked",
            53,
            (0..jobs).filter(|job| job % 2 == 0).map(beside),
        );
    });
    let told: Vec<(&str, Trend)> = growth
        .holders
        .iter()
        .map(|holder| (holder.name.as_str(), holder.trend))
        .collect();
    assert_eq!(
        told,
        [("parked", Trend::Proportional), ("cache", Trend::FillsAndStops)]
    );
}

/// A list of `jobs` links, the first of which hangs in a variable's object.
fn list(heap: &mut Heap, newest_first: bool, jobs: u64) {
    let list = heap.object("List", 51, 24);
    heap.variable("list", list);
    let order: Vec<u64> = if newest_first {
        (0..jobs).rev().collect()
    } else {
        (0..jobs).collect()
    };
    let mut holder = (list, "head");
    for job in order {
        let link = heap.object("Link", job_id(job), 40);
        heap.builder.edge(holder.0, EdgeKind::Property, holder.1, link);
        holder = (link, "next");
    }
}

#[test]
fn a_list_is_known_by_its_head_at_whichever_end_it_grows() {
    for newest_first in [true, false] {
        let growth = study(|jobs, heap| list(heap, newest_first, jobs));
        let holder = first(&growth);
        assert_eq!(
            (holder.id, holder.trend),
            (51, Trend::Proportional),
            "newest first: {newest_first}"
        );
        assert_eq!(holder.name, "list.head");
        assert!(
            (holder.bytes_per_job - 40.0).abs() < 0.5,
            "{}",
            holder.bytes_per_job
        );
        assert!(
            (holder.count_per_job - 1.0).abs() < 0.01,
            "{}",
            holder.count_per_job
        );
    }
}

#[test]
fn a_very_long_list_costs_no_stack() {
    let growth = study(|jobs, heap| list(heap, false, jobs * 200));
    assert_eq!(first(&growth).id, 51);
}

#[test]
fn members_that_two_collections_hold_go_to_one_of_them() {
    let growth = study(|jobs, heap| {
        let (by_id, by_name) = (heap.object("Array", 51, 32), heap.object("Array", 53, 32));
        let store = heap.object("Store", 55, 24);
        heap.variable("store", store);
        heap.builder.edge(store, EdgeKind::Property, "byId", by_id);
        heap.builder.edge(store, EdgeKind::Property, "byName", by_name);
        for job in 0..jobs {
            let member = heap.object("Object", job_id(job), 100);
            heap.builder.element(by_id, job as u32, member);
            heap.builder.element(by_name, job as u32, member);
        }
    });
    assert!(
        ["store.byId", "store.byName"].contains(&first(&growth).name.as_str()),
        "{}",
        first(&growth).name
    );
    assert_eq!(first(&growth).bytes_per_job, 100.0);
    assert_eq!(growth.holders.len(), 1);
}

#[test]
fn many_that_grow_a_little_count_as_one() {
    let growth = study(|jobs, heap| {
        let all = heap.object("Array", 51, 32);
        heap.variable("shards", all);
        for shard in 0..20 {
            let queue = heap.object("Array", 101 + 2 * shard, 32);
            heap.builder.element(all, shard as u32, queue);
            for job in (0..jobs).filter(|job| job % 20 == shard) {
                let member = heap.object("Object", job_id(job), 100);
                heap.builder.element(queue, (job / 20) as u32, member);
            }
        }
    });
    let holder = first(&growth);
    assert_eq!(
        (holder.name.as_str(), holder.holders, holder.trend),
        ("shards[…]", 20, Trend::Proportional)
    );
    assert!(
        (holder.bytes_per_job - 100.0).abs() < 1.0,
        "{}",
        holder.bytes_per_job
    );
}

#[test]
fn code_and_shapes_never_count() {
    let growth = study(|jobs, heap| {
        let cell = heap.object("Object", 51, 32);
        heap.variable("cell", cell);
        for job in 0..jobs {
            for (kind, name, at) in [
                (NodeKind::Code, "f", 0),
                (NodeKind::ObjectShape, "system / Map", 1),
                (NodeKind::Hidden, "system / FeedbackCell", 2),
            ] {
                let node = heap.builder.node(kind, name, job_id(job) + 2 * at, 500);
                heap.builder
                    .edge(cell, EdgeKind::Internal, &format!("{job}{at}"), node);
            }
        }
    });
    assert_eq!(growth.holders, []);
    assert_eq!(growth.total_bytes_per_job, [0.0, 0.0]);
}

#[test]
fn the_agents_own_objects_never_count() {
    let mut study = GrowthStudy::new(Some("/app/worker.js".to_owned()));
    for jobs in JOBS {
        let mut heap = Heap::new();
        array(&mut heap, "samples", 51, 0..jobs);
        study.add(
            Point {
                jobs,
                ..Point::default()
            },
            heap.builder.build(),
        );
    }
    assert_eq!(study.finish(&NoSources).holders, []);
}

#[test]
fn fewer_than_two_dumps_tell_nothing() {
    assert_eq!(GrowthStudy::new(None).finish(&NoSources), Growth::default());
    let mut study = GrowthStudy::new(None);
    study.add(
        Point {
            jobs: 100,
            ..Point::default()
        },
        Heap::new().builder.build(),
    );
    assert_eq!(study.finish(&NoSources).holders, []);
}

#[test]
fn types_that_grow_with_jobs_are_listed_first() {
    let growth = study(|jobs, heap| array(heap, "parked", 51, 0..jobs));
    let top = &growth.types[0];
    assert_eq!(
        (top.type_name.as_str(), top.counts.clone()),
        ("Object", vec![100, 550, 1000])
    );
    assert!(top.is_proportional());
    assert_eq!((top.count_per_job, top.bytes_per_job), (1.0, 100.0));
}

#[test]
fn an_id_with_another_type_is_another_object() {
    let growth = study(|jobs, heap| {
        // Addresses are reused: what had this id before was something else and smaller.
        let name = if jobs == 1000 { "Report" } else { "Stub" };
        let object = heap.object(name, 51, 40);
        heap.variable("current", object);
        array(heap, "parked", 53, 0..jobs);
    });
    assert_eq!(first(&growth).name, "parked");
}
