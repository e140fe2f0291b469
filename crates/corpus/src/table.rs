//! The figures: confusion matrix, false alarms, recall, time to detect, coverage, attribution.

use std::fmt::Write;

use plimsoll_model::Status;

use crate::kinds::{Length, Truth, kinds};
use crate::rules::RULES;
use crate::score::Outcome;

/// Outcomes of one way to judge (alone, or with a baseline).
pub struct Table<'a> {
    /// What it is called.
    pub title: &'a str,
    /// Its outcomes.
    pub outcomes: &'a [Outcome],
}

const STATUSES: [Status; 4] = [
    Status::Stable,
    Status::Bounded,
    Status::Leaking,
    Status::Inconclusive,
];
const DAY_SHARE_OF_WEEK: f64 = 1.0 / 7.0;

/// All figures as text.
pub fn report(table: &Table<'_>) -> String {
    let mut out = String::new();
    for (length, name) in [
        (Length::Day, "days"),
        (Length::Short, "short runs"),
        (Length::Wild, "wild days"),
    ] {
        let part: Vec<&Outcome> = table.outcomes.iter().filter(|o| o.length == length).collect();
        if !part.is_empty() {
            let _ = writeln!(out, "\n## {}, {name}: {} records\n", table.title, part.len());
            confusion(&mut out, &part);
            figures(&mut out, &part, length);
        }
    }
    out
}

fn confusion(out: &mut String, outcomes: &[&Outcome]) {
    let _ = writeln!(
        out,
        "| kind | truth | stable | bounded | leaking | inconclusive | alarm on the way |"
    );
    let _ = writeln!(out, "|---|---|---|---|---|---|---|");
    for kind in kinds() {
        let of: Vec<&&Outcome> = outcomes.iter().filter(|o| o.kind == kind.name).collect();
        if of.is_empty() {
            continue;
        }
        let count = |status| of.iter().filter(|o| o.status == status).count();
        let truth = match kind.truth {
            Truth::Sound => "sound",
            Truth::SoundUntilFull => "sound, fills to an unknown end",
            Truth::Leaks => "leaks",
        };
        let cells: Vec<String> = STATUSES.iter().map(|s| count(*s).to_string()).collect();
        let alarms = of.iter().filter(|o| o.alarm_at_seconds.is_some()).count();
        let _ = writeln!(
            out,
            "| {} | {truth} | {} | {alarms} |",
            kind.name,
            cells.join(" | ")
        );
    }
}

fn figures(out: &mut String, outcomes: &[&Outcome], length: Length) {
    let _ = writeln!(out, "\n| figure | value |\n|---|---|");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "| {name} | {value} |");
    };
    let sound: Vec<&Outcome> = outcomes
        .iter()
        .copied()
        .filter(|o| o.truth == Truth::Sound)
        .collect();
    let leaks: Vec<&Outcome> = outcomes
        .iter()
        .copied()
        .filter(|o| o.truth == Truth::Leaks)
        .collect();
    false_alarms(&mut line, outcomes, &sound, length);
    recall(&mut line, &leaks);
    intervals(&mut line, &leaks);
    found(&mut line, &leaks, length);
    let wrong = outcomes.iter().filter(|o| o.class_wrong).count();
    line("a sound class called leaking", share(wrong, outcomes.len()));
    let asked = outcomes.iter().all(|o| o.rules.len() == RULES.len());
    for (i, rule) in RULES.iter().enumerate().filter(|_| asked) {
        let of = |of: &[&Outcome]| share(of.iter().filter(|o| o.rules[i]).count(), of.len());
        line(
            &format!("{}: false alarms / leaks found", rule.name),
            format!("{} / {}", of(&sound), of(&leaks)),
        );
    }
}

