//! Objects that nothing reachable refers to: which extension module they likely belong to.

use std::collections::HashMap;

use super::facts::Facts;
use super::way::Names;
use crate::NodeIndex;

/// Root of objects whose reference count is higher than the references found.
pub(crate) const LOST: &str = "(lost references)";
/// Root of groups of objects that only hold each other.
pub(crate) const CYCLES: &str = "(unreachable cycles)";

/// The extension module that lost objects point at: the only package with native code among the types
/// and code of what was lost; else the only one that is loaded at all. `None` where several may be it.
pub(crate) fn extension(names: &Names<'_>, lost: &[u32]) -> Option<String> {
    let packages = packages(names.facts);
    let mut votes: HashMap<&str, usize> = HashMap::new();
    for node in lost.iter().flat_map(|node| super::pile::below(names, *node)) {
        let module = names.graph().name(NodeIndex(node));
        let top = module.split('.').next().unwrap_or_default();
        for (package, _) in packages.iter().filter(|(package, _)| package == top) {
            *votes.entry(package.as_str()).or_default() += 1;
        }
    }
    if let Some((package, _)) = votes.into_iter().max_by_key(|(_, votes)| *votes) {
        return Some(package.to_owned());
    }
    match packages.as_slice() {
        [(only, _)] => Some(only.clone()),
        _ => None,
    }
}

/// Packages with extension modules: their folder (or file) right below `site-packages`, once each.
fn packages(facts: &Facts) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for path in &facts.libraries {
        let Some((_, inside)) = path.rsplit_once("-packages/") else {
            continue;
        };
        let top = inside.split(['/', '.']).next().unwrap_or_default().to_owned();
        // Libraries that wheels bring along are no extension modules.
        if !top.is_empty() && !top.ends_with("libs") && found.iter().all(|(known, _)| *known != top) {
            found.push((top, path.clone()));
        }
    }
    found
}
