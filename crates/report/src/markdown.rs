//! The report as Markdown, for CI summaries, issues and chat: GitHub's dialect, without raw HTML.

use plimsoll_model::{JobClass, Status, Suspect};

use crate::story::Story;
use crate::untrusted::{clip_middle, visible};
use crate::words;

const MOST_CLASSES: usize = 30;
const MOST_SUSPECTS: usize = 5;
const MOST_TEXTS: usize = 10;
const MOST_STEPS: usize = 12;
const MOST_FRAMES: usize = 6;
/// Longer names lose their middle; a path of an evidence file should still be whole.
const MOST_NAME_COLUMNS: usize = 160;

/// The report as Markdown. Ends with a newline.
pub fn markdown(story: &Story) -> String {
    let report = story.report;
    let calm = matches!(report.verdict.status, Status::Stable | Status::Bounded);
    let mut out = headline(story);
    list(&mut out, &report.verdict.reasons);
    list(&mut out, &words::blind_spots(report));
    if let Some(first) = report
        .suspects
        .first()
        .filter(|_| report.verdict.status == Status::Leaking)
    {
        section(&mut out, "What to do", &numbered(&first.remedies));
    }
    section(&mut out, "What to do next", &numbered(&report.verdict.next));
    section(&mut out, "Job classes", &classes(&report.job_classes));
    let suspects: String = report.suspects.iter().take(MOST_SUSPECTS).map(suspect).collect();
    section(&mut out, "Suspects", if calm { "" } else { &suspects });
    section(&mut out, "Peaks that were given back", &spikes(story));
    section(&mut out, "Evidence", &evidence(story));
    footer(&mut out, story);
    out
}

/// A sentence: nothing of it is markup, except what stands in backticks, which stays code.
pub(crate) fn text(sentence: &str) -> String {
    let sentence = words::sentence(sentence);
    let parts: Vec<&str> = sentence.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(&sentence);
    }
    let piece = |(index, part): (usize, &&str)| if index % 2 == 1 { code(part) } else { escaped(part) };
    parts.iter().enumerate().map(piece).collect()
}

/// Every character that Markdown or the HTML inside it could take for markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // `@` and `#` would notify people and link issues.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    // Bare addresses become links without any markup.
    out.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
}

/// A code span. Its fence is longer than any run of backticks inside, and a pipe is replaced by a
/// look-alike, since inside a table even code cannot hold one that all readers understand.
fn code(name: &str) -> String {
    let name = clip_middle(&visible(name), MOST_NAME_COLUMNS).replace('|', "¦");
    let fence = fence(&name, 1);
    let space = if name.starts_with('`') || name.ends_with('`') {
        " "
    } else {
        ""
    };
    if name.trim().is_empty() {
        "(no name)".to_owned()
    } else {
        format!("{fence}{space}{name}{space}{fence}")
    }
}

/// Backticks that nothing inside `text` can close.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(least))
}

fn headline(story: &Story) -> String {
    let report = story.report;
    let verdict = &report.verdict;
    let (symbol, word) = (
        words::symbol(verdict.status),
        verdict.status.to_string().to_uppercase(),
    );
    let sentence = escaped(&words::verdict_sentence(report));
    let identity = format!("{} · {}", words::service(report), words::runtime(report));
    let ended = words::exit(report.worker.exit.as_ref());
    let mut out = format!("## {symbol} {word}: {sentence}\n\n");
    out += &format!(
        "{} · {} · {}\n\n",
        escaped(&identity),
        words::window(report),
        escaped(&ended)
    );
    let mut rows: Vec<String> = words::culprits(report)
        .into_iter()
        .map(|(label, answer)| format!("| {label} | {} | |\n", code(&answer)))
        .collect();
    let figures = words::figures(verdict);
    rows.extend(
        figures
            .iter()
            .map(|it| format!("| {} | **{}** | {} |\n", it.label, it.value, it.detail)),
    );
    if !rows.is_empty() {
        out += &format!("| | | |\n|---|---|---|\n{}\n", rows.concat());
    }
    out
}

fn list(out: &mut String, texts: &[String]) {
    for line in texts.iter().take(MOST_TEXTS) {
        *out += &format!("- {}\n", text(line));
    }
}

fn section(out: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        *out += &format!("\n### {title}\n\n{body}");
    }
}

fn numbered(texts: &[String]) -> String {
    let line = |(index, line): (usize, &String)| format!("{}. {}\n", index + 1, text(line));
    texts.iter().take(MOST_TEXTS).enumerate().map(line).collect()
}

fn classes(classes: &[JobClass]) -> String {
    if classes.is_empty() {
        return String::new();
    }
    let head = "| Class | Status | Jobs | Failed | Bytes per job | Interval | Peak | Allocated per job | p50 | p95 | p99.9 |\n\
                |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    let rows: String = classes.iter().take(MOST_CLASSES).map(class_row).collect();
    let left_out = classes.len().saturating_sub(MOST_CLASSES);
    let more = if left_out > 0 {
        format!("\nand {left_out} more\n")
    } else {
        String::new()
    };
    format!("{head}{rows}{more}")
}

