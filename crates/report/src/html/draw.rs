//! Draws one chart as SVG.
//!
//! The drawing library knows fixed colours only. Each role draws with a colour of its own that means
//! nothing and is replaced by a style-sheet variable afterwards, so that charts follow light and dark.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::chart::{Chart, LAST_ROLE_INDEX, Mark, Role, Trace};
use crate::words;

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

/// The chart once wide and once narrow, of which style sheets show one; `None` without any point.
pub(super) fn drawings(chart: &Chart) -> Option<Markup> {
    let frame = Frame::around(chart)?;
    Some(html! { @for size in &SIZES { (svg(chart, &frame, size)) } })
}

fn placeholder(index: u8) -> RGBColor {
    RGBColor(1, 2, index)
}

fn color(role: Role) -> RGBColor {
    placeholder(role.index())
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
        .bold_line_style(color(Role::Grid))
        .axis_style(color(Role::Grid))
        .label_style(("sans-serif", 14, &color(Role::Label)))
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
        let style = color(Role::Gap).mix(0.25).filled();
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
            color(Role::Mark).stroke_width(1),
        ))?;
    }
    Ok(())
}

fn draw_trace(plane: &mut Plane, trace: &Trace, frame: &Frame) -> Result<(), Failure> {
    let color = color(trace.role);
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
    (1..=LAST_ROLE_INDEX).fold(svg.to_owned(), |svg, index| {
        let RGBColor(red, green, blue) = placeholder(index);
        let drawn = format!("\"#{red:02X}{green:02X}{blue:02X}\"");
        svg.replace(&drawn, &format!("\"var(--r{index})\""))
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
}
