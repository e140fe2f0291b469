//! Lines of inked spans. Every text passes through here on its way out, so escaping, clipping, colour
//! and the fallback for terminals without Unicode have one place.

use anstyle::{AnsiColor, Effects};

use crate::untrusted::{clip_end, visible, width};

/// What the terminal can do. The caller finds out; `NO_COLOR` means `color: false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour. Nothing is said by colour alone.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

/// Narrower than this nothing can be laid out; wider lines are hard to read.
const LEAST_COLUMNS: usize = 40;
const MOST_COLUMNS: usize = 140;

/// What a span means, not how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Strong,
    Faint,
    Bad,
    Good,
    Unsure,
    Name,
}

impl Ink {
    fn style(self) -> anstyle::Style {
        let color = |color: AnsiColor| anstyle::Style::new().fg_color(Some(color.into()));
        match self {
            Ink::Plain => anstyle::Style::new(),
            Ink::Strong => anstyle::Style::new().effects(Effects::BOLD),
            Ink::Faint => anstyle::Style::new().effects(Effects::DIMMED),
            Ink::Bad => color(AnsiColor::Red).effects(Effects::BOLD),
            Ink::Good => color(AnsiColor::Green).effects(Effects::BOLD),
            Ink::Unsure => color(AnsiColor::Yellow).effects(Effects::BOLD),
            Ink::Name => color(AnsiColor::Cyan).effects(Effects::BOLD),
        }
    }
}

/// A piece of a line.
pub(crate) struct Span {
    pub ink: Ink,
    pub text: String,
}

/// Makes a span.
pub(crate) fn span(ink: Ink, text: impl Into<String>) -> Span {
    Span {
        ink,
        text: text.into(),
    }
}

/// The text under construction.
pub(crate) struct Sheet {
    style: Style,
    out: String,
}

impl Sheet {
    pub(crate) fn new(style: Style) -> Self {
        Sheet {
            style: Style {
                width: style.width.clamp(LEAST_COLUMNS, MOST_COLUMNS),
                ..style
            },
            out: String::new(),
        }
    }

    /// Columns to lay out for.
    pub(crate) fn columns(&self) -> usize {
        self.style.width
    }

    /// Whether more than ASCII can be shown.
    pub(crate) fn unicode(&self) -> bool {
        self.style.unicode
    }

    /// Ends a paragraph.
    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A section title.
    pub(crate) fn title(&mut self, text: &str) {
        self.blank();
        self.line(&[span(Ink::Strong, text.to_uppercase())]);
    }

    /// One line, cut off at the edge.
    pub(crate) fn line(&mut self, spans: &[Span]) {
        let mut left = self.style.width;
        for piece in spans {
            let text = clip_end(&self.shown(&piece.text), left);
            left = left.saturating_sub(width(&text));
            self.put(piece.ink, &text);
            if left == 0 {
                break;
            }
        }
        self.out.push('\n');
    }

    /// One line that may run over the edge: a path must be whole to be copied.
    pub(crate) fn whole_line(&mut self, spans: &[Span]) {
        for piece in spans {
            let text = self.shown(&piece.text);
            self.put(piece.ink, &text);
        }
        self.out.push('\n');
    }

    /// A paragraph: `lead` opens the first line, the others hang below its end.
    pub(crate) fn paragraph(&mut self, lead: &str, ink: Ink, text: &str) {
        let hang = width(lead);
        let lines = wrap(&self.shown(text), self.style.width.saturating_sub(hang));
        for (index, line) in lines.iter().enumerate() {
            let margin = if index == 0 {
                lead.to_owned()
            } else {
                " ".repeat(hang)
            };
            self.put(Ink::Faint, &margin);
            self.put(ink, line);
            self.out.push('\n');
        }
    }

    fn shown(&self, text: &str) -> String {
        let text = visible(text);
        if self.style.unicode {
            text
        } else {
            text.replace('±', "+/-")
        }
    }

    fn put(&mut self, ink: Ink, text: &str) {
        let text = if self.style.unicode {
            text.to_owned()
        } else {
            text.chars().map(ascii).collect()
        };
        if self.style.color && ink != Ink::Plain && !text.trim().is_empty() {
            let style = ink.style();
            self.out.push_str(&format!("{style}{text}{style:#}"));
        } else {
            self.out.push_str(&text);
        }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// Breaks at spaces; a word longer than the line is broken where the line ends.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if used > 0 && used + 1 + width(word) > columns {
            lines.push(String::new());
            used = 0;
        }
        if used > 0 {
            push_to_last(&mut lines, ' ');
            used += 1;
        }
        for c in word.chars() {
            let step = width(c.encode_utf8(&mut [0; 4]));
            if used + step > columns {
                lines.push(String::new());
                used = 0;
            }
            push_to_last(&mut lines, c);
            used += step;
        }
    }
    lines
}

fn push_to_last(lines: &mut [String], c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
    }
}

/// One column stays one column, so that tables keep their shape.
fn ascii(c: char) -> char {
    match c {
        c if c.is_ascii() => c,
        '▲' => '!',
        '✔' => '+',
        '≈' | '…' => '~',
        '–' | '·' | '─' => '-',
        '└' | '├' => '`',
        '┤' | '│' => '|',
        '×' => 'x',
        'µ' => 'u',
        '█' => '#',
        '░' => '.',
        '’' => '\'',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        color: false,
        width: 40,
        unicode: true,
    };

    #[test]
    fn paragraphs_hang_below_their_lead() {
        let mut sheet = Sheet::new(PLAIN);
        sheet.paragraph(
            "  1. ",
            Ink::Plain,
            "a sentence that is longer than the forty columns there are",
        );
        assert_eq!(
            sheet.finish(),
            "  1. a sentence that is longer than the\n     forty columns there are\n"
        );
    }

    #[test]
    fn a_word_without_end_is_broken_and_a_line_is_cut() {
        let mut sheet = Sheet::new(PLAIN);
        sheet.paragraph("", Ink::Plain, &"x".repeat(90));
        sheet.line(&[span(Ink::Plain, "y".repeat(90))]);
        let text = sheet.finish();
        assert!(text.lines().all(|line| width(line) <= 40), "{text}");
        assert_eq!(text.matches('x').count(), 90);
    }

    #[test]
    fn colour_is_left_out_when_not_wanted_and_escapes_never_pass() {
        for (color, expected) in [
            (false, "\\u{1b}[31m!\n"),
            (true, "\u{1b}[1m\u{1b}[31m\\u{1b}[31m!\u{1b}[0m\n"),
        ] {
            let mut sheet = Sheet::new(Style {
                color,
                unicode: false,
                ..PLAIN
            });
            sheet.line(&[span(Ink::Bad, "\u{1b}[31m▲")]);
            assert_eq!(sheet.finish(), expected);
        }
    }
}
