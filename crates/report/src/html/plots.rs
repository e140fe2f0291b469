//! Which charts a report shows, and what they are made of.

use maud::{Markup, html};
use plimsoll_model::{Channel, Report, Status};

use super::chart::{CLASS_COLORS, Chart, Mark, Quantity, Role, Trace, figure};
use crate::floor_line::{floor_line, floor_points};
use crate::story::{FloorPoint, Series, Story};
use crate::words;

/// A leak of a few percent must be seen to rise; noise of a few percent must not look like one.
const SPAN_SHARE_OF_A_LEAK: f64 = 0.05;
const SPAN_SHARE_OF_NOISE: f64 = 0.4;
const MOST_FLOOR_ROWS: usize = 100;

/// The section of charts; nothing if nothing was recorded.
pub(super) fn plots(story: &Story) -> Markup {
    let (report, series) = (story.report, story.series);
    let floors = figure(&floor(report, series), &floor_table(&series.floors));
    let others = [memory(report, series), jobs(series), pauses(series)];
    let others = others.iter().map(|chart| figure(chart, &html! {}));
    let drawn: Vec<Markup> = std::iter::once(floors).chain(others).collect();
    html! {
        @if drawn.iter().any(|chart| !chart.0.is_empty()) {
            section #plots { h2 { "Measurements" } @for chart in &drawn { (chart) } }
        }
    }
}

fn trace(label: &str, role: Role, mark: Mark, points: &[(f64, f64)]) -> Trace {
    let label = if points.is_empty() {
        String::new()
    } else {
        label.to_owned()
    };
    Trace {
        label,
        role,
        mark,
        points: points.to_vec(),
    }
}

fn floor(report: &Report, series: &Series) -> Chart {
    let verdict = &report.verdict;
    let leaking = verdict.status == Status::Leaking;
    let of = |quiet: bool| -> Vec<(f64, f64)> {
        let floors: Vec<FloorPoint> = series
            .floors
            .iter()
            .filter(|floor| (floor.in_flight == 0) == quiet)
            .copied()
            .collect();
        floor_points(&floors, verdict.channel)
    };
    let mut traces = Vec::new();
    if let Some(line) = floor_line(&floor_points(&series.floors, verdict.channel), verdict) {
        let (from, to) = line.jobs;
        let corners = [
            (from, line.low.0),
            (to, line.low.1),
            (to, line.high.1),
            (from, line.high.0),
        ];
        // The two slopes cross in the middle: two triangles, drawn as one outline through the crossing.
        let middle = ((from + to) / 2.0, (line.middle.0 + line.middle.1) / 2.0);
        let outline = [corners[0], middle, corners[1], corners[2], middle, corners[3]];
        traces.push(trace("interval of the growth", Role::Fit, Mark::Band, &outline));
        let ends = [(from, line.middle.0), (to, line.middle.1)];
        traces.push(trace("growth per job", Role::Fit, Mark::ThinLine, &ends));
    }
    traces.push(trace("floor, no job running", Role::Floor, Mark::Dots, &of(true)));
    traces.push(trace(
        "floor with jobs running",
        Role::Floor,
        Mark::Rings,
        &of(false),
    ));
    Chart {
        title: match verdict.channel {
            Some(Channel::External) => "Buffers outside the heap over completed jobs",
            _ => "Live heap over completed jobs",
        },
        note: floor_note(report),
        x: Quantity::Jobs,
        y: Quantity::Bytes,
        traces,
        marks: series.captures.iter().map(|(_, jobs)| *jobs as f64).collect(),
        gaps: Vec::new(),
        least_span_share: if leaking {
            SPAN_SHARE_OF_A_LEAK
        } else {
            SPAN_SHARE_OF_NOISE
        },
        from_zero: false,
    }
}

fn floor_note(report: &Report) -> String {
    let growth = words::finite(report.verdict.bytes_per_job);
    let growth = growth.map(|growth| {
        format!(
            "{} per job, {}. ",
            words::bytes(growth.estimate),
            words::interval(&growth)
        )
    });
    let axis = "Each floor is taken right after a full collection. The axis need not start at zero.";
    format!("{}{axis}", growth.unwrap_or_default())
}

/// The floors as figures, for readers who cannot see the chart or want to copy them.
fn floor_table(floors: &[FloorPoint]) -> Markup {
    html! {
        @if !floors.is_empty() {
            details.long {
                summary { "Floors as a table" }
                div.scroll { table {
                    thead { tr {
                        @for title in ["Completed jobs", "Time", "Live heap", "Buffers outside the heap", "Jobs running"] {
                            th.figure scope="col" { (title) }
                        }
                    } }
                    tbody { @for floor in floors.iter().take(MOST_FLOOR_ROWS) { tr {
                        td.figure { (words::count(floor.jobs)) }
                        td.figure { (words::duration(floor.at_seconds)) }
                        td.figure { (words::bytes(floor.live_bytes)) }
                        td.figure { (floor.external_bytes.map_or(words::UNKNOWN.to_owned(), words::bytes)) }
                        td.figure { (words::count(u64::from(floor.in_flight))) }
                    } } }
                } }
                @if floors.len() > MOST_FLOOR_ROWS { p.note { "and " (floors.len() - MOST_FLOOR_ROWS) " more" } }
            }
        }
    }
}

