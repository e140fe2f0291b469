//! The lines of the live view: what a watched worker is doing right now.

use crate::terminal::Style;
use crate::terminal::sheet::{Ink, Sheet, span};
use crate::words;

/// One moment of a watched worker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveState {
    /// Since the worker started.
    pub elapsed_seconds: f64,
    /// Jobs completed.
    pub jobs: u64,
    /// Pace of the last seconds.
    pub jobs_per_second: Option<f64>,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Live heap at the last full collection.
    pub live_heap_bytes: Option<u64>,
    /// What can be said of growth so far, such as `+12.4 KiB per job`; empty if nothing yet.
    pub growth: String,
    /// What is going on, such as `warming up` or `taking heap snapshot 2 of 3`.
    pub phase: String,
    /// Jobs done and jobs asked for, if an end is known.
    pub progress: Option<(u64, u64)>,
    /// What the user should see at once.
    pub notes: Vec<String>,
}

const BAR_CELLS: usize = 24;
const MOST_NOTES: usize = 3;

/// The view as lines that each fit the width; their number depends on what is known only.
pub fn live_lines(state: &LiveState, style: Style) -> Vec<String> {
    let mut sheet = Sheet::new(style);
    figures(&mut sheet, state);
    progress(&mut sheet, state);
    status(&mut sheet, state);
    for note in state.notes.iter().take(MOST_NOTES) {
        sheet.line(&[span(Ink::Unsure, "  · "), span(Ink::Plain, note.clone())]);
    }
    sheet.finish().lines().map(str::to_owned).collect()
}

fn figures(sheet: &mut Sheet, state: &LiveState) {
    let pace = state.jobs_per_second.filter(|pace| pace.is_finite());
    let pace = pace
        .map(|pace| format!(" · {}/s", words::number(pace)))
        .unwrap_or_default();
    sheet.line(&[
        span(
            Ink::Strong,
            format!("  {}", words::duration(state.elapsed_seconds.floor())),
        ),
        span(
            Ink::Plain,
            format!(" · {}{pace}", words::counted(state.jobs, "job", "jobs")),
        ),
        span(Ink::Faint, " · rss "),
        span(Ink::Plain, words::known_bytes(state.rss_bytes)),
        span(Ink::Faint, " · live heap "),
        span(Ink::Plain, words::known_bytes(state.live_heap_bytes)),
    ]);
}

fn progress(sheet: &mut Sheet, state: &LiveState) {
    let Some((done, total)) = state.progress.filter(|(_, total)| *total > 0) else {
        return;
    };
    let share = (done as f64 / total as f64).clamp(0.0, 1.0);
    let filled = (share * BAR_CELLS as f64).floor() as usize;
    let left = time_left(state, done, total)
        .map(|left| format!(" · {left} left"))
        .unwrap_or_default();
    sheet.line(&[
        span(Ink::Name, format!("  {}", "█".repeat(filled))),
        span(Ink::Faint, "░".repeat(BAR_CELLS - filled)),
        span(
            Ink::Plain,
            format!(
                " {} of {}{left}",
                words::count(done),
                words::counted(total, "job", "jobs")
            ),
        ),
    ]);
}

fn time_left(state: &LiveState, done: u64, total: u64) -> Option<String> {
    let pace = state
        .jobs_per_second
        .filter(|pace| pace.is_finite() && *pace > 0.0)?;
    (done < total).then(|| words::duration(((total - done) as f64 / pace).ceil()))
}

fn status(sheet: &mut Sheet, state: &LiveState) {
    let growth = match state.growth.as_str() {
        "" => Vec::new(),
        growth => vec![span(Ink::Faint, "  growth "), span(Ink::Strong, growth)],
    };
    let phase = match state.phase.as_str() {
        "" => Vec::new(),
        phase => vec![span(Ink::Faint, "  "), span(Ink::Plain, phase)],
    };
    let spans: Vec<_> = growth.into_iter().chain(phase).collect();
    if !spans.is_empty() {
        sheet.line(&spans);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> LiveState {
        LiveState {
            elapsed_seconds: 32.9,
            jobs: 1240,
            jobs_per_second: Some(41.3),
            rss_bytes: Some(142 << 20),
            live_heap_bytes: Some(40_055_603),
            growth: "+12.4 KiB per job".into(),
            phase: "taking heap snapshot 2 of 3".into(),
            progress: Some((1240, 2000)),
            notes: vec![],
        }
    }

    fn check(state: &LiveState, style: Style, expected: &[&str]) {
        assert_eq!(live_lines(state, style), expected);
    }

    #[test]
    fn everything_known() {
        let expected = [
            "  32 s · 1,240 jobs · 41.3/s · rss 142 MiB · live heap 38.2 MiB",
            "  ██████████████░░░░░░░░░░ 1,240 of 2,000 jobs · 19 s left",
            "  growth +12.4 KiB per job  taking heap snapshot 2 of 3",
        ];
        check(
            &state(),
            Style {
                color: false,
                width: 80,
                unicode: true,
            },
            &expected,
        );
    }

    #[test]
    fn nothing_known_yet_and_ascii_only() {
        let style = Style {
            color: false,
            width: 80,
            unicode: false,
        };
        check(
            &LiveState::default(),
            style,
            &["  0 s - 0 jobs - rss - - live heap -"],
        );
        let odd = LiveState {
            progress: Some((9, 0)),
            jobs_per_second: Some(f64::NAN),
            ..LiveState::default()
        };
        assert_eq!(live_lines(&odd, style).len(), 1);
    }

    #[test]
    fn a_note_can_neither_move_the_cursor_nor_leave_its_line() {
        let style = Style {
            color: true,
            width: 60,
            unicode: true,
        };
        let hostile = LiveState {
            notes: vec!["\u{1b}[2J\n".repeat(500)],
            ..state()
        };
        let lines = live_lines(&hostile, style);
        assert_eq!(lines.len(), 4);
        assert!(!lines[3].contains("\u{1b}[2J") && lines[3].chars().count() < 100);
    }
}
