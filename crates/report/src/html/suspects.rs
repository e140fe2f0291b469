//! Who holds the memory: one card per suspect, the first one opened.

use maud::{Markup, html};
use plimsoll_model::Suspect;

use super::flame::stack_text;
use super::{name, sentence};
use crate::words;

const MOST_SUSPECTS: usize = 20;
const MOST_STEPS: usize = 40;
const MOST_STACKS: usize = 5;
const MOST_REMEDIES: usize = 8;

/// The section; nothing if there are no suspects.
pub(super) fn suspects(suspects: &[Suspect]) -> Markup {
    let left_out = suspects.len().saturating_sub(MOST_SUSPECTS);
    html! {
        @if !suspects.is_empty() {
            section #suspects {
                h2 { "Suspects" }
                @for (index, suspect) in suspects.iter().take(MOST_SUSPECTS).enumerate() { (card(suspect, index == 0)) }
                @if left_out > 0 { p.note { "and " (left_out) " more in the JSON form" } }
            }
        }
    }
}

fn card(suspect: &Suspect, open: bool) -> Markup {
    html! {
        article.card.suspect {
            header {
                span.rank { (suspect.rank) }
                div {
                    h3 {
                        code { (name(words::suspect_name(suspect))) }
                        @if let Some(holder_type) = &suspect.holder_type { " " span.note { (name(holder_type)) } }
                    }
                    @if let Some(place) = words::suspect_place(suspect) { p.place { "at " code { (name(place)) } } }
                }
                div.chips {
                    span.chip { (words::pattern(suspect.pattern)) }
                    @if let Some(class) = &suspect.job_class { span.chip { "job class " (name(class)) } }
                }
            }
            @if !suspect.explanation.is_empty() { p { (sentence(&suspect.explanation)) } }
            p.figures { (words::suspect_figures(suspect)) }
            (retainer_path(suspect, open))
            (allocations(suspect))
            (remedies(&suspect.remedies, open))
        }
    }
}

fn retainer_path(suspect: &Suspect, open: bool) -> Markup {
    let path = &suspect.retainer_path;
    html! {
        @if !path.is_empty() {
            details open[open] {
                summary { "Retainer path, from the roots" }
                ol.path {
                    @for (depth, step) in path.iter().take(MOST_STEPS).enumerate() {
                        li.holder[words::is_holder_step(suspect, step)] style={ "--depth:" (depth) } { code { (name(step)) } }
                    }
                    @if path.len() > MOST_STEPS { li.note style="--depth:0" { "and " (path.len() - MOST_STEPS) " more steps" } }
                }
            }
        }
    }
}

fn allocations(suspect: &Suspect) -> Markup {
    html! {
        @if !suspect.allocation_stacks.is_empty() {
            details {
                summary { "Where such objects were allocated" }
                @for stack in suspect.allocation_stacks.iter().take(MOST_STACKS) { (stack_text(stack)) }
            }
        }
    }
}

/// The first suspect's remedies stand at the top of the page, so they are folded nowhere else.
fn remedies(remedies: &[String], shown_above: bool) -> Markup {
    html! {
        @if !remedies.is_empty() && !shown_above {
            details {
                summary { "What to do about it" }
                ol { @for remedy in remedies.iter().take(MOST_REMEDIES) { li { (sentence(remedy)) } } }
            }
        }
    }
}
