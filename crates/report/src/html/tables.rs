//! The tables: job classes, peaks, evidence.

use maud::{Markup, html};
use plimsoll_model::{ClassStatus, Evidence, JobClass, Spike};

use super::flame::stack_text;
use super::name;
use crate::words;

const MOST_ROWS: usize = 200;

/// Job classes; says so if there are none.
pub(super) fn classes(classes: &[JobClass]) -> Markup {
    html! {
        section #classes {
            h2 { "Job classes" }
            @if classes.is_empty() {
                p.card { "No job class was seen." }
            } @else {
                div.card.scroll {
                    table {
                        thead { tr {
                            th scope="col" { "Class" } th scope="col" { "Status" }
                            @for title in ["Jobs", "Failed", "Bytes per job", "Interval", "Peak", "Allocated per job", "p50", "p95", "p99.9"] {
                                th.figure scope="col" { (title) }
                            }
                        } }
                        tbody { @for class in classes.iter().take(MOST_ROWS) { (class_row(class)) } }
                    }
                    @if classes.len() > MOST_ROWS { p.note { "and " (classes.len() - MOST_ROWS) " more in the JSON form" } }
                }
            }
        }
    }
}

fn class_row(class: &JobClass) -> Markup {
    let growth = words::finite(class.bytes_per_job);
    let unknown = || words::UNKNOWN.to_owned();
    let quantiles = class
        .duration_seconds
        .map(|it| [it.p50, it.p95, it.p999].map(words::duration));
    html! {
        tr class=(words::class_status(class.status)) {
            th scope="row" title=(name(&class.class)) { (words::name(&class.class)) }
            td { (class_badge(class.status)) }
            td.figure { (words::count(class.jobs)) }
            td.figure { (words::count(class.failed)) }
            td.figure.growth { (growth.map_or_else(unknown, |growth| words::bytes(growth.estimate))) }
            td.figure { (growth.map_or_else(unknown, |growth| words::range(&growth))) }
            td.figure { (words::known_bytes(class.peak_bytes)) }
            td.figure { (class.allocated_bytes_per_job.map_or_else(unknown, words::bytes)) }
            @for quantile in quantiles.unwrap_or_else(|| [unknown(), unknown(), unknown()]) { td.figure { (quantile) } }
        }
    }
}

fn class_badge(status: ClassStatus) -> Markup {
    let word = words::class_status(status);
    html! { span class={ "badge " (word) } { (words::class_symbol(status)) " " (word) } }
}

/// Peaks that were given back; nothing if there were none.
pub(super) fn spikes(spikes: &[Spike]) -> Markup {
    html! {
        @if !spikes.is_empty() {
            section #spikes {
                h2 { "Peaks that were given back" }
                @for spike in spikes.iter().take(MOST_ROWS) {
                    div.card {
                        p {
                            strong { (words::bytes(spike.peak_bytes as f64)) } " above the start of a "
                            strong { (name(&spike.job_class)) } " job"
                            @if let Some(id) = &spike.job_id { " (" (name(id)) ")" }
                            @if let Some(payload) = spike.payload_bytes { ", payload " (words::bytes(payload as f64)) }
                            ", " (name(&spike.at))
                        }
                        @for stack in spike.allocation_stacks.iter().take(1) { (stack_text(stack)) }
                    }
                }
            }
        }
    }
}

/// Captured files; nothing if there are none.
pub(super) fn evidence(evidence: &[Evidence]) -> Markup {
    html! {
        @if !evidence.is_empty() {
            section #evidence {
                h2 { "Evidence" }
                div.card.scroll {
                    table {
                        thead { tr {
                            th scope="col" { "What" } th.figure scope="col" { "After jobs" } th.figure scope="col" { "Pause" }
                            th.figure scope="col" { "Size" } th scope="col" { "Taken at" } th scope="col" { "File" }
                        } }
                        tbody { @for item in evidence.iter().take(MOST_ROWS) { (evidence_row(item)) } }
                    }
                    p.note { "These files may hold secrets of the worker. They stay on the machine that took them." }
                }
            }
        }
    }
}

fn evidence_row(item: &Evidence) -> Markup {
    html! {
        tr {
            th scope="row" { (words::evidence_kind(item.kind)) }
            td.figure { (item.jobs.map_or(words::UNKNOWN.to_owned(), words::count)) }
            td.figure { (item.pause_seconds.map_or(words::UNKNOWN.to_owned(), words::duration)) }
            td.figure { (words::known_bytes(item.bytes)) }
            td.moment { (name(&item.taken_at)) }
            td { code { (name(&item.path)) } }
        }
    }
}