fn class_row(class: &JobClass) -> String {
    let unknown = || words::UNKNOWN.to_owned();
    let growth = words::finite(class.bytes_per_job);
    let quantiles = class
        .duration_seconds
        .map(|it| [it.p50, it.p95, it.p999].map(words::duration));
    let status = format!(
        "{} {}",
        words::class_symbol(class.status),
        words::class_status(class.status)
    );
    let cells = [
        code(&class.class),
        status,
        words::count(class.jobs),
        words::count(class.failed),
        growth.map_or_else(unknown, |growth| words::bytes(growth.estimate)),
        growth.map_or_else(unknown, |growth| words::range(&growth)),
        words::known_bytes(class.peak_bytes),
        class.allocated_bytes_per_job.map_or_else(unknown, words::bytes),
        quantiles
            .unwrap_or_else(|| [unknown(), unknown(), unknown()])
            .join(" | "),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn suspect(suspect: &Suspect) -> String {
    let holder_type = suspect
        .holder_type
        .as_ref()
        .map(|it| format!(" ({})", escaped(&words::name(it))));
    let place = words::suspect_place(suspect).map(|place| format!(" at {}", code(place)));
    let class = suspect
        .job_class
        .as_ref()
        .map(|class| format!(", left by job class {}", code(class)));
    let mut out = format!(
        "**{}. {}**{}{}\n\n",
        suspect.rank,
        code(words::suspect_name(suspect)),
        holder_type.unwrap_or_default(),
        place.unwrap_or_default()
    );
    let (pattern, figures) = (
        words::pattern(suspect.pattern),
        escaped(&words::suspect_figures(suspect)),
    );
    out += &format!(
        "{pattern}{}: {figures}. {}\n\n",
        class.unwrap_or_default(),
        text(&suspect.explanation)
    );
    out += &block(
        "Retainer path",
        &path_lines(&suspect.retainer_path),
        suspect.retainer_path.len(),
    );
    if let Some(stack) = suspect.allocation_stacks.iter().max_by_key(|stack| stack.bytes) {
        out += &block("Allocated at", &frame_lines(&stack.frames), stack.frames.len());
    }
    out
}

/// A titled code block of the lines shown out of `total`.
fn block(title: &str, lines: &[String], total: usize) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let left_out = total.saturating_sub(lines.len());
    let more = if left_out > 0 {
        format!("and {left_out} more\n")
    } else {
        String::new()
    };
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let fence = fence(&body, 3);
    format!("{title}:\n\n{fence}text\n{body}{more}{fence}\n\n")
}

fn path_lines(path: &[String]) -> Vec<String> {
    let line = |(depth, step): (usize, &String)| {
        let branch = if depth == 0 {
            String::new()
        } else {
            "  ".repeat(depth - 1) + "└ "
        };
        branch + &clip_middle(&visible(step), MOST_NAME_COLUMNS)
    };
    path.iter().take(MOST_STEPS).enumerate().map(line).collect()
}

fn frame_lines(frames: &[String]) -> Vec<String> {
    frames
        .iter()
        .take(MOST_FRAMES)
        .map(|frame| clip_middle(&visible(frame), MOST_NAME_COLUMNS))
        .collect()
}

fn spikes(story: &Story) -> String {
    let line = |spike: &plimsoll_model::Spike| {
        let id = spike
            .job_id
            .as_ref()
            .map(|id| format!(" (job {})", code(id)))
            .unwrap_or_default();
        let frame = spike
            .allocation_stacks
            .first()
            .and_then(|stack| stack.frames.first());
        let place = frame
            .map(|frame| format!(", allocated at {}", code(frame)))
            .unwrap_or_default();
        format!(
            "- {}{id}: {}{place}\n",
            code(&spike.job_class),
            words::bytes(spike.peak_bytes as f64)
        )
    };
    story.report.spikes.iter().take(MOST_TEXTS).map(line).collect()
}

fn evidence(story: &Story) -> String {
    let line = |item: &plimsoll_model::Evidence| {
        let jobs = item
            .jobs
            .map(|jobs| format!(" after {}", words::counted(jobs, "job", "jobs")));
        let pause = item
            .pause_seconds
            .map(|pause| format!(", pause {}", words::duration(pause)));
        let (jobs, pause) = (jobs.unwrap_or_default(), pause.unwrap_or_default());
        format!(
            "- {}{jobs}{pause}: {}\n",
            words::evidence_kind(item.kind),
            code(&item.path)
        )
    };
    story.report.evidence.iter().take(MOST_TEXTS).map(line).collect()
}

fn footer(out: &mut String, story: &Story) {
    out.push('\n');
    for gap in story.report.window.gaps.iter().take(MOST_TEXTS) {
        let (from, to) = (words::duration(gap.from_seconds), words::duration(gap.to_seconds));
        *out += &format!("- No data from {from} to {to}: {}\n", text(&gap.reason));
    }
    list(out, story.notes);
    *out += &format!("- {}\n", words::cost(story.report));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        for (name, expected) in [
            ("failedPayloads", "`failedPayloads`"),
            ("a`b``c", "```a`b``c```"),
            ("`x", "`` `x ``"),
            ("a|b", "`a¦b`"),
            ("<b>", "`<b>`"),
            ("a\nb", "`a\\nb`"),
            (" ", "(no name)"),
        ] {
            assert_eq!(code(name), expected);
        }
    }

    #[test]
    fn sentences_stay_sentences() {
        for (sentence, expected) in [
            ("the array `x_y` grows", "the array `x_y` grows"),
            (
                "<img src=x> & [a](b) *c* | d",
                "&lt;img src=x&gt; &amp; \\[a\\](b) \\*c\\* \\| d",
            ),
            ("one ` alone", "one \\` alone"),
            (
                "ask @team about #7, http://x.example",
                "ask &#64;team about &#35;7, http:&#47;&#47;x.example",
            ),
        ] {
            assert_eq!(text(sentence), expected);
        }
    }
}
