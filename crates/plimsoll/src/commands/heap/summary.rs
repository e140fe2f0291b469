use anyhow::Result;
use plimsoll_heap::{Format, Summary};
use plimsoll_model::HumanBytes;
use serde_json::json;

use super::input;
use super::table::{Table, grouped};
use super::{SummaryArgs, to_json};

/// Types that are printed for people, unless they ask for more: a screen.
const ROWS: usize = 30;

pub fn answer(args: &SummaryArgs) -> Result<String> {
    let (format, summary) = if args.shallow {
        input::read_shallow(&args.file)?
    } else {
        let dump = input::read_nodes(&args.file)?;
        let summary = Summary::of(&dump.graph, &dump.types, &dump.dominators);
        (dump.graph.format(), summary)
    };
    if args.output.json {
        as_json(&summary, format, args)
    } else {
        Ok(as_text(&summary, format, args))
    }
}

fn as_json(summary: &Summary, format: Format, args: &SummaryArgs) -> Result<String> {
    let has_graph = !args.shallow;
    let types = summary.types.iter().take(args.output.limit.unwrap_or(usize::MAX)).map(|row| {
        json!({"type": row.type_name, "count": row.count, "self_bytes": row.self_bytes, "retained_bytes": has_graph.then_some(row.retained_bytes)})
    });
    to_json(&json!({
        "schema": "plimsoll.heap-summary/1",
        "format": format.name(),
        "nodes": summary.nodes,
        "edges": (has_graph || summary.edges > 0).then_some(summary.edges),
        "self_bytes": summary.self_bytes,
        "types": types.collect::<Vec<_>>(),
    }))
}

fn as_text(summary: &Summary, format: Format, args: &SummaryArgs) -> String {
    let mut table = Table::new(&["type", "count", "self", "retained"]);
    let rows = args.output.limit.unwrap_or(ROWS);
    for row in summary.types.iter().take(rows) {
        let bytes = |bytes: u64| HumanBytes(bytes as f64).to_string();
        table.row(
            &row.type_name,
            [
                grouped(row.count),
                bytes(row.self_bytes),
                if args.shallow {
                    "unknown".to_owned()
                } else {
                    bytes(row.retained_bytes)
                },
            ],
        );
    }
    let more = summary.types.len().saturating_sub(rows);
    let rest = if more > 0 {
        format!("… and {} more types (--limit)\n", grouped(more as u64))
    } else {
        String::new()
    };
    format!(
        "{} `{}`: {} objects, {} references, {}\n\n{}{rest}",
        format.title(),
        args.file.display(),
        grouped(u64::from(summary.nodes)),
        grouped(summary.edges),
        HumanBytes(summary.self_bytes as f64),
        table.render(),
    )
}
