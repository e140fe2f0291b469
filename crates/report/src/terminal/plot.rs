//! A small plot of points over one axis, in braille dots or, without Unicode, in stars.

use super::sheet::{Ink, Sheet, span};
use crate::untrusted::width;

/// A plot: points in order of x, and how to print both axes.
pub(crate) struct Plot<'a> {
    pub points: &'a [(f64, f64)],
    pub y_label: fn(f64) -> String,
    pub x_label: fn(f64) -> String,
}

const ROWS: usize = 5;
const MOST_CELLS: usize = 72;
/// Below this share of its height, movement is drawn as what it is: nearly flat.
const LEAST_SPAN_SHARE: f64 = 0.1;

/// Draws the plot; nothing for fewer than two different x.
pub(crate) fn plot(sheet: &mut Sheet, plot: &Plot) {
    let Some(frame) = Frame::around(plot.points) else {
        return;
    };
    let labels = [(plot.y_label)(frame.top), (plot.y_label)(frame.bottom)];
    let margin = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let cells = sheet.columns().saturating_sub(margin + 6).clamp(10, MOST_CELLS);
    let rows = if sheet.unicode() {
        braille(plot.points, &frame, cells)
    } else {
        stars(plot.points, &frame, cells)
    };
    for (index, row) in rows.iter().enumerate() {
        let label = match index {
            0 => labels[0].as_str(),
            _ if index + 1 == rows.len() => labels[1].as_str(),
            _ => "",
        };
        let axis = format!("  {}{label} ┤", " ".repeat(margin.saturating_sub(width(label))));
        sheet.line(&[span(Ink::Faint, axis), span(Ink::Name, row.clone())]);
    }
    let (from, to) = ((plot.x_label)(frame.left), (plot.x_label)(frame.right));
    let gap = " ".repeat(cells.saturating_sub(width(&from) + width(&to)));
    sheet.line(&[span(
        Ink::Faint,
        format!("{}{from}{gap}{to}", " ".repeat(margin + 4)),
    )]);
}

/// The part of the plane that is shown.
struct Frame {
    left: f64,
    right: f64,
    bottom: f64,
    top: f64,
}

impl Frame {
    fn around(points: &[(f64, f64)]) -> Option<Frame> {
        let (left, right) = (points.first()?.0, points.last()?.0);
        let bottom = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let top = points
            .iter()
            .map(|point| point.1)
            .fold(f64::NEG_INFINITY, f64::max);
        let missing = (top.abs() * LEAST_SPAN_SHARE - (top - bottom)).max(0.0);
        let frame = Frame {
            left,
            right,
            bottom: (bottom - missing / 2.0).max(0.0),
            top: top + missing / 2.0,
        };
        let usable = [left, right, bottom, top].iter().all(|edge| edge.is_finite());
        (usable && right > left && frame.top > frame.bottom).then_some(frame)
    }

    /// Which dot of a grid a point falls on, (column, row), row 0 at the top.
    fn dot(&self, (x, y): (f64, f64), columns: usize, rows: usize) -> (usize, usize) {
        let across = (x - self.left) / (self.right - self.left) * (columns - 1) as f64;
        let down = (self.top - y) / (self.top - self.bottom) * (rows - 1) as f64;
        (
            (across.round().max(0.0) as usize).min(columns - 1),
            (down.round().max(0.0) as usize).min(rows - 1),
        )
    }
}

/// Dots of the line through the points, on a grid.
fn trace(points: &[(f64, f64)], frame: &Frame, columns: usize, rows: usize) -> Vec<(usize, usize)> {
    let mut dots = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (
            frame.dot(pair[0], columns, rows),
            frame.dot(pair[1], columns, rows),
        );
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            let share = step as f64 / steps as f64;
            let between =
                |from: usize, to: usize| (from as f64 + (to as f64 - from as f64) * share).round() as usize;
            dots.push((between(from.0, to.0), between(from.1, to.1)));
        }
    }
    dots
}

fn stars(points: &[(f64, f64)], frame: &Frame, cells: usize) -> Vec<String> {
    let mut grid = vec![vec![' '; cells]; ROWS];
    for (column, row) in trace(points, frame, cells, ROWS) {
        grid[row][column] = '*';
    }
    grid.into_iter().map(|row| row.into_iter().collect()).collect()
}

/// A braille cell is 2 dots wide and 4 high; the bits are those of the Unicode block (U+2800).
fn braille(points: &[(f64, f64)], frame: &Frame, cells: usize) -> Vec<String> {
    const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let mut grid = vec![vec![0u8; cells]; ROWS];
    for (column, row) in trace(points, frame, cells * 2, ROWS * 4) {
        grid[row / 4][column / 2] |= BITS[row % 4][column % 2];
    }
    let letter = |bits: u8| char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
    grid.into_iter()
        .map(|row| row.into_iter().map(letter).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Style;
    use super::*;

    fn draw(points: &[(f64, f64)], unicode: bool) -> String {
        let mut sheet = Sheet::new(Style {
            color: false,
            width: 40,
            unicode,
        });
        plot(
            &mut sheet,
            &Plot {
                points,
                y_label: |y| format!("{y:.0}"),
                x_label: |x| format!("{x:.0}"),
            },
        );
        sheet.finish()
    }

    #[test]
    fn a_rising_line_rises() {
        let text = draw(&[(0.0, 0.0), (100.0, 50.0)], false);
        let stars: Vec<usize> = text
            .lines()
            .take(ROWS)
            .map(|line| line.find('*').unwrap())
            .collect();
        assert!(stars.windows(2).all(|pair| pair[0] > pair[1]), "{text}");
        assert!(
            text.starts_with("  50 |") && text.lines().last().unwrap().ends_with("100"),
            "{text}"
        );
    }

    #[test]
    fn a_flat_line_stays_flat_and_points_without_extent_draw_nothing() {
        let text = draw(&[(0.0, 1000.0), (1.0, 1001.0), (2.0, 1000.0)], false);
        assert!(
            text.lines().filter(|line| line.contains('*')).count() <= 2,
            "{text}"
        );
        for points in [
            &[][..],
            &[(1.0, 1.0)],
            &[(1.0, 1.0), (1.0, 2.0)],
            &[(0.0, f64::NAN), (1.0, f64::NAN)],
        ] {
            assert_eq!(draw(points, true), "");
        }
    }
}
