//! Chains: lists whose nodes hold the next one, so that the point of growth moves with every job.
//!
//! A list that grows at its tail hangs its new nodes from the last old one. Climbing back to where
//! the chain begins gives a holder that stays the same in every dump.

use crate::growth_anatomy::Anatomy;
use crate::{EdgeKind, EdgeName, NodeIndex, NodeKind};

/// Longest repeated unit that is looked for: promise → reaction → closure → context → … .
const PERIOD: usize = 8;
/// Repetitions that make a chain.
const REPEATS: usize = 3;

/// One link: what is held, and by which kind of place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Link<'g> {
    kind: NodeKind,
    name: &'g str,
    place: Option<(EdgeKind, EdgeName<'g>)>,
}

/// Where a chain begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    /// The object that holds the first link.
    pub(crate) owner: u32,
    /// The first link.
    pub(crate) first: u32,
    /// Links between the start and where the climb began.
    pub(crate) links: usize,
}

/// Climbs from `below` (which hangs from a chain) to the head; `None` if it hangs from no chain.
pub(crate) fn climb(anatomy: &Anatomy, below: u32) -> Option<Head> {
    let mut nodes = vec![below];
    nodes.extend(anatomy.chain(below).take(PERIOD * REPEATS));
    let links: Vec<Link<'_>> = nodes.iter().map(|node| link(anatomy, *node)).collect();
    let period = (1..=PERIOD).find(|period| repeats(&links, *period))?;
    let mut window: Vec<(u32, Link<'_>)> = nodes.into_iter().zip(links).take(period).collect();
    let mut at = below;
    let mut count = 0;
    let mut last = below;
    // `window` holds the latest `period` links as a ring; each node higher up must repeat its own.
    for node in anatomy.chain(below).skip(period - 1) {
        let here = link(anatomy, node);
        let slot = count % period;
        if window[slot].1 != here {
            break;
        }
        window[slot] = (node, here);
        count += 1;
        last = node;
        at = anatomy.above(node);
    }
    // The first link is like the others, only something else holds it.
    let (top, expected) = (link(anatomy, at), window[count % period].1);
    if at != 0 && (top.kind, top.name) == (expected.kind, expected.name) {
        last = at;
        at = anatomy.above(at);
    }
    (count >= period * (REPEATS - 1)).then_some(Head {
        owner: anatomy.owner(at),
        first: last,
        links: count / period,
    })
}

fn repeats(links: &[Link<'_>], period: usize) -> bool {
    let needed = period * REPEATS;
    links.len() >= needed
        && links[..needed].iter().all(|link| link.place.is_some())
        && (0..needed - period).all(|at| links[at] == links[at + period])
}

fn link(anatomy: &Anatomy, node: u32) -> Link<'_> {
    let index = NodeIndex(node);
    let place = anatomy
        .edge_between(anatomy.above(node), node)
        .map(|edge| (edge.kind, edge.name));
    Link {
        kind: anatomy.graph.kind(index),
        name: anatomy.graph.name(index),
        place,
    }
}
