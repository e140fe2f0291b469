use std::path::Path;

use anyhow::Result;
use plimsoll_attribute::Input;
use plimsoll_daemon::FileSources;
use plimsoll_heap::{Census, Detail, GrowthStudy, Point, TypeChange, compare};
use plimsoll_model::{HumanBytes, Suspect};
use serde_json::json;

use super::input;
use super::suspects::{self, PerJob};
use super::table::{Table, grouped, signed};
use super::{DiffArgs, to_json};

/// Types that are printed for people, unless they ask for more: a screen.
const ROWS: usize = 30;

pub fn answer(args: &DiffArgs) -> Result<String> {
    let mut study = GrowthStudy::new(None);
    // One after the other: the graph of the first is gone before the second is read.
    let before = census(&args.before, &mut study, 0)?;
    study.make_room();
    let after = census(&args.after, &mut study, 1)?;
    let changes = compare(&before, &after);
    drop((before, after));
    let suspects = plimsoll_attribute::attribute(&Input::of_dumps(&study.finish(&FileSources)));
    match args.output.json {
        true => as_json(&changes, &suspects, args.output.limit),
        false => Ok(as_text(&changes, &suspects, args)),
    }
}

fn census(path: &Path, study: &mut GrowthStudy, jobs: u64) -> Result<Census> {
    let dump = input::read(path, Detail::References)?;
    let census = Census::of(&dump.graph, &dump.types, &dump.dominators);
    let label = path.display().to_string();
    let point = Point {
        label,
        jobs,
        ..Point::default()
    };
    study.add_weighed(point, dump.graph, dump.dominators);
    Ok(census)
}

fn as_json(changes: &[TypeChange], suspects: &[Suspect], limit: Option<usize>) -> Result<String> {
    let types = changes.iter().take(limit.unwrap_or(usize::MAX)).map(|change| {
        json!({
            "type": change.type_name,
            "new": change.new,
            "deleted": change.deleted,
            "count_delta": change.count_delta(),
            "new_bytes": change.new_bytes,
            "freed_bytes": change.freed_bytes,
            "self_delta_bytes": change.self_delta_bytes(),
            "retained_delta_bytes": change.retained_delta_bytes,
        })
    });
    // How many jobs lie between the dumps is not known, so neither are rates.
    let without_rates = |suspect: &Suspect| Suspect {
        count_per_job: None,
        bytes_per_job: None,
        explanation: gained(suspect),
        ..suspect.clone()
    };
    let suspects: Vec<Suspect> = suspects.iter().map(without_rates).collect();
    to_json(&json!({
        "schema": "plimsoll.heap-diff/1",
        "types": types.collect::<Vec<_>>(),
        "suspects": suspects,
    }))
}

/// The rates of a study whose one step counts as one job are what was gained in it.
fn gained(suspect: &Suspect) -> String {
    let holder = suspect.holder.as_deref().unwrap_or(&suspect.type_name);
    let count = suspect.count_per_job.unwrap_or_default().round() as i64;
    let bytes = suspect.bytes_per_job.unwrap_or_default();
    format!(
        "`{holder}` gained {} {} and {} from the first dump to the second. With a third and the jobs done, \
         `plimsoll heap growth` tells whether it goes on.",
        grouped(count.unsigned_abs()),
        suspect.type_name,
        HumanBytes(bytes),
    )
}

fn as_text(changes: &[TypeChange], suspects: &[Suspect], args: &DiffArgs) -> String {
    let mut table = Table::new(&["type", "new", "deleted", "count", "self", "retained"]);
    let rows = args.output.limit.unwrap_or(ROWS);
    for change in changes.iter().take(rows) {
        table.row(
            &change.type_name,
            [
                grouped(change.new),
                grouped(change.deleted),
                signed(change.count_delta()),
                signed_bytes(change.self_delta_bytes()),
                signed_bytes(change.retained_delta_bytes),
            ],
        );
    }
    let all: i64 = changes.iter().map(TypeChange::self_delta_bytes).sum();
    let more = changes.len().saturating_sub(rows);
    let rest = if more > 0 {
        format!("… and {} more types (--limit)\n", grouped(more as u64))
    } else {
        String::new()
    };
    format!(
        "From `{}` to `{}`: {} in {} types\n\n{}{rest}{}",
        args.before.display(),
        args.after.display(),
        signed_bytes(all),
        grouped(changes.len() as u64),
        table.render(),
        suspects::as_text(suspects, PerJob::Unknown),
    )
}

fn signed_bytes(bytes: i64) -> String {
    let sign = if bytes > 0 { "+" } else { "" };
    format!("{sign}{}", HumanBytes(bytes as f64))
}
