//! Who holds the memory: one paragraph per suspect.

use plimsoll_model::Suspect;

use super::sheet::{Ink, Sheet, span};
use crate::untrusted::{clip_middle, visible};
use crate::words;

/// One screen: the rest is in the other forms.
const MOST_SUSPECTS: usize = 3;
const MOST_STEPS: usize = 9;
const MOST_FRAMES: usize = 4;

/// The first suspect is told in full, the others in a few lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    Short,
}

/// The suspects section; nothing if there are none.
pub(crate) fn suspects(sheet: &mut Sheet, suspects: &[Suspect]) {
    if suspects.is_empty() {
        return;
    }
    sheet.title("suspects");
    for (index, suspect) in suspects.iter().take(MOST_SUSPECTS).enumerate() {
        if index > 0 {
            sheet.blank();
        }
        one(
            sheet,
            suspect,
            if index == 0 { Detail::Full } else { Detail::Short },
        );
    }
    let left_out = suspects.len().saturating_sub(MOST_SUSPECTS);
    if left_out > 0 {
        sheet.paragraph(
            "  ",
            Ink::Faint,
            &format!("and {left_out} more in the full report"),
        );
    }
}

fn one(sheet: &mut Sheet, suspect: &Suspect, detail: Detail) {
    headline(sheet, suspect);
    sheet.paragraph("     ", Ink::Plain, &words::suspect_figures(suspect));
    if !suspect.explanation.is_empty() {
        sheet.paragraph("     ", Ink::Plain, &words::sentence(&suspect.explanation));
    }
    if detail == Detail::Full {
        retainer_path(sheet, suspect);
        allocation_frames(sheet, suspect);
    }
}

fn headline(sheet: &mut Sheet, suspect: &Suspect) {
    let mut spans = vec![
        span(Ink::Strong, format!("  {}  ", suspect.rank)),
        span(Ink::Name, words::name(words::suspect_name(suspect))),
    ];
    if let Some(holder_type) = &suspect.holder_type {
        spans.push(span(Ink::Plain, format!(" ({})", words::name(holder_type))));
    }
    if let Some(place) = words::suspect_place(suspect) {
        spans.push(span(Ink::Plain, " at "));
        spans.push(span(Ink::Strong, words::name(place)));
    }
    sheet.line(&spans);
    let class = suspect
        .job_class
        .as_ref()
        .map(|class| format!(", left by job class {}", words::name(class)));
    let pattern = words::pattern(suspect.pattern);
    sheet.paragraph(
        "     ",
        Ink::Faint,
        &format!("pattern {pattern}{}", class.unwrap_or_default()),
    );
}

fn retainer_path(sheet: &mut Sheet, suspect: &Suspect) {
    let path = &suspect.retainer_path;
    if path.is_empty() {
        return;
    }
    sheet.line(&[span(Ink::Faint, "     held by")]);
    for (depth, step) in shortened_path(path).iter().enumerate() {
        let indent = 7 + depth.saturating_sub(1) * 2;
        let ink = if words::is_holder_step(suspect, step) {
            Ink::Name
        } else {
            Ink::Plain
        };
        let branch = if depth == 0 { "" } else { "└ " };
        sheet.line(&[
            span(Ink::Faint, " ".repeat(indent) + branch),
            span(ink, step_text(sheet, step, indent + 2)),
        ]);
    }
}

/// Keeps both ends of a long path: the root and the holder tell more than what lies between.
pub(crate) fn shortened_path(path: &[String]) -> Vec<String> {
    if path.len() <= MOST_STEPS {
        return path.to_vec();
    }
    let (head, tail) = (MOST_STEPS / 3, MOST_STEPS - MOST_STEPS / 3 - 1);
    let skipped = format!("… {} more", path.len() - head - tail);
    [&path[..head], &[skipped], &path[path.len() - tail..]].concat()
}

/// One step on one line: what is too long loses its middle, not its end with the position.
fn step_text(sheet: &Sheet, text: &str, indent: usize) -> String {
    clip_middle(&visible(text), sheet.columns().saturating_sub(indent))
}

fn allocation_frames(sheet: &mut Sheet, suspect: &Suspect) {
    let Some(stack) = suspect.allocation_stacks.iter().max_by_key(|stack| stack.bytes) else {
        return;
    };
    sheet.line(&[span(
        Ink::Faint,
        format!("     allocated at ({} survive)", words::bytes(stack.bytes as f64)),
    )]);
    for frame in stack.frames.iter().take(MOST_FRAMES) {
        sheet.line(&[
            span(Ink::Plain, "       "),
            span(Ink::Plain, step_text(sheet, frame, 7)),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_both_ends() {
        let path: Vec<String> = (0..30).map(|step| step.to_string()).collect();
        let short = shortened_path(&path);
        assert_eq!(short, ["0", "1", "2", "… 22 more", "25", "26", "27", "28", "29"]);
        assert_eq!(shortened_path(&path[..9]), &path[..9]);
    }
}
