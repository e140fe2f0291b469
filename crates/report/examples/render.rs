//! Prints a sample report, to look at: `cargo run -p plimsoll-report --example render -- html leaking > r.html`.

#[path = "../tests/sample/mod.rs"]
mod sample;

use plimsoll_report::{Style, html, json, markdown, terminal};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| arguments.get(index).map(String::as_str).unwrap_or_default();
    let sample = match word(1) {
        "stable" => sample::stable(),
        "empty" => sample::empty(),
        "hostile" => sample::hostile(&"<script>alert(1)</script>\u{1b}[31m\u{202e}|`name` ".repeat(20)),
        _ => sample::leaking(),
    };
    let width = word(2).parse().unwrap_or(110);
    let story = sample.story();
    let text = match word(0) {
        "html" => html(&story),
        "markdown" => markdown(&story),
        "json" => json(story.report),
        "ascii" => terminal(
            &story,
            Style {
                color: false,
                width,
                unicode: false,
            },
        ),
        _ => terminal(
            &story,
            Style {
                color: true,
                width,
                unicode: true,
            },
        ),
    };
    println!("{text}");
}