fn memory(report: &Report, series: &Series) -> Chart {
    let floors: Vec<(f64, f64)> = series
        .floors
        .iter()
        .map(|floor| (floor.at_seconds, floor.live_bytes))
        .collect();
    Chart {
        title: "Memory over time",
        note: String::new(),
        x: Quantity::Seconds,
        y: Quantity::Bytes,
        traces: vec![
            trace("resident", Role::Rss, Mark::Line, &series.rss_bytes),
            trace(
                "heap used, garbage included",
                Role::HeapUsed,
                Mark::ThinLine,
                &series.heap_used_bytes,
            ),
            trace(
                "buffers outside the heap",
                Role::External,
                Mark::ThinLine,
                &series.external_bytes,
            ),
            trace(
                "live heap after a full collection",
                Role::Live,
                Mark::Rings,
                &series.live_after_gc_bytes,
            ),
            trace("floor", Role::Floor, Mark::Dots, &floors),
        ],
        marks: series
            .captures
            .iter()
            .map(|(at_seconds, _)| *at_seconds)
            .collect(),
        gaps: report
            .window
            .gaps
            .iter()
            .map(|gap| (gap.from_seconds, gap.to_seconds))
            .collect(),
        least_span_share: 0.0,
        from_zero: true,
    }
}

fn jobs(series: &Series) -> Chart {
    let last = |points: &[(f64, u64)]| points.last().map_or(0, |point| point.1);
    let mut classes: Vec<(&String, &Vec<(f64, u64)>)> = series.jobs.iter().collect();
    classes.sort_by_key(|(_, points)| std::cmp::Reverse(last(points)));
    let left_out = classes.len().saturating_sub(usize::from(CLASS_COLORS));
    let floats = |points: &[(f64, u64)]| {
        points
            .iter()
            .map(|(at, jobs)| (*at, *jobs as f64))
            .collect::<Vec<_>>()
    };
    let shown = classes.iter().zip(0..CLASS_COLORS);
    Chart {
        title: "Completed jobs per class",
        note: if left_out > 0 {
            format!("The {CLASS_COLORS} busiest classes; {left_out} more are in the table.")
        } else {
            String::new()
        },
        x: Quantity::Seconds,
        y: Quantity::Jobs,
        traces: shown
            .map(|((class, points), color)| {
                trace(
                    &words::name(class),
                    Role::Class(color),
                    Mark::Line,
                    &floats(points),
                )
            })
            .collect(),
        marks: Vec::new(),
        gaps: Vec::new(),
        least_span_share: 0.0,
        from_zero: true,
    }
}

fn pauses(series: &Series) -> Chart {
    Chart {
        title: "Collections and event-loop delay",
        note: String::new(),
        x: Quantity::Seconds,
        y: Quantity::Seconds,
        traces: vec![
            trace(
                "event-loop delay",
                Role::Delay,
                Mark::ThinLine,
                &series.event_loop_delay_seconds,
            ),
            trace(
                "pause of a full collection",
                Role::Pause,
                Mark::Stems,
                &series.gc_pauses_seconds,
            ),
        ],
        marks: Vec::new(),
        gaps: Vec::new(),
        least_span_share: 0.0,
        from_zero: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn height_of_floors(status: Status) -> f64 {
        let series = Series {
            floors: (0..20)
                .map(|step| FloorPoint {
                    at_seconds: step as f64,
                    jobs: step,
                    live_bytes: 10e6 + (step % 2) as f64 * 3e5,
                    external_bytes: None,
                    in_flight: 0,
                })
                .collect(),
            ..Series::default()
        };
        let mut report = plimsoll_wire::report::read(include_str!("../../tests/golden/empty.json")).unwrap();
        report.verdict.status = status;
        let page = figure(&floor(&report, &series), &html! {}).into_string();
        let heights: Vec<f64> = page
            .split("<svg")
            .nth(1)
            .unwrap()
            .split("cy=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        let (least, most) = (
            heights.iter().copied().fold(f64::MAX, f64::min),
            heights.iter().copied().fold(0.0, f64::max),
        );
        most - least
    }

    #[test]
    fn noise_is_drawn_flat_and_a_leak_is_not() {
        assert!(height_of_floors(Status::Stable) < 25.0);
        assert!(height_of_floors(Status::Leaking) > 100.0);
    }
}
