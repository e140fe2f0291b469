//! Plain tables: the first column to the left, figures to the right.

use std::fmt::Write;

/// Letters of the first column that are shown.
const NAME_LETTERS: usize = 48;

/// Rows of text, the heads first.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heads: &[&str]) -> Self {
        Self {
            rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()],
        }
    }

    pub fn row(&mut self, name: &str, figures: impl IntoIterator<Item = String>) {
        let mut row = vec![shorten(name)];
        row.extend(figures);
        self.rows.push(row);
    }

    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // Writing to a string cannot fail.
                let _ = if column == 0 {
                    write!(out, "{cell:<width$}")
                } else {
                    write!(out, "  {cell:>width$}")
                };
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        out
    }
}

/// Names may hold anything, line breaks included.
fn shorten(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match name.char_indices().nth(NAME_LETTERS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// `14638863` as `14,638,863`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// As [`grouped`], with its sign.
pub fn signed(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "+" };
    format!("{sign}{}", grouped(count.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped() {
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (14_638_863, "14,638,863"),
        ] {
            assert_eq!(grouped(count), expected);
        }
        assert_eq!((signed(-1234), signed(5)), ("-1,234".to_owned(), "+5".to_owned()));
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["type", "count"]);
        table.row("Job", ["7".to_owned()]);
        table.row("a\nb", ["1,000".to_owned()]);
        assert_eq!(table.render(), "type  count\nJob       7\na b   1,000\n");
    }
}
