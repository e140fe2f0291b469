//! What a chart is made of, and the figure around its drawing: title, note, legend.

use maud::{Markup, html};

use super::draw::drawings;

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Rss,
    HeapUsed,
    External,
    Live,
    Floor,
    Fit,
    Pause,
    Delay,
    Mark,
    Gap,
    Grid,
    Label,
    Class(u8),
}

/// Colours for job classes; the charts fold further classes into one line.
pub(super) const CLASS_COLORS: u8 = 6;
const FIRST_CLASS_INDEX: u8 = 13;
/// The greatest number that [`Role::index`] gives; the style sheet has a variable for each from 1.
pub(super) const LAST_ROLE_INDEX: u8 = FIRST_CLASS_INDEX + CLASS_COLORS - 1;

impl Role {
    /// Number of the style-sheet variable that holds the colour.
    pub(super) fn index(self) -> u8 {
        match self {
            Role::Rss => 1,
            Role::HeapUsed => 2,
            Role::External => 3,
            Role::Live => 4,
            Role::Floor => 5,
            Role::Fit => 6,
            Role::Pause => 7,
            Role::Delay => 8,
            Role::Mark => 9,
            Role::Gap => 10,
            Role::Grid => 11,
            Role::Label => 12,
            Role::Class(class) => FIRST_CLASS_INDEX + class % CLASS_COLORS,
        }
    }
}

/// How a trace is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Line,
    ThinLine,
    Dots,
    Rings,
    Stems,
    /// A closed outline, filled faintly.
    Band,
}

/// One set of points.
pub(super) struct Trace {
    pub label: String,
    pub role: Role,
    pub mark: Mark,
    pub points: Vec<(f64, f64)>,
}

/// What an axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Bytes,
    Seconds,
    Jobs,
}

impl Quantity {
    /// What stands below an axis.
    pub(super) fn axis_title(self) -> &'static str {
        match self {
            Quantity::Bytes => "bytes",
            Quantity::Seconds => "time since the start",
            Quantity::Jobs => "completed jobs",
        }
    }

    /// Divisor and unit that make `most` a number of one to three digits.
    pub(super) fn scale(self, most: f64) -> (f64, &'static str) {
        let units: &[(f64, &str)] = match self {
            Quantity::Bytes => &[
                (1099511627776.0, "TiB"),
                (1073741824.0, "GiB"),
                (1048576.0, "MiB"),
                (1024.0, "KiB"),
            ],
            // Twice the unit, so that an axis of 61 s is not labelled in halves of a minute.
            Quantity::Seconds => &[(86400.0, "d"), (3600.0, "h"), (60.0, "min"), (0.5, "s")],
            Quantity::Jobs => &[],
        };
        let base = match self {
            Quantity::Bytes => (1.0, "B"),
            Quantity::Seconds => (1e-3, "ms"),
            Quantity::Jobs => (1.0, ""),
        };
        let reach = if self == Quantity::Seconds { 2.0 } else { 1.0 };
        let (divisor, unit) = units
            .iter()
            .copied()
            .find(|(size, _)| most >= size * reach)
            .unwrap_or(base);
        (if unit == "s" { 1.0 } else { divisor }, unit)
    }
}

/// A chart before it is drawn.
pub(super) struct Chart {
    pub title: &'static str,
    pub note: String,
    pub x: Quantity,
    pub y: Quantity,
    pub traces: Vec<Trace>,
    /// Upright lines, such as captures.
    pub marks: Vec<f64>,
    /// Stretches without data.
    pub gaps: Vec<(f64, f64)>,
    /// Movement below this share of the greatest value is not blown up to the height of the chart.
    pub least_span_share: f64,
    /// Whether the y axis starts at zero even where the data does not.
    pub from_zero: bool,
}

/// The chart as a figure with its legend and what else belongs to it; nothing if it has no points to show.
pub(super) fn figure(chart: &Chart, below: &Markup) -> Markup {
    let Some(drawings) = drawings(chart) else {
        return html! {};
    };
    html! {
        figure.card {
            figcaption { h3 { (chart.title) } @if !chart.note.is_empty() { p.note { (chart.note) } } }
            (drawings)
            (legend(chart))
            (below)
        }
    }
}

fn legend(chart: &Chart) -> Markup {
    let traces = chart.traces.iter().filter(|trace| !trace.label.is_empty());
    let traces = traces.map(|trace| (swatch(trace.mark), trace.role, trace.label.as_str()));
    let marks = (!chart.marks.is_empty()).then_some(("upright", Role::Mark, "evidence taken"));
    let gaps = (!chart.gaps.is_empty()).then_some(("area", Role::Gap, "no data"));
    html! {
        ul.legend {
            @for (shape, role, label) in traces.chain(marks).chain(gaps) {
                li { span class={ "swatch " (shape) } style={ "--c:var(--r" (role.index()) ")" } {} (label) }
            }
        }
    }
}

fn swatch(mark: Mark) -> &'static str {
    match mark {
        Mark::Line => "line",
        Mark::ThinLine => "line thin",
        Mark::Dots => "dot",
        Mark::Rings => "ring",
        Mark::Stems => "upright solid",
        Mark::Band => "area",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_choose_a_readable_unit() {
        for (quantity, most, expected) in [
            (Quantity::Bytes, 512.0, (1.0, "B")),
            (Quantity::Bytes, 2e8, (1048576.0, "MiB")),
            (Quantity::Seconds, 0.02, (1e-3, "ms")),
            (Quantity::Seconds, 61.0, (1.0, "s")),
            (Quantity::Seconds, 1.5, (1.0, "s")),
            (Quantity::Seconds, 600.0, (60.0, "min")),
            (Quantity::Jobs, 1000.0, (1.0, "")),
        ] {
            assert_eq!(quantity.scale(most), expected, "{quantity:?} {most}");
        }
    }

    #[test]
    fn odd_points_draw_without_a_panic_and_without_a_fixed_colour() {
        for points in [
            vec![(0.0, 0.0)],
            vec![(1.0, 5.0); 3],
            vec![(0.0, f64::NAN), (1.0, -3.0), (2.0, 1e300)],
        ] {
            for mark in [
                Mark::Line,
                Mark::ThinLine,
                Mark::Dots,
                Mark::Rings,
                Mark::Stems,
                Mark::Band,
            ] {
                let trace = Trace {
                    label: "trace".into(),
                    role: Role::Class(5),
                    mark,
                    points: points.clone(),
                };
                let chart = Chart {
                    title: "chart",
                    note: String::new(),
                    x: Quantity::Jobs,
                    y: Quantity::Bytes,
                    traces: vec![trace],
                    marks: vec![0.5],
                    gaps: vec![(-5.0, 0.5)],
                    least_span_share: 0.1,
                    from_zero: false,
                };
                let text = figure(&chart, &html! {}).into_string();
                assert!(
                    text.contains("<svg") && !text.contains("\"#") && !text.contains("NaN"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn the_style_sheet_has_every_colour_in_light_and_dark() {
        let sheet = include_str!("style.css");
        for index in 1..=LAST_ROLE_INDEX {
            assert_eq!(sheet.matches(&format!("--r{index}: #")).count(), 2, "--r{index}");
        }
    }
}
