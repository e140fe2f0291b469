//! New objects below one anchor, shared out among the places that hold them.

use std::collections::{BTreeMap, HashMap};

use crate::growth_anatomy::{RETAINERS_READ, holds};
use crate::growth_chain::climb;
use crate::growth_interval::{Finding, Later, Place, shape};
use crate::growth_members::{member_count, members_where};
use crate::growth_reduce::{flock_key, is_synthetic};
use crate::growth_weight::is_backing;
use crate::{Edge, EdgeKind, EdgeName, NodeIndex, NodeKind};

/// Properties that an object must have gained to count as a dictionary rather than a record.
const DICTIONARY_GAIN: i64 = 3;
/// New objects kept as examples of a finding.
const SAMPLES: usize = 48;

/// A place in an old object.
type Spot = (u32, Place);

/// Shares the new objects `tops` below `anchor` out among the places that hold them.
pub(crate) fn group_children(later: &Later<'_>, anchor: u32, tops: &[u32]) -> Vec<Finding> {
    let mut sharing = Sharing::new(later, anchor, tops);
    sharing.give_to_collections();
    sharing.spread();
    sharing.give_rest_by_component();
    sharing.findings()
}

struct Sharing<'l, 'a> {
    later: &'l Later<'a>,
    anchor: u32,
    tops: &'l [u32],
    /// Per top: places of old objects that hold it.
    spots: Vec<Vec<Spot>>,
    /// From a top to another that holds it.
    siblings: Vec<(usize, usize)>,
    given: Vec<Option<Spot>>,
}

impl<'l, 'a> Sharing<'l, 'a> {
    fn new(later: &'l Later<'a>, anchor: u32, tops: &'l [u32]) -> Self {
        let numbers: HashMap<u32, usize> = tops.iter().enumerate().map(|(at, top)| (*top, at)).collect();
        let mut sharing = Sharing {
            later,
            anchor,
            tops,
            spots: vec![Vec::new(); tops.len()],
            siblings: Vec::new(),
            given: vec![None; tops.len()],
        };
        let mut dictionaries = HashMap::new();
        for (at, top) in tops.iter().enumerate() {
            sharing.read_retainers(at, *top, &numbers, &mut dictionaries);
        }
        sharing
    }

    fn read_retainers(
        &mut self,
        at: usize,
        top: u32,
        numbers: &HashMap<u32, usize>,
        dictionaries: &mut HashMap<u32, bool>,
    ) {
        let anatomy = self.later.anatomy;
        let retainers = anatomy.graph.retainers(NodeIndex(top)).take(RETAINERS_READ);
        for (from, edge) in retainers.filter(|(_, edge)| holds(edge.kind)) {
            let owner = anatomy.owner(from.0);
            if self.later.old[owner as usize] {
                if !is_machinery(self.later, owner) {
                    let gained = *dictionaries.entry(owner).or_insert_with(|| gains(self.later, owner));
                    let place = place_of(anatomy.graph.kind(from) == NodeKind::Array && owner != from.0, &edge, gained);
                    if !self.spots[at].contains(&(owner, place.clone())) {
                        self.spots[at].push((owner, place));
                    }
                }
            } else if let Some(sibling) = self.later.top_of(from.0).and_then(|top| numbers.get(&top))
                && *sibling != at
            {
                self.siblings.push((at, *sibling));
            }
        }
    }

    /// Collections first, the one that holds most of what is left before the others.
    fn give_to_collections(&mut self) {
        loop {
            let mut cover: BTreeMap<u32, usize> = BTreeMap::new();
            for (at, spots) in self.spots.iter().enumerate() {
                if self.given[at].is_none() {
                    for (owner, _) in spots.iter().filter(|(_, place)| *place == Place::Members) {
                        *cover.entry(*owner).or_default() += 1;
                    }
                }
            }
            let best = cover.into_iter().max_by_key(|(owner, count)| (*count, std::cmp::Reverse(*owner)));
            let Some((owner, _)) = best.filter(|(_, count)| *count >= 2) else { return };
            let spot = (owner, Place::Members);
            for at in 0..self.tops.len() {
                if self.given[at].is_none() && self.spots[at].contains(&spot) {
                    self.given[at] = Some(spot.clone());
                }
            }
        }
    }