fn false_alarms(line: &mut impl FnMut(&str, String), all: &[&Outcome], sound: &[&Outcome], length: Length) {
    let every_sound: Vec<&Outcome> = all.iter().copied().filter(|o| o.truth != Truth::Leaks).collect();
    let alarms = |of: &[&Outcome]| of.iter().filter(|o| said_leaking(o)).count();
    line(
        "false `leaking`, sound kinds but fills to an unknown end",
        share(alarms(sound), sound.len()),
    );
    line(
        "false `leaking`, all sound kinds",
        share(alarms(&every_sound), every_sound.len()),
    );
    if length != Length::Short {
        let weeks = sound.len().max(1) as f64 * DAY_SHARE_OF_WEEK;
        let per_week = alarms(sound) as f64 / weeks * 1000.0;
        line(
            "false alarms per 1,000 worker-weeks, the first kinds",
            format!("{per_week:.0}"),
        );
    }
}

fn recall(line: &mut impl FnMut(&str, String), leaks: &[&Outcome]) {
    for (name, low, high) in [
        ("1–3×", 1.0, 3.0),
        ("3–6×", 3.0, 6.0),
        ("≥ 3×", 3.0, f64::INFINITY),
    ] {
        let of: Vec<_> = leaks
            .iter()
            .filter(|o| o.effect >= low && o.effect < high)
            .collect();
        let found = of.iter().filter(|o| o.status == Status::Leaking).count();
        line(
            &format!("leaks at {name} the minimum effect found"),
            share(found, of.len()),
        );
    }
    for status in [Status::Stable, Status::Bounded] {
        let missed = leaks
            .iter()
            .filter(|o| o.status == status && o.effect >= 1.0)
            .count();
        line(
            &format!("leaks of 1× or more called `{status}`"),
            share(missed, leaks.len()),
        );
    }
}

fn found(line: &mut impl FnMut(&str, String), leaks: &[&Outcome], length: Length) {
    let found: Vec<_> = leaks.iter().filter(|o| o.status == Status::Leaking).collect();
    let mut waits: Vec<f64> = found
        .iter()
        .filter_map(|o| Some(o.alarm_at_seconds? - o.leak_from_seconds))
        .collect();
    waits.sort_by(f64::total_cmp);
    let (seconds, unit) = if length != Length::Short {
        (3600.0, "h")
    } else {
        (1.0, "s")
    };
    line(
        "median time to detect",
        format!("{:.1} {unit}", middle(&waits) / seconds),
    );
    let attributed: Vec<_> = found.iter().filter_map(|o| o.class_right).collect();
    line(
        "right class first, of leaks found",
        share(attributed.iter().filter(|c| c.0).count(), attributed.len()),
    );
    line(
        "every leaking class called so",
        share(attributed.iter().filter(|c| c.1).count(), attributed.len()),
    );
}

fn said_leaking(outcome: &Outcome) -> bool {
    outcome.alarm_at_seconds.is_some() || outcome.status == Status::Leaking
}

fn intervals(line: &mut impl FnMut(&str, String), leaks: &[&Outcome]) {
    let known: Vec<_> = leaks
        .iter()
        .filter_map(|o| Some((o.true_bytes_per_job?, o.bytes_per_job?)))
        .collect();
    let mut errors: Vec<f64> = known
        .iter()
        .map(|(t, e)| (e.estimate - t).abs() / t * 100.0)
        .collect();
    errors.sort_by(f64::total_cmp);
    line("bytes per job, median error", format!("{:.1} %", middle(&errors)));
    let held = known.iter().filter(|(t, e)| e.low <= *t && *t <= e.high).count();
    line(
        "bytes per job, 95 % intervals that hold the truth",
        share(held, known.len()),
    );
    let mut widths: Vec<f64> = known
        .iter()
        .map(|(t, e)| (e.high - e.low) / 2.0 / t * 100.0)
        .collect();
    widths.sort_by(f64::total_cmp);
    line(
        "bytes per job, median half-width",
        format!("{:.0} %", middle(&widths)),
    );
}

fn share(part: usize, all: usize) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    format!("{:.1} % ({part} of {all})", part as f64 / all as f64 * 100.0)
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
