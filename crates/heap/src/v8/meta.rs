//! `snapshot.meta`: which fields a node, an edge and a location have, and what their types mean.

use crate::graph::{EdgeKind, NodeKind};

/// Positions of the fields in their rows, and type numbers as kinds.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) node: NodeFields,
    pub(crate) edge: EdgeFields,
    /// `None`: a V8 that writes no locations.
    pub(crate) location: Option<LocationFields>,
    pub(crate) node_count: Option<u64>,
    pub(crate) edge_count: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct NodeFields {
    pub(crate) width: usize,
    pub(crate) kind: usize,
    pub(crate) name: usize,
    pub(crate) id: usize,
    pub(crate) self_size: usize,
    pub(crate) edge_count: usize,
    pub(crate) detachedness: Option<usize>,
    pub(crate) kinds: Vec<NodeKind>,
}

#[derive(Debug)]
pub(crate) struct EdgeFields {
    pub(crate) width: usize,
    pub(crate) kind: usize,
    pub(crate) name: usize,
    pub(crate) to: usize,
    pub(crate) kinds: Vec<EdgeKind>,
    node_width: u64,
    /// 2^64 / `node_width`, rounded up: a multiplication in place of a division.
    inverse: u64,
}

#[derive(Debug)]
pub(crate) struct LocationFields {
    pub(crate) width: usize,
    pub(crate) object: usize,
    pub(crate) script_id: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Most fields that a row may have; V8 has at most 7.
const WIDTH_LIMIT: usize = 64;

impl Meta {
    /// Reads the `snapshot` object. The error says what was expected of it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let snapshot: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| format!("`snapshot` to be valid JSON ({error})"))?;
        let meta = &snapshot["meta"];
        let node = NodeFields::parse(meta)?;
        Ok(Self {
            edge: EdgeFields::parse(meta, node.width)?,
            node,
            location: LocationFields::parse(meta),
            node_count: snapshot["node_count"].as_u64(),
            edge_count: snapshot["edge_count"].as_u64(),
        })
    }
}

impl NodeFields {
    fn parse(meta: &serde_json::Value) -> Result<Self, String> {
        let fields = Fields::parse(meta, "node_fields")?;
        let kind = fields.position("type")?;
        Ok(Self {
            width: fields.0.len(),
            kind,
            name: fields.position("name")?,
            id: fields.position("id")?,
            self_size: fields.position("self_size")?,
            edge_count: fields.position("edge_count")?,
            detachedness: fields.position("detachedness").ok(),
            kinds: type_names(meta, "node_types", kind)?
                .into_iter()
                .map(node_kind)
                .collect(),
        })
    }
}

impl EdgeFields {
    /// The node at an offset into the numbers of the section `nodes`.
    pub(crate) fn node_at(&self, offset: u64) -> Option<u32> {
        // The inverse is exact below 2^32 (Granlund and Montgomery, "Division by invariant integers").
        let node = if offset >> 32 == 0 {
            ((u128::from(offset) * u128::from(self.inverse)) >> 64) as u64
        } else {
            offset / self.node_width
        };
        if node * self.node_width == offset {
            u32::try_from(node).ok()
        } else {
            None
        }
    }

    fn parse(meta: &serde_json::Value, node_width: usize) -> Result<Self, String> {
        let fields = Fields::parse(meta, "edge_fields")?;
        let kind = fields.position("type")?;
        Ok(Self {
            width: fields.0.len(),
            kind,
            name: fields.position("name_or_index")?,
            to: fields.position("to_node")?,
            kinds: type_names(meta, "edge_types", kind)?
                .into_iter()
                .map(edge_kind)
                .collect(),
            node_width: node_width as u64,
            // A node has at least 5 fields, so that this fits.
            inverse: u64::MAX / node_width as u64 + 1,
        })
    }
}

impl LocationFields {
    fn parse(meta: &serde_json::Value) -> Option<Self> {
        let fields = Fields::parse(meta, "location_fields").ok()?;
        Some(Self {
            width: fields.0.len(),
            object: fields.position("object_index").ok()?,
            script_id: fields.position("script_id").ok()?,
            line: fields.position("line").ok()?,
            column: fields.position("column").ok()?,
        })
    }
}

struct Fields<'a>(Vec<&'a str>, &'static str);

impl<'a> Fields<'a> {
    fn parse(meta: &'a serde_json::Value, of: &'static str) -> Result<Self, String> {
        let list = meta[of]
            .as_array()
            .ok_or_else(|| format!("`snapshot.meta.{of}` to be a list"))?;
        if list.is_empty() || list.len() > WIDTH_LIMIT {
            return Err(format!("`snapshot.meta.{of}` to have 1 to {WIDTH_LIMIT} fields"));
        }
        Ok(Self(
            list.iter()
                .map(|field| field.as_str().unwrap_or_default())
                .collect(),
            of,
        ))
    }

    fn position(&self, name: &str) -> Result<usize, String> {
        let at = self.0.iter().position(|field| *field == name);
        at.ok_or_else(|| format!("`snapshot.meta.{}` to name `{name}`", self.1))
    }
}

fn type_names<'a>(meta: &'a serde_json::Value, of: &str, at: usize) -> Result<Vec<&'a str>, String> {
    let list = meta[of][at]
        .as_array()
        .ok_or_else(|| format!("`snapshot.meta.{of}` to list the types"))?;
    Ok(list
        .iter()
        .map(|name| name.as_str().unwrap_or_default())
        .collect())
}

fn node_kind(name: &str) -> NodeKind {
    match name {
        "hidden" => NodeKind::Hidden,
        "array" => NodeKind::Array,
        "string" => NodeKind::String,
        "object" => NodeKind::Object,
        "code" => NodeKind::Code,
        "closure" => NodeKind::Closure,
        "regexp" => NodeKind::RegExp,
        "number" => NodeKind::Number,
        "native" => NodeKind::Native,
        "synthetic" => NodeKind::Synthetic,
        "concatenated string" => NodeKind::ConcatenatedString,
        "sliced string" => NodeKind::SlicedString,
        "symbol" => NodeKind::Symbol,
        "bigint" => NodeKind::BigInt,
        "object shape" => NodeKind::ObjectShape,
        "wasm object" => NodeKind::WasmObject,
        _ => NodeKind::Unknown,
    }
}

fn edge_kind(name: &str) -> EdgeKind {
    match name {
        "context" => EdgeKind::Context,
        "element" => EdgeKind::Element,
        "property" => EdgeKind::Property,
        "internal" => EdgeKind::Internal,
        "shortcut" => EdgeKind::Shortcut,
        "weak" => EdgeKind::Weak,
        // An edge type of a later V8: that it holds is likelier than that it does not, and reading
        // its label as a number is safe whatever it is.
        _ => EdgeKind::Hidden,
    }
}