    /// What only other new objects hold goes where those went.
    fn spread(&mut self) {
        let mut held_by: HashMap<usize, Vec<usize>> = HashMap::new();
        for (held, holder) in &self.siblings {
            held_by.entry(*holder).or_default().push(*held);
        }
        let mut queue: Vec<usize> = (0..self.tops.len()).filter(|at| self.given[*at].is_some()).collect();
        while let Some(at) = queue.pop() {
            for held in held_by.remove(&at).unwrap_or_default() {
                if self.given[held].is_none() {
                    self.given[held] = self.given[at].clone();
                    queue.push(held);
                }
            }
        }
    }

    /// Objects that hold each other (a doubly linked list) go to one place together.
    fn give_rest_by_component(&mut self) {
        let mut component: Vec<usize> = (0..self.tops.len()).collect();
        for (a, b) in &self.siblings {
            if self.given[*a].is_none() && self.given[*b].is_none() {
                let (a, b) = (find(&mut component, *a), find(&mut component, *b));
                component[a] = b;
            }
        }
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in (0..self.tops.len()).filter(|at| self.given[*at].is_none()) {
            parts.entry(find(&mut component, at)).or_default().push(at);
        }
        for part in parts.into_values() {
            let spot = self.best_spot(&part);
            for at in part {
                let fallback = || (self.anchor, self.flock(self.tops[at]));
                self.given[at] = Some(spot.clone().unwrap_or_else(fallback));
            }
        }
    }

    fn best_spot(&self, part: &[usize]) -> Option<Spot> {
        let mut cover: BTreeMap<(bool, u32), (usize, Place)> = BTreeMap::new();
        for at in part {
            for (owner, place) in &self.spots[*at] {
                let entry = cover.entry((*owner != self.anchor, *owner)).or_insert((0, place.clone()));
                entry.0 += 1;
            }
        }
        cover.into_iter().next().map(|((_, owner), (_, place))| (owner, place))
    }

