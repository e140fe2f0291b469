//! The report as one HTML file: no network, no script, readable in light and dark, on a phone and on paper.
//!
//! The page may load and run nothing: its policy allows inline style and nothing else. Every text of
//! the worker's is escaped by the template, shortened, and cleared of invisible characters at the end.

mod chart;
mod draw;
mod flame;
mod plots;
mod suspects;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plimsoll_model::{Report, Status};

use crate::story::Story;
use crate::untrusted::{clip_middle, is_treacherous, visible};
use crate::words;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");
/// Longer names lose their middle; the JSON form has them whole.
const MOST_NAME_COLUMNS: usize = 240;
const MOST_TEXTS: usize = 20;

/// The report as one self-contained HTML page.
pub fn html(story: &Story) -> String {
    let report = story.report;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(report))
            body {
                main {
                    (masthead(report))
                    (verdict(report))
                    (advice(report))
                    (plots::plots(story))
                    (tables::classes(&report.job_classes))
                    (suspects::suspects(&report.suspects))
                    (flame::flame(story.flame))
                    (tables::spikes(&report.spikes))
                    (tables::evidence(&report.evidence))
                    (worker(report))
                    (notes(story))
                    (cost(report))
                    (method())
                }
            }
        }
    };
    inked(&page.into_string())
}

/// A name from the worker: visible and short.
fn name(text: &str) -> String {
    clip_middle(&visible(text), MOST_NAME_COLUMNS)
}

/// A sentence that may quote the worker; what stands in backticks is code.
fn sentence(text: &str) -> Markup {
    let text = words::sentence(text);
    let parts: Vec<&str> = text.split('`').collect();
    // An even number of parts means that a backtick has no partner: then all is plain.
    let paired = parts.len() % 2 == 1;
    html! {
        @if paired {
            @for (index, part) in parts.iter().enumerate() { @if index % 2 == 1 { code { (part) } } @else { (part) } }
        } @else { (text) }
    }
}

/// The last look at the page: nothing invisible passes, wherever it came from.
fn inked(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    for c in page.chars() {
        match c != '\n' && is_treacherous(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

fn head(report: &Report) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (report.verdict.status) ": " (words::service(report)) " – Plimsoll" }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn masthead(report: &Report) -> Markup {
    let ended = words::exit(report.worker.exit.as_ref());
    html! {
        header.masthead {
            svg.logo viewBox="0 0 32 32" aria-hidden="true" {
                circle cx="16" cy="16" r="10" fill="none" stroke="currentColor" stroke-width="3" {}
                path d="M1 16h30" stroke="currentColor" stroke-width="3" {}
            }
            div {
                h1 { (words::service(report)) }
                p.note {
                    (words::runtime(report)) " · pid " (report.worker.pid) " · " (words::window(report)) " · " (ended)
                    " · started " (name(&report.worker.started_at))
                }
            }
        }
    }
}

fn verdict(report: &Report) -> Markup {
    let verdict = &report.verdict;
    let figures = words::figures(verdict);
    html! {
        section.card.verdict.(verdict.status) #verdict {
            p { span class={ "badge " (verdict.status) } { (words::symbol(verdict.status)) " " (verdict.status) } }
            p.headline { (words::verdict_sentence(report)) }
            @let culprits = words::culprits(report);
            @if !culprits.is_empty() {
                dl.culprits { @for (label, answer) in &culprits { div { dt { (label) } dd { code { (answer) } } } } }
            }
            @if !figures.is_empty() {
                dl.tiles {
                    @for figure in &figures { div { dt { (figure.label) } dd { (figure.value) } dd.note { (figure.detail) } } }
                }
            }
            @let reasons = verdict.reasons.iter().take(MOST_TEXTS);
            ul.reasons {
                @for reason in reasons { li { (sentence(reason)) } }
                @for spot in words::blind_spots(report) { li.unsure { (sentence(&spot)) } }
            }
        }
    }
}

fn advice(report: &Report) -> Markup {
    let leaking = report.verdict.status == Status::Leaking;
    let first = report.suspects.first().filter(|_| leaking);
    let remedies = first
        .map(|suspect| suspect.remedies.as_slice())
        .unwrap_or_default();
    html! {
        @for (title, texts) in [("What to do", remedies), ("What to do next", &report.verdict.next)] {
            @if !texts.is_empty() {
                section.advice {
                    h2 { (title) }
                    ol.card.steps { @for text in texts.iter().take(MOST_TEXTS) { li { (sentence(text)) } } }
                }
            }
        }
    }
}

fn worker(report: &Report) -> Markup {
    let worker = &report.worker;
    let command = worker.command.join(" ");
    let rows = [
        (
            "command",
            Some(command.as_str()).filter(|command| !command.is_empty()),
        ),
        ("release", worker.release.as_deref()),
        ("environment", worker.env.as_deref()),
    ];
    html! {
        section #worker {
            h2 { "Worker" }
            dl.card.pairs {
                @for (label, value) in rows.iter().filter_map(|(label, value)| Some((label, (*value)?))) {
                    dt { (label) } dd { code { (name(value)) } }
                }
                dt { "watched" } dd { (words::window(report)) ", " (words::counted(report.window.samples, "sample", "samples")) }
                @for gap in report.window.gaps.iter().take(MOST_TEXTS) {
                    dt { "no data" }
                    dd { (words::duration(gap.from_seconds)) " to " (words::duration(gap.to_seconds)) ": " (sentence(&gap.reason)) }
                }
            }
        }
    }
}

fn notes(story: &Story) -> Markup {
    html! {
        @if !story.notes.is_empty() {
            section #notes {
                h2 { "Notes" }
                ul.card.steps { @for note in story.notes.iter().take(MOST_TEXTS) { li { (sentence(note)) } } }
            }
        }
    }
}

fn cost(report: &Report) -> Markup {
    html! { section #cost { h2 { "What watching cost" } p.card { (words::cost(report)) } } }
}

fn method() -> Markup {
    html! {
        section #method {
            details.card {
                summary { "How to read this report" }
                p { "A " strong { "floor" } " is the live heap right after a full collection, at best with no job running. Garbage and jobs in flight are not in it, so what rises there stays behind. A floor that had to be taken with jobs running is drawn as a ring." }
                p { "Growth is judged over completed jobs, not over time: a busy hour is no leak. It is " strong { "leaking" } " when the lower end of the interval exceeds the minimum effect and growth has not bent, " strong { "stable" } " when the whole interval is within it, " strong { "bounded" } " when growth levelled off, else " strong { "inconclusive" } "." }
                p { "The " strong { "holder" } " is the container whose retained size grows with jobs. The place where objects were allocated is often innocent; what keeps them alive is not." }
                p { "A " strong { "peak" } " is memory that one job needed and gave back: a matter of sizing, not a leak." }
            }
        }
    }
}
