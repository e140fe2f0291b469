//! What a place gained, net of what it lost, and examples of it.

use std::collections::{BTreeMap, HashMap};

use crate::growth_anatomy::NONE;
use crate::growth_interval::Later;
use crate::growth_members::{member_count, members_where};
use crate::growth_reduce::flock_key;
use crate::growth_weight::{is_backing, is_learnt};
use crate::{NodeIndex, NodeKind};

/// Properties that an object must have gained to count as a dictionary rather than a record.
const DICTIONARY_GAIN: i64 = 3;
/// Links below which it is no chain.
const CHAIN_LINKS: usize = 8;
/// New objects kept as examples of a finding.
const SAMPLES: usize = 48;

/// Lists that the runtime keeps of everything there is: they hold, but they are nobody's holder.
pub(crate) fn is_machinery(later: &Later<'_>, node: u32) -> bool {
    let kind = later.anatomy.graph.kind(NodeIndex(node));
    matches!(
        kind,
        NodeKind::Synthetic | NodeKind::Native | NodeKind::Code | NodeKind::ObjectShape
    )
}

pub(crate) fn gains(later: &Later<'_>, owner: u32) -> bool {
    net_members(later, owner) >= DICTIONARY_GAIN
}

pub(crate) fn net_members(later: &Later<'_>, owner: u32) -> i64 {
    let now = i64::from(member_count(&later.anatomy.graph, NodeIndex(owner)));
    let before = later
        .earlier
        .former(later.anatomy, owner)
        .map_or(0, |former| i64::from(former.members));
    now - before
}

/// The balance of a collection.
pub(crate) struct Net {
    pub(crate) bytes: f64,
    pub(crate) gained: f64,
    pub(crate) arrived: f64,
}

/// A collection that takes in as many as it lets go has not grown: its new members replace old ones.
pub(crate) fn net_of_members(later: &Later<'_>, owner: u32, fresh: u64) -> Option<Net> {
    let gained = net_members(later, owner);
    let graph = &later.anatomy.graph;
    let arrived = members_where(graph, NodeIndex(owner), |node| !later.old[node.0 as usize]);
    if gained <= 0 || arrived == 0 {
        return None;
    }
    let (gained, arrived) = (gained as f64, f64::from(arrived));
    // Where ids are addresses, one that is used again hides a newcomer; how many there are is certain.
    let most = if graph.python.is_some() { 2.0 } else { 1.0 };
    Some(Net {
        bytes: fresh as f64 * (gained / arrived).min(most),
        gained,
        arrived: arrived.max(gained),
    })
}

/// What a synthetic root holds of some types now, less what it held before.
pub(crate) fn net_of_flock(later: &Later<'_>, owner: u32, tops: &[u32], fresh: u64) -> Option<Net> {
    let mut types: BTreeMap<(u64, u64), bool> = BTreeMap::new();
    for top in tops {
        let managed = !is_machinery(later, *top);
        types.insert(flock_key(later.anatomy, owner, *top), managed);
    }
    let (mut bytes, mut gained, mut of_native) = (0, 0, 0);
    for (key, managed) in types {
        let (now, before) = (later.flock_now(key), later.earlier.flock(key));
        bytes += now.bytes.saturating_sub(before.bytes);
        let more = now.count.saturating_sub(before.count);
        let most = if managed { &mut gained } else { &mut of_native };
        *most = more.max(*most);
    }
    let bytes = bytes.min(fresh) as f64;
    let gained = match (gained, of_native) {
        // As many as before, and yet more hangs from them: a chain whose latest link replaces the last.
        (0, 0) => chain_below(later, tops) as f64,
        (0, native) => native as f64,
        (gained, _) => gained as f64,
    };
    (gained > 0.0).then_some(Net {
        bytes,
        gained,
        arrived: gained,
    })
}

/// Links of the longest new chain among some new objects.
fn chain_below(later: &Later<'_>, tops: &[u32]) -> usize {
    let heaviest = tops.iter().max_by_key(|top| later.fresh_bytes[**top as usize]);
    heaviest
        .map_or(0, |top| chain_links(later, *top).len())
        .checked_sub(CHAIN_LINKS)
        .map_or(0, |more| more + CHAIN_LINKS)
}

/// New objects of the most frequent type down the heaviest way.
fn chain_links(later: &Later<'_>, top: u32) -> Vec<u32> {
    let graph = &later.anatomy.graph;
    let type_of = |at: &u32| (graph.kind(NodeIndex(*at)), graph.name(NodeIndex(*at)));
    let way: Vec<u32> = heavy_way(later, top).collect();
    let mut counts = HashMap::new();
    for at in &way {
        *counts.entry(type_of(at)).or_insert(0usize) += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(name, _)| name);
    way.into_iter().filter(|at| Some(type_of(at)) == most).collect()
}

/// New objects of one type down the heaviest way: the links of a chain.
pub(crate) fn heavy_path(later: &Later<'_>, top: u32) -> Vec<u32> {
    let graph = &later.anatomy.graph;
    let name = (graph.kind(NodeIndex(top)), graph.name(NodeIndex(top)));
    heavy_way(later, top)
        .filter(|at| (graph.kind(NodeIndex(*at)), graph.name(NodeIndex(*at))) == name)
        .collect()
}

fn heavy_way<'l>(later: &'l Later<'_>, top: u32) -> impl Iterator<Item = u32> + 'l {
    std::iter::successors(Some(top), |at| {
        Some(later.heavy[*at as usize]).filter(|next| *next != NONE)
    })
}

