//! The forms of a report against golden files and against hostile input. `PLIMSOLL_BLESS=1` writes the
//! golden files anew; look at the difference before committing it.

mod html_check;
mod sample;

use std::path::Path;

use plimsoll_model::{Estimate, Interval, Quantiles};
use plimsoll_report::{FloorPoint, Series, Style, html, json, markdown, terminal};
use sample::Sample;
use unicode_width::UnicodeWidthStr;

const PLAIN: Style = Style {
    color: false,
    width: 100,
    unicode: true,
};

fn check_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden folder is writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}");
}

#[test]
fn terminal_of_a_leak() {
    check_golden("leaking.txt", &terminal(&sample::leaking().story(), PLAIN));
}

#[test]
fn terminal_of_a_sound_worker_is_short() {
    let text = terminal(&sample::stable().story(), PLAIN);
    assert!(text.lines().count() <= 24, "{text}");
    check_golden("stable.txt", &text);
}

#[test]
fn terminal_of_a_run_that_saw_nothing() {
    check_golden("empty.txt", &terminal(&sample::empty().story(), PLAIN));
}

#[test]
fn terminal_without_unicode_is_ascii() {
    let text = terminal(
        &sample::leaking().story(),
        Style {
            color: true,
            width: 80,
            unicode: false,
        },
    );
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn json_of_a_run_that_saw_nothing() {
    check_golden("empty.json", &json(&sample::empty().report));
}

#[test]
fn markdown_of_a_leak() {
    check_golden("leaking.md", &markdown(&sample::leaking().story()));
}

#[test]
fn json_reads_back_as_it_was() {
    for sample in [
        sample::leaking(),
        sample::stable(),
        sample::empty(),
        sample::hostile("\u{1b}[2J\u{202e}\"\\"),
    ] {
        assert_eq!(
            plimsoll_wire::report::read(&json(&sample.report)).unwrap(),
            sample.report
        );
    }
}

#[test]
fn html_is_well_formed_and_loads_nothing() {
    for sample in [sample::leaking(), sample::stable(), sample::empty()] {
        let page = html(&sample.story());
        html_check::check(&page);
        for forbidden in [
            "<script", "http://", "https://", "url(", "@import", "<link", "<img", "<iframe",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn html_says_what_was_found() {
    let page = html(&sample::leaking().story());
    for fact in [
        "Every job leaves 12.4 KiB behind in the heap.",
        "failedPayloads",
        "worker.js:12:7",
        "growing-collection",
        "Drain <code>failedPayloads</code> after the retry",
        "23.4 to 25.9 KiB",
        "job-550.heapsnapshot",
        "readAttachment lib/mime.js:31:18",
        "Live heap over completed jobs",
        "until full",
        "interval of the growth",
        "0.4 % of the worker&#39;s CPU time",
    ] {
        assert!(
            page.contains(fact) || page.contains(&fact.replace("&#39;", "'")),
            "{fact}"
        );
    }
    assert_eq!(
        page.matches("<svg class=\"chart").count(),
        8,
        "four charts in two widths"
    );
}

#[test]
fn nothing_unknown_is_printed_as_null_or_nan() {
    let broken = || Estimate {
        estimate: f64::NAN,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        confidence: f64::NAN,
    };
    let mut sample = sample::leaking();
    let report = &mut sample.report;
    (report.verdict.bytes_per_job, report.verdict.bytes_per_hour) = (Some(broken()), Some(broken()));
    report.verdict.exhaustion_in_seconds = Some(Interval {
        estimate: f64::INFINITY,
        low: f64::NAN,
        high: Some(f64::NAN),
    });
    report.verdict.minimum_effect_bytes_per_job = Some(f64::NAN);
    (report.window.seconds, report.cost.pauses_seconds) = (f64::NAN, f64::NAN);
    report.cost.agent_cpu_share = Some(f64::NAN);
    for class in &mut report.job_classes {
        class.bytes_per_job = Some(broken());
        class.duration_seconds = Some(Quantiles {
            p50: f64::NAN,
            p95: f64::INFINITY,
            p999: -1.0,
        });
        class.allocated_bytes_per_job = Some(f64::NAN);
    }
    for suspect in &mut report.suspects {
        (suspect.bytes_per_job, suspect.count_per_job) = (Some(f64::NAN), Some(f64::NAN));
    }
    let floor = |jobs| FloorPoint {
        at_seconds: f64::NAN,
        jobs,
        live_bytes: f64::NAN,
        external_bytes: None,
        in_flight: 0,
    };
    sample.series = Series {
        rss_bytes: vec![(f64::NAN, f64::INFINITY); 5],
        floors: (0..9).map(floor).collect(),
        ..Series::default()
    };
    for text in texts(&sample).into_iter().chain(texts(&sample::empty())) {
        for word in ["NaN", "null", "inf ", "infinity", "None"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}

fn texts(sample: &Sample) -> [String; 3] {
    [
        terminal(&sample.story(), PLAIN),
        markdown(&sample.story()),
        html(&sample.story()),
    ]
}

const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</style><script>",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{9b}31m\r\n\tx",
    "\u{202e}gnp.exe\u{200f}\u{2066}",
    "`a` | b \n# c ``` <!-- ",
    "&lt;b&gt; ]]> --> '\"",
    "",
];

#[test]
fn hostile_names_cannot_steer_what_shows_them() {
    let endless = "n".repeat(10_000);
    let wide = "名".repeat(10_000);
    for text in HOSTILE.into_iter().chain([endless.as_str(), wide.as_str()]) {
        let sample = sample::hostile(text);
        for form in texts(&sample) {
            let steering = form
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
            assert_eq!(steering, None, "{text:?}");
            assert!(form.len() < 400_000, "{} bytes for {text:.20?}", form.len());
        }
        let page = html(&sample.story());
        html_check::check(&page);
        assert!(!page.contains("<script") && !page.contains("<img"), "{text:?}");
        assert!(
            !markdown(&sample.story())
                .lines()
                .any(|line| line.starts_with("# ")),
            "{text:?}"
        );
    }
}

#[test]
fn markdown_holds_no_html_outside_of_code() {
    let text = markdown(&sample::hostile("<img src=x onerror=alert(1)>").story());
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let prose: String = line.split('`').step_by(2).collect();
        assert!(fenced || !prose.contains('<'), "{line}");
    }
}

#[test]
fn terminal_lines_fit_except_paths_that_must_be_whole() {
    for width in [0, 40, 80, 200, usize::MAX] {
        for sample in [
            sample::leaking(),
            sample::hostile(&"long name ".repeat(300)),
            sample::empty(),
        ] {
            let mut sample = sample;
            sample.report.evidence.clear();
            let text = terminal(&sample.story(), Style { width, ..PLAIN });
            let widest = text.lines().map(UnicodeWidthStr::width).max().unwrap();
            assert!(
                widest <= width.clamp(45, 140),
                "{widest} columns for {width}: {text}"
            );
        }
    }
}

#[test]
fn a_report_of_any_size_stays_bounded() {
    let mut sample = sample::leaking();
    let report = &mut sample.report;
    report.job_classes = vec![report.job_classes[0].clone(); 20_000];
    report.suspects = vec![report.suspects[0].clone(); 5_000];
    report.suspects[0].retainer_path = vec!["step".into(); 50_000];
    report.spikes = vec![report.spikes[0].clone(); 20_000];
    report.evidence = vec![report.evidence[0].clone(); 20_000];
    report.verdict.reasons = vec!["reason".into(); 20_000];
    sample.notes = vec!["note".into(); 20_000];
    sample.series.rss_bytes = (0..500_000)
        .map(|step| (f64::from(step), f64::from(step % 977)))
        .collect();
    for text in texts(&sample) {
        assert!(text.len() < 1_000_000, "{} bytes", text.len());
    }
}
