//! New objects below one anchor, shared out among the places that hold them.

use std::collections::{BTreeMap, HashMap};

use crate::growth_anatomy::{RETAINERS_READ, holds};
use crate::growth_chain::climb;
use crate::growth_interval::{Finding, Later, Place, shape};
use crate::growth_net::{
    gains, is_machinery, net_of_flock, net_of_last_link, net_of_members, net_of_rebuilt, net_of_slot, samples,
};
use crate::growth_reduce::is_synthetic;
use crate::holder_pile::type_of;
use crate::{Edge, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// A place in an old object.
type Spot = (u32, Place);

/// Shares the new objects `tops` below `anchor` out among the places that hold them.
/// `own_bytes` is what the anchor gained, net: more cannot hang from places whose past is unknown.
pub(crate) fn group_children(later: &Later<'_>, anchor: u32, tops: &[u32], own_bytes: f64) -> Vec<Finding> {
    let mut sharing = Sharing::new(later, anchor, tops);
    sharing.own_bytes = own_bytes;
    sharing.give_to_collections();
    sharing.spread();
    sharing.give_rest_by_component();
    sharing.findings()
}

struct Sharing<'l, 'a> {
    later: &'l Later<'a>,
    anchor: u32,
    own_bytes: f64,
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
            own_bytes: 0.0,
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
                    let gained = *dictionaries
                        .entry(owner)
                        .or_insert_with(|| gains(self.later, owner));
                    let place = place_of(
                        anatomy.graph.kind(from) == NodeKind::Array && owner != from.0,
                        &edge,
                        gained,
                    );
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
            let best = cover
                .into_iter()
                .max_by_key(|(owner, count)| (*count, std::cmp::Reverse(*owner)));
            let Some((owner, _)) = best.filter(|(_, count)| *count >= 2) else {
                return;
            };
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
        let mut queue: Vec<usize> = (0..self.tops.len())
            .filter(|at| self.given[*at].is_some())
            .collect();
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
            let flock = self.flock(&part);
            for at in part {
                let fallback = || (self.anchor, flock.clone());
                self.given[at] = Some(spot.clone().unwrap_or_else(fallback));
            }
        }
    }

    fn best_spot(&self, part: &[usize]) -> Option<Spot> {
        if is_synthetic(self.later.anatomy, self.anchor) {
            return None;
        }
        let mut cover: BTreeMap<(bool, u32), (usize, Place)> = BTreeMap::new();
        for at in part {
            for (owner, place) in &self.spots[*at] {
                let entry = cover
                    .entry((*owner != self.anchor, *owner))
                    .or_insert((0, place.clone()));
                entry.0 += 1;
            }
        }
        cover
            .into_iter()
            .next()
            .map(|((_, owner), (_, place))| (owner, place))
    }

    /// Below a root of the runtime: everything around open handles together, other things by type.
    fn flock(&self, part: &[usize]) -> Place {
        let anatomy = self.later.anatomy;
        if !is_synthetic(anatomy, self.anchor) {
            return Place::Slot(String::new());
        }
        let tops = || part.iter().map(|at| NodeIndex(self.tops[*at]));
        if tops().any(|top| is_wrapped(&anatomy.graph, top)) {
            return Place::Flock(HANDLES.to_owned());
        }
        Place::Flock(
            tops()
                .next()
                .map(|top| type_of(&anatomy.graph, top))
                .unwrap_or_default(),
        )
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
        let finding = |((owner, place), tops): (Spot, Vec<u32>)| self.finding(owner, place, &tops);
        groups.into_iter().filter_map(finding).collect()
    }

    fn finding(&self, owner: u32, place: Place, tops: &[u32]) -> Option<Finding> {
        let later = self.later;
        let fresh: u64 = tops.iter().map(|top| later.fresh_bytes[*top as usize]).sum();
        let net = match &place {
            Place::Members => net_of_members(later, owner, fresh)
                .or_else(|| net_of_last_link(later, self.own_bytes, tops, fresh))
                .or_else(|| net_of_rebuilt(later, self.own_bytes, tops, fresh))?,
            Place::Slot(name) => net_of_slot(later, self.own_bytes, (owner, name), tops, fresh),
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
        (net.bytes > 0.0).then(|| Finding {
            owner: holder,
            owner_id: anatomy.graph.id(NodeIndex(holder)),
            place,
            bytes: net.bytes,
            count: net.gained,
            arrived: net.arrived,
            left: net.arrived - net.gained,
            shape: shape(anatomy, holder),
            samples: samples(later, tops),
        })
    }
}

/// Name of the flock of open handles with all that hangs from them.
const HANDLES: &str = "open handles";

/// An object with a native counterpart, or that counterpart.
fn is_wrapped(graph: &Graph, node: NodeIndex) -> bool {
    match graph.kind(node) {
        NodeKind::Native | NodeKind::Synthetic => graph.name(node).starts_with("Node / "),
        _ => graph
            .edges(node)
            .any(|edge| edge.name == EdgeName::Name("javascript_to_native")),
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

fn place_of(in_store: bool, edge: &Edge<'_>, gained: bool) -> Place {
    match (edge.kind, edge.name) {
        (EdgeKind::Element, _) | (EdgeKind::Internal, EdgeName::Name(crate::cpython::members::KEY)) => {
            Place::Members
        }
        (EdgeKind::Internal | EdgeKind::Hidden, _) if in_store => Place::Members,
        (EdgeKind::Property, _) if gained => Place::Members,
        (_, EdgeName::Name(name)) => Place::Slot(name.to_owned()),
        (_, EdgeName::Index(index)) => Place::Slot(index.to_string()),
    }
}

fn slot_between(later: &Later<'_>, head: &crate::growth_chain::Head, fallback: Place) -> Place {
    let above = later.anatomy.above(head.first);
    match later
        .anatomy
        .edge_between(above, head.first)
        .map(|edge| edge.name)
    {
        Some(EdgeName::Name(name)) => Place::Slot(name.to_owned()),
        Some(EdgeName::Index(index)) => Place::Slot(index.to_string()),
        None => fallback,
    }
}
