//! The crate table of ARCHITECTURE.md against what the manifests say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Crates are called `plimsoll-NAME`; the binary is `plimsoll`.
const PREFIX: &str = "plimsoll-";

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Complaints about crates without a row, rows without a crate, and edges that the table forbids.
pub fn check(architecture: &str, metadata: &Value) -> Vec<String> {
    let allowed = parse_table(architecture);
    let real = parse_metadata(metadata);
    let mut complaints = Vec::new();
    for (name, dependencies) in &real {
        let Some(row) = allowed.get(name) else {
            complaints.push(format!(
                "ARCHITECTURE.md: crate `{name}` has no row in the table of crates"
            ));
            continue;
        };
        for dependency in dependencies.difference(row) {
            complaints.push(format!(
                "crates/{name}/Cargo.toml: `{name}` must not depend on `{dependency}`"
            ));
        }
    }
    for name in allowed.keys().filter(|name| !real.contains_key(*name)) {
        complaints.push(format!("ARCHITECTURE.md: there is no crate `{name}`"));
    }
    complaints
}

/// Rows ``| `name` | what it holds | `a`, `b` |`` below a header that ends with "may depend on".
fn parse_table(architecture: &str) -> Edges {
    let rows = architecture
        .lines()
        .skip_while(|line| !line.contains("may depend on"))
        .skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| {
        let mut columns = row.trim_matches('|').split('|');
        let name = quoted(columns.next()?).next()?.to_owned();
        Some((name, quoted(columns.next_back()?).map(str::to_owned).collect()))
    })
    .collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Edges between our own crates. Those for tests alone (`kind` is "dev") bind nobody.
fn parse_metadata(metadata: &Value) -> Edges {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let ours = packages.filter(|package| {
        package["manifest_path"]
            .as_str()
            .is_some_and(|path| path.contains("/crates/"))
    });
    ours.filter_map(|package| {
        let dependencies = package["dependencies"].as_array()?.iter();
        let dependencies = dependencies.filter(|dependency| dependency["kind"].is_null());
        let dependencies =
            dependencies.filter_map(|dependency| dependency["name"].as_str()?.strip_prefix(PREFIX));
        let name = package["name"].as_str()?;
        Some((
            name.strip_prefix(PREFIX).unwrap_or(name).to_owned(),
            dependencies.map(str::to_owned).collect(),
        ))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &str = "# A\n| crate | holds | may depend on |\n|---|---|---|\n| `model` | nouns, `x` | – |\n\
        | `heap` | dumps | `model` |\n| `gone` | | |\n\n| `not` | a | row |\n";

    fn package(name: &str, dependencies: &[(&str, Value)]) -> Value {
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind)| json!({ "name": name, "kind": kind }))
            .collect();
        json!({ "name": name, "manifest_path": format!("/r/crates/{name}/Cargo.toml"), "dependencies": dependencies })
    }

    #[test]
    fn edges_are_held_against_the_table() {
        let metadata = json!({ "packages": [
            package("plimsoll-model", &[("serde", json!(null))]),
            package("plimsoll-heap", &[("plimsoll-model", json!(null)), ("plimsoll-sample", json!(null)), ("plimsoll-testbed", json!("dev"))]),
            package("plimsoll-new", &[]),
        ]});
        let complaints = check(TABLE, &metadata);
        let expected = [
            "crates/heap/Cargo.toml: `heap` must not depend on `sample`",
            "ARCHITECTURE.md: crate `new` has no row in the table of crates",
            "ARCHITECTURE.md: there is no crate `gone`",
        ];
        assert_eq!(complaints, expected);
    }
}
