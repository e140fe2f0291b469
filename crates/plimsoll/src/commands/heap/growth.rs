use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use plimsoll_attribute::Input;
use plimsoll_daemon::FileSources;
use plimsoll_heap::{Detail, Growth, GrowthStudy, Point, Trend};
use plimsoll_model::{HumanBytes, Suspect};
use serde_json::json;

use super::input;
use super::suspects::{self, PerJob};
use super::table::{Table, grouped};
use super::{GrowthArgs, to_json};

/// Types that are printed for people, unless they ask for more: a screen.
const ROWS: usize = 20;
/// Two dumps cannot tell a leak from a filling cache, three can.
const FEWEST_DUMPS: usize = 3;
const LEAK: u8 = 1;
const INCONCLUSIVE: u8 = 3;

/// A dump and the jobs done by then.
struct Dump {
    file: PathBuf,
    jobs: u64,
}

pub fn answer(args: &GrowthArgs) -> Result<(String, ExitCode)> {
    let dumps = args
        .dumps
        .iter()
        .map(|text| parse(text))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        dumps.len() >= 2,
        "growth needs at least two dumps, such as `a.heapsnapshot@100 b.heapsnapshot@550`"
    );
    ensure!(
        dumps.windows(2).all(|pair| pair[0].jobs < pair[1].jobs),
        "dumps must come in the order of their jobs, each with more than the one before"
    );
    let growth = study(&dumps)?;
    let suspects = plimsoll_attribute::attribute(&Input::of_dumps(&growth));
    let text = match args.output.json {
        true => as_json(&dumps, &growth, &suspects, args.output.limit)?,
        false => as_text(&dumps, &growth, &suspects, args.output.limit.unwrap_or(ROWS)),
    };
    let code = if args.fail_on_growth { gate(&growth) } else { 0 };
    Ok((text, ExitCode::from(code)))
}

/// `file@jobs`; the last `@` counts.
fn parse(text: &str) -> Result<Dump> {
    let Some((file, jobs)) = text.rsplit_once('@') else {
        bail!("`{text}` does not say how many jobs were done: append them, such as `{text}@100`");
    };
    let jobs = jobs
        .parse()
        .with_context(|| format!("`{jobs}` in `{text}` is not a number of jobs"))?;
    Ok(Dump {
        file: PathBuf::from(file),
        jobs,
    })
}

fn study(dumps: &[Dump]) -> Result<Growth> {
    let mut study = GrowthStudy::new(None);
    for dump in dumps {
        study.make_room();
        let graph = input::read_graph(&dump.file, Detail::References)?;
        let label = dump.file.display().to_string();
        study.add(
            Point {
                label,
                jobs: dump.jobs,
                ..Point::default()
            },
            graph,
        );
    }
    Ok(study.finish(&FileSources))
}

fn gate(growth: &Growth) -> u8 {
    let grows = growth
        .holders
        .iter()
        .any(|holder| holder.trend == Trend::Proportional && holder.bytes_per_job > 0.0);
    match growth.points.len() {
        points if points < FEWEST_DUMPS => INCONCLUSIVE,
        _ if grows => LEAK,
        _ => 0,
    }
}

fn as_json(dumps: &[Dump], growth: &Growth, suspects: &[Suspect], limit: Option<usize>) -> Result<String> {
    let points = dumps
        .iter()
        .map(|dump| json!({"file": dump.file.display().to_string(), "jobs": dump.jobs}));
    let types = growth.types.iter().take(limit.unwrap_or(usize::MAX)).map(|row| {
        json!({
            "type": row.type_name,
            "counts": row.counts,
            "count_per_job": row.count_per_job,
            "bytes_per_job": row.bytes_per_job,
            "proportional": row.is_proportional(),
        })
    });
    to_json(&json!({
        "schema": "plimsoll.heap-growth/1",
        "points": points.collect::<Vec<_>>(),
        "types": types.collect::<Vec<_>>(),
        "suspects": suspects,
    }))
}

fn as_text(dumps: &[Dump], growth: &Growth, suspects: &[Suspect], rows: usize) -> String {
    let mut heads = vec!["type".to_owned()];
    heads.extend(dumps.iter().map(|dump| format!("at {}", grouped(dump.jobs))));
    heads.extend(["per job", "bytes per job", "goes on"].map(str::to_owned));
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    for row in growth
        .types
        .iter()
        .filter(|row| row.bytes_per_job > 0.0)
        .take(rows)
    {
        let mut figures: Vec<String> = row.counts.iter().map(|count| grouped(*count)).collect();
        figures.push(format!("{:.2}", row.count_per_job));
        figures.push(HumanBytes(row.bytes_per_job).to_string());
        figures.push(words(row.trend).to_owned());
        table.row(&row.type_name, figures);
    }
    format!("{}{}", table.render(), suspects::as_text(suspects, PerJob::Known))
}

fn words(trend: Trend) -> &'static str {
    match trend {
        Trend::Proportional => "with jobs",
        Trend::Slowing => "slower",
        Trend::FillsAndStops => "stopped",
        Trend::Uneven => "uneven",
        Trend::Began => "began",
        Trend::Unclear => "unclear",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_say_their_jobs() {
        let dump = parse("/a@b/c.heapsnapshot@550").unwrap();
        assert_eq!(
            (dump.file, dump.jobs),
            (PathBuf::from("/a@b/c.heapsnapshot"), 550)
        );
        assert!(parse("c.heapsnapshot").is_err() && parse("c@many").is_err());
    }
}
