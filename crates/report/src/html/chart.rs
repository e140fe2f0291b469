//! Draws one chart as inline SVG, once wide and once narrow; style sheets decide which is shown.
//!
//! The drawing library knows fixed colours only. Each role draws with a colour of its own that means
//! nothing and is replaced by a style-sheet variable afterwards, so that charts follow light and dark.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::words;

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

impl Role {
    fn index(self) -> u8 {
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
            Role::Class(class) => 13 + class % CLASS_COLORS,
        }
    }

    fn placeholder(self) -> RGBColor {
        RGBColor(1, 2, self.index())
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
    fn axis_title(self) -> &'static str {
        match self {
            Quantity::Bytes => "bytes",
            Quantity::Seconds => "time since the start",
            Quantity::Jobs => "completed jobs",
        }
    }

    /// Divisor and unit that make `most` a number of one to three digits.
    fn scale(self, most: f64) -> (f64, &'static str) {
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

struct Size {
    class: &'static str,
    width: u32,
    height: u32,
    x_labels: usize,
}

const SIZES: [Size; 2] = [
    Size {
        class: "wide",
        width: 880,
        height: 264,
        x_labels: 9,
    },
    Size {
        class: "narrow",
        width: 340,
        height: 224,
        x_labels: 4,
    },
];
/// More points than pixels only make the file large.
const MOST_BUCKETS: usize = 300;

/// The chart as a figure with its legend and what else belongs to it; nothing if it has no points to show.
pub(super) fn figure(chart: &Chart, below: &Markup) -> Markup {
    let Some(frame) = Frame::around(chart) else {
        return html! {};
    };
    html! {
        figure.card {
            figcaption { h3 { (chart.title) } @if !chart.note.is_empty() { p.note { (chart.note) } } }
            @for size in &SIZES { (svg(chart, &frame, size)) }
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

/// The part of the plane that is shown, in the units of the labels.
struct Frame {
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
    x_unit: (f64, &'static str),
    y_unit: (f64, &'static str),
}

impl Frame {
    fn around(chart: &Chart) -> Option<Frame> {
        let points = || {
            chart
                .traces
                .iter()
                .flat_map(|trace| &trace.points)
                .filter(|point| is_finite(point))
        };
        let marks = chart.marks.iter().copied().filter(|mark| mark.is_finite());
        let (left, right) = extent(points().map(|point| point.0).chain(marks))?;
        let (low, high) = extent(points().map(|point| point.1))?;
        let missing = (high.abs() * chart.least_span_share - (high - low)).max(0.0);
        let margin = (high - low + missing) * 0.06 + missing / 2.0;
        let bottom = if chart.from_zero {
            0.0f64.min(low)
        } else {
            (low - margin).max(0.0f64.min(low))
        };
        let top = if high + margin > bottom {
            high + margin
        } else {
            bottom + 1.0
        };
        let right = if right > left { right } else { left + 1.0 };
        let (x_unit, y_unit) = (chart.x.scale(right), chart.y.scale(top));
        let (x, y) = (
            left / x_unit.0..right / x_unit.0,
            bottom / y_unit.0..top / y_unit.0,
        );
        Some(Frame { x, y, x_unit, y_unit })
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x / self.x_unit.0, y / self.y_unit.0)
    }
}

fn is_finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| {
        let (low, high) = extent.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

fn svg(chart: &Chart, frame: &Frame, size: &Size) -> Markup {
    let mut drawn = String::new();
    let canvas = SVGBackend::with_string(&mut drawn, (size.width, size.height)).into_drawing_area();
    let done = draw(&canvas, chart, frame, size);
    drop(canvas);
    if done.is_err() {
        return html! { p.note { "This chart could not be drawn." } };
    }
    let body = drawn
        .split_once('>')
        .map_or("", |(_, body)| body)
        .trim_end()
        .trim_end_matches("</svg>");
    html! {
        svg class={ "chart " (size.class) } viewBox={ "0 0 " (size.width) " " (size.height) } role="img" aria-label=(chart.title) {
            (PreEscaped(themed(body)))
        }
    }
}

type Failure = DrawingAreaErrorKind<std::io::Error>;
type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw(canvas: &Canvas, chart: &Chart, frame: &Frame, size: &Size) -> Result<(), Failure> {
    let mut plane = ChartBuilder::on(canvas)
        .margin_top(8)
        .margin_right(14)
        .x_label_area_size(42)
        .y_label_area_size(66)
        .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    let label =
        |unit: &'static str| move |value: &f64| format!("{} {unit}", words::number(*value)).trim().to_owned();
    plane
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(Role::Grid.placeholder())
        .axis_style(Role::Grid.placeholder())
        .label_style(("sans-serif", 14, &Role::Label.placeholder()))
        .x_desc(chart.x.axis_title())
        .x_labels(size.x_labels)
        .y_labels(6)
        .x_label_formatter(&label(frame.x_unit.1))
        .y_label_formatter(&label(frame.y_unit.1))
        .draw()?;
    draw_overlays(&mut plane, chart, frame)?;
    chart
        .traces
        .iter()
        .try_for_each(|trace| draw_trace(&mut plane, trace, frame))?;
    canvas.present()
}

/// Stretches without data, and the moments of evidence.
fn draw_overlays(plane: &mut Plane, chart: &Chart, frame: &Frame) -> Result<(), Failure> {
    for (from, to) in &chart.gaps {
        let corners = [frame.place((*from, 0.0)).0, frame.place((*to, 0.0)).0]
            .map(|x| x.clamp(frame.x.start, frame.x.end));
        let style = Role::Gap.placeholder().mix(0.25).filled();
        plane.draw_series([Rectangle::new(
            [(corners[0], frame.y.start), (corners[1], frame.y.end)],
            style,
        )])?;
    }
    for x in &chart.marks {
        let x = frame.place((*x, 0.0)).0;
        let ends = [(x, frame.y.start), (x, frame.y.end)];
        plane.draw_series(DashedLineSeries::new(
            ends,
            4,
            3,
            Role::Mark.placeholder().stroke_width(1),
        ))?;
    }
    Ok(())
}

fn draw_trace(plane: &mut Plane, trace: &Trace, frame: &Frame) -> Result<(), Failure> {
    let color = trace.role.placeholder();
    let finite: Vec<(f64, f64)> = trace.points.iter().copied().filter(is_finite).collect();
    let place = |points: Vec<(f64, f64)>| points.into_iter().map(|point| frame.place(point));
    match trace.mark {
        Mark::Line => {
            plane.draw_series(LineSeries::new(place(thinned(&finite)), color.stroke_width(2)))?;
        }
        Mark::ThinLine => {
            plane.draw_series(LineSeries::new(place(thinned(&finite)), color.stroke_width(1)))?;
        }
        Mark::Dots => {
            plane.draw_series(place(thinned(&finite)).map(|point| Circle::new(point, 3, color.filled())))?;
        }
        Mark::Rings => {
            plane.draw_series(
                place(thinned(&finite)).map(|point| Circle::new(point, 3, color.stroke_width(1))),
            )?;
        }
        Mark::Stems => {
            let stem = |(x, y): (f64, f64)| PathElement::new(vec![(x, 0.0), (x, y)], color.stroke_width(2));
            plane.draw_series(place(thinned(&finite)).map(stem))?;
        }
        Mark::Band => {
            plane.draw_series([Polygon::new(place(finite).collect::<Vec<_>>(), color.mix(0.18))])?;
        }
    }
    Ok(())
}

/// Keeps the least and the greatest of each bucket, so that no peak is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * MOST_BUCKETS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * MOST_BUCKETS);
    for bucket in points.chunks(points.len().div_ceil(MOST_BUCKETS)) {
        let index = |order: fn(&f64, &f64) -> std::cmp::Ordering| {
            let best = bucket.iter().enumerate().max_by(|a, b| order(&a.1.1, &b.1.1));
            best.map_or(0, |(index, _)| index)
        };
        let (least, greatest) = (index(|a, b| b.total_cmp(a)), index(f64::total_cmp));
        kept.push(bucket[least.min(greatest)]);
        if least != greatest {
            kept.push(bucket[least.max(greatest)]);
        }
    }
    kept
}

/// Replaces the placeholder colours by the variables of the style sheet.
fn themed(svg: &str) -> String {
    let classes = (0..CLASS_COLORS).map(Role::Class);
    let roles = [
        Role::Rss,
        Role::HeapUsed,
        Role::External,
        Role::Live,
        Role::Floor,
        Role::Fit,
        Role::Pause,
        Role::Delay,
        Role::Mark,
        Role::Gap,
        Role::Grid,
        Role::Label,
    ];
    roles
        .into_iter()
        .chain(classes)
        .fold(svg.to_owned(), |svg, role| {
            let RGBColor(red, green, blue) = role.placeholder();
            svg.replace(
                &format!("\"#{red:02X}{green:02X}{blue:02X}\""),
                &format!("\"var(--r{})\"", role.index()),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_peak_and_the_order() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|step| (f64::from(step), 1.0)).collect();
        points[54_321].1 = 99.0;
        let kept = thinned(&points);
        assert!(kept.len() <= 2 * MOST_BUCKETS && kept.contains(&(54_321.0, 99.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

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
}
