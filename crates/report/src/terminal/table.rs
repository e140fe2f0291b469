//! Aligned columns that give way: where the terminal is narrow, the least important columns go first.

use super::sheet::{Ink, Sheet, Span, span};
use crate::untrusted::{clip_middle, visible, width};

/// On which side a column's cells line up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A column: its title, the side, and its weight; the lightest columns are dropped first.
pub(crate) struct Column {
    pub title: &'static str,
    pub side: Side,
    pub weight: u8,
}

/// A cell.
pub(crate) type Cell = (Ink, String);

const GAP: usize = 2;
/// A cell longer than this loses its middle: one endless name must not push the figures out.
const MOST_CELL_COLUMNS: usize = 32;

/// Prints a table; each row has one cell per column.
pub(crate) fn table(sheet: &mut Sheet, columns: &[Column], rows: &[Vec<Cell>]) {
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(clipped).collect()).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| column_width(&columns[index], &rows, index))
        .collect();
    let shown = fitting(columns, &widths, sheet.columns().saturating_sub(GAP));
    let titles: Vec<Cell> = columns
        .iter()
        .map(|column| (Ink::Faint, column.title.to_owned()))
        .collect();
    for row in std::iter::once(&titles).chain(&rows) {
        let mut spans = Vec::new();
        for &index in &shown {
            spans.push(span(Ink::Plain, " ".repeat(GAP)));
            spans.extend(padded(row.get(index), columns[index].side, widths[index]));
        }
        sheet.line(&spans);
    }
}

fn clipped((ink, text): &Cell) -> Cell {
    (*ink, clip_middle(&visible(text), MOST_CELL_COLUMNS))
}

fn column_width(column: &Column, rows: &[Vec<Cell>], index: usize) -> usize {
    let cells = rows
        .iter()
        .filter_map(|row| row.get(index))
        .map(|(_, text)| width(text));
    cells.max().unwrap_or(0).max(width(column.title))
}

/// Indices of the columns that stay, in their order.
fn fitting(columns: &[Column], widths: &[usize], room: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    while shown.len() > 1 && shown.iter().map(|&index| widths[index] + GAP).sum::<usize>() > room + GAP {
        let lightest = shown
            .iter()
            .enumerate()
            .min_by_key(|(_, index)| columns[**index].weight);
        let position = lightest.map_or(0, |(position, _)| position);
        shown.remove(position);
    }
    shown
}

fn padded(cell: Option<&Cell>, side: Side, columns: usize) -> [Span; 2] {
    let (ink, text) = cell.cloned().unwrap_or((Ink::Plain, String::new()));
    let padding = span(Ink::Plain, " ".repeat(columns.saturating_sub(width(&text))));
    match side {
        Side::Left => [span(ink, text), padding],
        Side::Right => [padding, span(ink, text)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Style;
    use super::*;

    fn check(width: usize, expected: &str) {
        let columns = [
            Column {
                title: "class",
                side: Side::Left,
                weight: 9,
            },
            Column {
                title: "jobs",
                side: Side::Right,
                weight: 5,
            },
            Column {
                title: "an optional column",
                side: Side::Right,
                weight: 1,
            },
        ];
        let cell = |text: &str| (Ink::Plain, text.to_owned());
        let rows = [
            vec![cell("email"), cell("5"), cell("x")],
            vec![cell("pdf"), cell("1,000"), cell("y")],
        ];
        let mut sheet = Sheet::new(Style {
            color: false,
            width,
            unicode: true,
        });
        table(&mut sheet, &columns, &rows);
        let text: Vec<String> = sheet
            .finish()
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        assert_eq!(text.join("\n"), expected);
    }

    #[test]
    fn the_lightest_column_goes_first() {
        check(
            40,
            "  class   jobs  an optional column\n  email      5                   x\n  pdf    1,000                   y",
        );
        let narrow = [
            Column {
                title: "a",
                side: Side::Left,
                weight: 9,
            },
            Column {
                title: "b",
                side: Side::Left,
                weight: 1,
            },
        ];
        assert_eq!(fitting(&narrow, &[20, 20], 30), [0]);
    }
}