    fn flock(&self, top: u32) -> Place {
        if is_synthetic(self.later.anatomy, self.anchor) {
            Place::Flock(self.later.anatomy.graph.name(NodeIndex(top)).to_owned())
        } else {
            Place::Slot(String::new())
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut groups: Vec<(Spot, Vec<u32>)> = Vec::new();
        let mut numbers: HashMap<Spot, usize> = HashMap::new();
        for (at, given) in self.given.iter().enumerate() {
            let Some(spot) = given else { continue };
            let number = *numbers.entry(spot.clone()).or_insert_with(|| {
                groups.push((spot.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[number].1.push(self.tops[at]);
        }
        groups.into_iter().filter_map(|((owner, place), tops)| finding(self.later, owner, place, &tops)).collect()
    }
}

fn find(component: &mut [usize], at: usize) -> usize {
    let mut root = at;
    while component[root] != root {
        component[root] = component[component[root]];
        root = component[root];
    }
    root
}

/// Lists that the runtime keeps of everything there is: they hold, but they are nobody's holder.
fn is_machinery(later: &Later<'_>, node: u32) -> bool {
    let kind = later.anatomy.graph.kind(NodeIndex(node));
    matches!(kind, NodeKind::Synthetic | NodeKind::Native | NodeKind::Code | NodeKind::ObjectShape)
}

fn gains(later: &Later<'_>, owner: u32) -> bool {
    net_members(later, owner) >= DICTIONARY_GAIN
}

fn net_members(later: &Later<'_>, owner: u32) -> i64 {
    let now = i64::from(member_count(&later.anatomy.graph, NodeIndex(owner)));
    let before = later.earlier.former(later.anatomy, owner).map_or(0, |former| i64::from(former.members));
    now - before
}

fn place_of(in_store: bool, edge: &Edge<'_>, gained: bool) -> Place {
    match (edge.kind, edge.name) {
        (EdgeKind::Element, _) => Place::Members,
        (EdgeKind::Internal | EdgeKind::Hidden, _) if in_store => Place::Members,
        (EdgeKind::Property, _) if gained => Place::Members,
        (_, EdgeName::Name(name)) => Place::Slot(name.to_owned()),
        (_, EdgeName::Index(index)) => Place::Slot(index.to_string()),
    }
}

fn finding(later: &Later<'_>, owner: u32, place: Place, tops: &[u32]) -> Option<Finding> {
    let fresh: u64 = tops.iter().map(|top| later.fresh_bytes[*top as usize]).sum();
    let mut moved = (0.0, 0.0);
    let (bytes, count) = match &place {
        Place::Members => {
            let net = net_of_members(later, owner, fresh)?;
            moved = (net.arrived, net.arrived - net.gained);
            (net.bytes, net.gained)
        }
        Place::Slot(name) => net_of_slot(later, owner, name, tops, fresh),
        Place::Flock(_) => net_of_flock(later, owner, tops, fresh)?,
    };
    let anatomy = later.anatomy;
    let head = match &place {
        Place::Slot(_) => climb(anatomy, tops[0]),
        _ => None,
    };
    let (holder, place) = match head {
        Some(head) if later.old[head.first as usize] => (head.owner, slot_between(later, &head, place)),
        _ => (owner, place),
    };
    let samples = samples(later, tops);
    let owner_id = anatomy.graph.id(NodeIndex(holder));
    let shape = shape(anatomy, holder);
    (bytes > 0.0).then_some(Finding {
        owner: holder,
        owner_id,
        place,
        bytes,
        count,
        arrived: moved.0,
        left: moved.1,
        shape,
        samples,
    })
}

fn slot_between(later: &Later<'_>, head: &crate::growth_chain::Head, fallback: Place) -> Place {
    let above = later.anatomy.above(head.first);
    match later.anatomy.edge_between(above, head.first).map(|edge| edge.name) {
        Some(EdgeName::Name(name)) => Place::Slot(name.to_owned()),
        Some(EdgeName::Index(index)) => Place::Slot(index.to_string()),
        None => fallback,
    }
}

/// The balance of a collection.
struct Net {
    bytes: f64,
    gained: f64,
    arrived: f64,
}

/// A collection that takes in as many as it lets go has not grown: its new members replace old ones.
fn net_of_members(later: &Later<'_>, owner: u32, fresh: u64) -> Option<Net> {
    let gained = net_members(later, owner);
    let graph = &later.anatomy.graph;
    let arrived = members_where(graph, NodeIndex(owner), |node| !later.old[node.0 as usize]);
    if gained <= 0 || arrived == 0 {
        return None;
    }
    let (gained, arrived) = (gained as f64, f64::from(arrived));
    Some(Net { bytes: fresh as f64 * (gained / arrived).min(1.0), gained, arrived: arrived.max(gained) })
}

/// What hangs in a slot now, less what hung there before.
fn net_of_slot(later: &Later<'_>, owner: u32, name: &str, tops: &[u32], fresh: u64) -> (f64, f64) {
    let anatomy = later.anatomy;
    let before = later.earlier.slot_bytes(anatomy.graph.id(NodeIndex(owner)), name).unwrap_or(0);
    let now: u64 = tops.iter().map(|top| anatomy.retained[*top as usize]).sum();
    let bytes = now.saturating_sub(before).min(fresh) as f64;
    let links = if tops.len() > 1 { tops.len() } else { heavy_path(later, tops[0]).len() };
    let share = if fresh > 0 { bytes / fresh as f64 } else { 0.0 };
    (bytes, links as f64 * share)
}

/// What a synthetic root holds of one type now, less what it held before.
fn net_of_flock(later: &Later<'_>, owner: u32, tops: &[u32], fresh: u64) -> Option<(f64, f64)> {
    let key = flock_key(later.anatomy, owner, tops[0]);
    let (now, before) = (later.flock_now(key), later.earlier.flock(key));
    let count = now.count.checked_sub(before.count).filter(|count| *count > 0)?;
    let bytes = now.bytes.saturating_sub(before.bytes).min(fresh) as f64;
    Some((bytes, count as f64))
}

/// New objects of one type down the heaviest way: the links of a chain.
fn heavy_path(later: &Later<'_>, top: u32) -> Vec<u32> {
    let graph = &later.anatomy.graph;
    let name = (graph.kind(NodeIndex(top)), graph.name(NodeIndex(top)));
    std::iter::successors(Some(top), |at| {
        Some(later.heavy[*at as usize]).filter(|next| *next != crate::growth_anatomy::NONE)
    })
    .filter(|at| (graph.kind(NodeIndex(*at)), graph.name(NodeIndex(*at))) == name)
    .collect()
}

/// Evenly spread examples; keys are left out where there are values.
fn samples(later: &Later<'_>, tops: &[u32]) -> Vec<u32> {
    let graph = &later.anatomy.graph;
    let mut links = if tops.len() > 1 { tops.to_vec() } else { heavy_path(later, tops[0]) };
    links.retain(|node| !is_backing(graph, NodeIndex(*node)));
    let is_text = |node: &u32| matches!(graph.kind(NodeIndex(*node)), NodeKind::String | NodeKind::Number);
    if links.iter().any(|node| !is_text(node)) {
        links.retain(|node| !is_text(node));
    }
    let step = links.len().div_ceil(SAMPLES).max(1);
    links.into_iter().step_by(step).collect()
}
