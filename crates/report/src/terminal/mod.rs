//! The report on one screen, for somebody who was woken up by it: verdict first, then who, then what to do.

mod plot;
pub(crate) mod sheet;
mod suspects;
mod table;

use plimsoll_model::{ClassStatus, JobClass, Status};

use crate::floor_line::floor_points;
use crate::story::Story;
use crate::words;
use plot::{Plot, plot};
pub use sheet::Style;
use sheet::{Ink, Sheet, span};
use table::{Cell, Column, Side, table};

const MOST_CLASSES: usize = 12;
const MOST_LINES: usize = 6;
/// Fewer floors than this draw no curve.
const LEAST_POINTS: usize = 3;

/// Prints the report for a terminal. Ends with a newline; no colour unless the style asks for it.
pub fn terminal(story: &Story, style: Style) -> String {
    let mut sheet = Sheet::new(style);
    headline(&mut sheet, story);
    figures(&mut sheet, story);
    let calm = matches!(story.report.verdict.status, Status::Stable | Status::Bounded);
    if !calm {
        curve(&mut sheet, story);
    }
    classes(&mut sheet, &story.report.job_classes);
    if !calm {
        suspects::suspects(&mut sheet, &story.report.suspects);
    }
    advice(&mut sheet, story);
    spikes(&mut sheet, story);
    evidence(&mut sheet, story, calm);
    footer(&mut sheet, story);
    sheet.finish()
}

fn status_ink(status: Status) -> Ink {
    match status {
        Status::Leaking => Ink::Bad,
        Status::Stable | Status::Bounded => Ink::Good,
        Status::Inconclusive => Ink::Unsure,
    }
}

fn headline(sheet: &mut Sheet, story: &Story) {
    let report = story.report;
    let verdict = report.verdict.status;
    let badge = format!(
        "{} {}",
        words::symbol(verdict),
        verdict.to_string().to_uppercase()
    );
    sheet.blank();
    sheet.line(&[
        span(status_ink(verdict), badge),
        span(Ink::Plain, "  "),
        span(Ink::Strong, words::verdict_sentence(report)),
    ]);
    let (service, runtime, pid) = (words::service(report), words::runtime(report), report.worker.pid);
    let (window, ended) = (words::window(report), words::exit(report.worker.exit.as_ref()));
    let identity = format!("{service} · {runtime} · pid {pid} · {window} · {ended}");
    sheet.line(&[span(Ink::Faint, identity)]);
}

fn figures(sheet: &mut Sheet, story: &Story) {
    let figures = words::figures(&story.report.verdict);
    sheet.blank();
    for (label, answer) in words::culprits(story.report) {
        sheet.line(&[
            span(Ink::Faint, format!("  {label:<10}  ")),
            span(Ink::Name, answer),
        ]);
    }
    let value_columns = figures
        .iter()
        .map(|figure| figure.value.chars().count())
        .max()
        .unwrap_or(0);
    for figure in &figures {
        sheet.line(&[
            span(Ink::Faint, format!("  {:<10}  ", figure.label)),
            span(Ink::Strong, format!("{:<value_columns$}", figure.value)),
            span(Ink::Faint, format!("   {}", figure.detail)),
        ]);
    }
    if !figures.is_empty() {
        sheet.blank();
    }
    lines(sheet, Ink::Plain, story.report.verdict.reasons.iter());
    lines(sheet, Ink::Unsure, words::blind_spots(story.report).iter());
}

/// Sentences as a list, bounded.
fn lines<'a>(sheet: &mut Sheet, ink: Ink, texts: impl ExactSizeIterator<Item = &'a String>) {
    let left_out = texts.len().saturating_sub(MOST_LINES);
    for text in texts.take(MOST_LINES) {
        sheet.paragraph("  · ", ink, &words::sentence(text));
    }
    if left_out > 0 {
        sheet.paragraph("    ", Ink::Faint, &format!("and {left_out} more"));
    }
}

fn curve(sheet: &mut Sheet, story: &Story) {
    let verdict = &story.report.verdict;
    let floors = floor_points(&story.series.floors, verdict.channel);
    if floors.len() >= LEAST_POINTS {
        sheet.title("floor over completed jobs");
        let x_label = |jobs: f64| words::counted(jobs as u64, "job", "jobs");
        plot(
            sheet,
            &Plot {
                points: &floors,
                y_label: words::bytes,
                x_label,
            },
        );
    } else if story.series.rss_bytes.len() >= LEAST_POINTS {
        sheet.title("resident memory over time");
        plot(
            sheet,
            &Plot {
                points: &story.series.rss_bytes,
                y_label: words::bytes,
                x_label: words::duration,
            },
        );
    }
}

fn classes(sheet: &mut Sheet, classes: &[JobClass]) {
    if classes.is_empty() {
        return;
    }
    sheet.title("job classes");
    let columns = [
        ("class", Side::Left, 20),
        ("status", Side::Left, 18),
        ("jobs", Side::Right, 17),
        ("failed", Side::Right, 12),
        ("bytes/job", Side::Right, 19),
        ("interval", Side::Right, 15),
        ("peak", Side::Right, 13),
        ("allocated/job", Side::Right, 9),
        ("p50", Side::Right, 8),
        ("p95", Side::Right, 11),
        ("p99.9", Side::Right, 10),
    ]
    .map(|(title, side, weight)| Column { title, side, weight });
    let rows: Vec<Vec<Cell>> = classes.iter().take(MOST_CLASSES).map(class_row).collect();
    table(sheet, &columns, &rows);
    if let Some(more) = classes.len().checked_sub(MOST_CLASSES).filter(|more| *more > 0) {
        sheet.paragraph("  ", Ink::Faint, &format!("and {more} more in the full report"));
    }
}

