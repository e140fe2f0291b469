//! One report as terminal text, JSON, Markdown and HTML, and the lines of the live view.
//!
//! Pure: values in, text out. No I/O, no clock, no look at the terminal or the environment; the
//! caller says how wide the terminal is and whether colour is wanted (`NO_COLOR` is its business).
//!
//! Every name that comes from the worker (services, job classes, variables, paths, frames) is
//! untrusted: each sink escapes what its medium could take for an instruction, and shortens what is
//! too long. What is unknown is said in words; `null` and `NaN` never reach a reader.

pub mod ci;
mod figures;
mod floor_line;
mod html;
mod live;
mod markdown;
mod story;
mod terminal;
mod untrusted;
mod words;

pub use html::html;
pub use live::{LiveState, live_lines};
pub use markdown::markdown;
pub use story::{FloorPoint, Series, Story};
pub use terminal::{Style, terminal};

/// The report as `plimsoll.report/1`, pretty-printed, without a newline at the end.
pub fn json(report: &plimsoll_model::Report) -> String {
    plimsoll_wire::report::write(report)
}