/// Evenly spread examples; keys are left out where there are values.
pub(crate) fn samples(later: &Later<'_>, tops: &[u32]) -> Vec<u32> {
    let graph = &later.anatomy.graph;
    let mut links = match tops {
        [top] if heavy_path(later, *top).len() >= CHAIN_LINKS => heavy_path(later, *top),
        [top] if chain_below(later, tops) > 0 => chain_links(later, *top),
        [top] => rebuilt(later, tops).map_or_else(|| heavy_path(later, *top), |rebuilt| rebuilt.members),
        _ => tops.to_vec(),
    };
    links.retain(|node| !is_backing(graph, NodeIndex(*node)));
    let is_text = |node: &u32| match &graph.python {
        Some(_) => crate::cpython::is_plain(graph, *node),
        None => matches!(graph.kind(NodeIndex(*node)), NodeKind::String | NodeKind::Number),
    };
    if links.iter().any(|node| !is_text(node)) {
        links.retain(|node| !is_text(node));
    }
    let step = links.len().div_ceil(SAMPLES).max(1);
    links.into_iter().step_by(step).collect()
}

/// As many members as before, yet far more hangs from them: a chain whose latest link replaces the last.
pub(crate) fn net_of_last_link(later: &Later<'_>, own_bytes: f64, tops: &[u32], fresh: u64) -> Option<Net> {
    let gained = chain_below(later, tops) as f64;
    let bytes = own_bytes.min(fresh as f64);
    (gained > 0.0 && 2.0 * bytes >= fresh as f64).then_some(Net {
        bytes,
        gained,
        arrived: gained,
    })
}

/// A collection that is made anew with every change (`list = [...list, item]`) and the new members in it.
pub(crate) struct Rebuilt {
    container: u32,
    pub(crate) members: Vec<u32>,
}

/// The first new collection down the heaviest way from the heaviest of some new objects.
pub(crate) fn rebuilt(later: &Later<'_>, tops: &[u32]) -> Option<Rebuilt> {
    /// Steps from the object that is replaced to the collection in it.
    const DEPTH: usize = 12;
    /// New members below which it is just an object with a few fields.
    const MEMBERS: usize = 8;
    let graph = &later.anatomy.graph;
    let heaviest = tops.iter().max_by_key(|top| later.fresh_bytes[**top as usize])?;
    let is_collection = |at: &u32| graph.kind(NodeIndex(*at)) == NodeKind::Object;
    heavy_way(later, *heaviest)
        .take(DEPTH)
        .filter(is_collection)
        .find_map(|container| {
            let members = new_members(later, container);
            (members.len() >= MEMBERS).then_some(Rebuilt { container, members })
        })
}

fn new_members(later: &Later<'_>, container: u32) -> Vec<u32> {
    let members = std::cell::RefCell::new(Vec::new());
    members_where(&later.anatomy.graph, NodeIndex(container), |node| {
        let fresh = !later.old[node.0 as usize] && !is_learnt(&later.anatomy.graph, node);
        if fresh {
            members.borrow_mut().push(node.0);
        }
        fresh
    });
    members.into_inner()
}

/// The balance of a place whose collection was made anew: the place holds one object as before, the
/// collection in it holds more.
pub(crate) fn net_of_rebuilt(later: &Later<'_>, own_bytes: f64, tops: &[u32], fresh: u64) -> Option<Net> {
    let rebuilt = rebuilt(later, tops)?;
    let store = later.anatomy.graph.self_bytes(NodeIndex(rebuilt.container));
    let table = crate::growth_members::table_of(&later.anatomy.graph, NodeIndex(rebuilt.container));
    let store = store + table.map_or(0, |table| later.anatomy.graph.self_bytes(table));
    let came = fresh.saturating_sub(store).max(1) as f64;
    let bytes = own_bytes.min(fresh as f64);
    // What went at the same time is no gain: a window that slides gains nothing.
    let gained = rebuilt.members.len() as f64 * (bytes / came).clamp(0.0, 1.0);
    (gained >= 1.0).then_some(Net {
        bytes,
        gained,
        arrived: gained,
    })
}

/// What hangs in a slot now, less what hung there before.
pub(crate) fn net_of_slot(
    later: &Later<'_>,
    own_bytes: f64,
    (owner, name): (u32, &str),
    tops: &[u32],
    fresh: u64,
) -> Net {
    let anatomy = later.anatomy;
    let before = later.earlier.slot_bytes(anatomy.graph.id(NodeIndex(owner)), name);
    let now: u64 = tops.iter().map(|top| anatomy.retained[*top as usize]).sum();
    let bytes = match before {
        Some(before) if tops.len() == 1 => now.saturating_sub(before).min(fresh) as f64,
        Some(before) => (now.saturating_sub(before).min(fresh) as f64).min(own_bytes),
        None => own_bytes.min(fresh as f64),
    };
    let links = if tops.len() > 1 {
        tops.len()
    } else {
        heavy_path(later, tops[0]).len()
    };
    if links < CHAIN_LINKS
        && let Some(net) = net_of_rebuilt(later, bytes, tops, fresh)
    {
        return net;
    }
    let gained = if fresh > 0 {
        links as f64 * bytes / fresh as f64
    } else {
        0.0
    };
    Net {
        bytes,
        gained,
        arrived: gained,
    }
}