fn class_row(class: &JobClass) -> Vec<Cell> {
    let ink = match class.status {
        ClassStatus::Leaking => Ink::Bad,
        ClassStatus::Stable => Ink::Plain,
        ClassStatus::Inconclusive => Ink::Unsure,
    };
    let growth = words::finite(class.bytes_per_job);
    let quantile = |value: Option<f64>| value.map_or(words::UNKNOWN.to_owned(), words::duration);
    let durations = class.duration_seconds;
    let plain = |text: String| (Ink::Plain, text);
    vec![
        (ink, class.class.clone()),
        (
            ink,
            format!(
                "{} {}",
                words::class_symbol(class.status),
                words::class_status(class.status)
            ),
        ),
        plain(words::count(class.jobs)),
        plain(words::count(class.failed)),
        (
            ink,
            growth.map_or(words::UNKNOWN.to_owned(), |growth| words::bytes(growth.estimate)),
        ),
        plain(growth.map_or(words::UNKNOWN.to_owned(), |growth| words::range(&growth))),
        plain(words::known_bytes(class.peak_bytes)),
        plain(
            class
                .allocated_bytes_per_job
                .map_or(words::UNKNOWN.to_owned(), words::bytes),
        ),
        plain(quantile(durations.map(|it| it.p50))),
        plain(quantile(durations.map(|it| it.p95))),
        plain(quantile(durations.map(|it| it.p999))),
    ]
}

fn advice(sheet: &mut Sheet, story: &Story) {
    let report = story.report;
    if report.verdict.status == Status::Leaking {
        let remedies = report
            .suspects
            .first()
            .map(|suspect| suspect.remedies.as_slice())
            .unwrap_or_default();
        numbered(sheet, "what to do", remedies);
    }
    numbered(sheet, "what to do next", &report.verdict.next);
}

fn numbered(sheet: &mut Sheet, title: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    sheet.title(title);
    for (index, text) in texts.iter().take(MOST_LINES).enumerate() {
        sheet.paragraph(&format!("  {}. ", index + 1), Ink::Plain, &words::sentence(text));
    }
}

fn spikes(sheet: &mut Sheet, story: &Story) {
    let spikes = &story.report.spikes;
    if spikes.is_empty() {
        return;
    }
    sheet.title("peaks that were given back");
    for spike in spikes.iter().take(MOST_LINES) {
        let id = spike
            .job_id
            .as_ref()
            .map(|id| format!(" (job {})", words::name(id)))
            .unwrap_or_default();
        let payload = spike
            .payload_bytes
            .map(|size| format!(" from a payload of {}", words::bytes(size as f64)));
        let frame = spike
            .allocation_stacks
            .first()
            .and_then(|stack| stack.frames.first());
        let place = frame
            .map(|frame| format!(", allocated at {}", words::name(frame)))
            .unwrap_or_default();
        let peak = words::bytes(spike.peak_bytes as f64);
        let class = words::name(&spike.job_class);
        let text = format!("{class}{id}: {peak}{}{place}", payload.unwrap_or_default());
        sheet.paragraph("  · ", Ink::Plain, &text);
    }
}

fn evidence(sheet: &mut Sheet, story: &Story, calm: bool) {
    let evidence = &story.report.evidence;
    if evidence.is_empty() || calm {
        return;
    }
    sheet.title("evidence");
    for item in evidence.iter().take(MOST_LINES) {
        let jobs = item
            .jobs
            .map(|jobs| format!(" after {}", words::counted(jobs, "job", "jobs")));
        let pause = item
            .pause_seconds
            .map(|pause| format!(", pause {}", words::duration(pause)));
        let (kind, size) = (words::evidence_kind(item.kind), words::known_bytes(item.bytes));
        let (jobs, pause) = (jobs.unwrap_or_default(), pause.unwrap_or_default());
        sheet.whole_line(&[
            span(Ink::Plain, format!("  {kind}{jobs}, {size}{pause}  ")),
            span(Ink::Faint, item.path.clone()),
        ]);
    }
}

fn footer(sheet: &mut Sheet, story: &Story) {
    let gaps = &story.report.window.gaps;
    sheet.blank();
    for gap in gaps.iter().take(MOST_LINES) {
        let (from, to) = (words::duration(gap.from_seconds), words::duration(gap.to_seconds));
        sheet.paragraph(
            "no data  ",
            Ink::Unsure,
            &format!("{from} to {to}: {}", words::sentence(&gap.reason)),
        );
    }
    for note in story.notes.iter().take(MOST_LINES) {
        sheet.paragraph("note     ", Ink::Plain, &words::sentence(note));
    }
    sheet.paragraph("watching ", Ink::Faint, &words::cost(story.report));
    if let Some(path) = story.html_path {
        sheet.whole_line(&[span(Ink::Faint, "report   "), span(Ink::Strong, path)]);
    }
}
