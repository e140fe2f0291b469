//! Text from the worker made safe to show: nothing in it may steer a terminal, reorder a line or
//! hide itself. What a medium's own syntax needs (HTML, Markdown) is escaped by that medium.

use unicode_width::UnicodeWidthChar;

/// Replaces control characters, direction overrides and invisible characters by their code, such as
/// `\u{1b}`. Letters of every script stay as they are.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_treacherous(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// Control characters, and the invisible ones of Unicode Technical Report 36 (security considerations):
/// direction marks and overrides, zero-width spaces, line separators, tags.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}'
        )
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns that a text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Shortens to `columns` by cutting out the middle, since both ends of a path or a name tell it apart.
pub(crate) fn clip_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head = take_columns(text.chars(), room.div_ceil(2));
    let tail: String = take_columns(text.chars().rev(), room / 2).chars().rev().collect();
    format!("{head}…{tail}")
}

/// Shortens to `columns` by cutting off the end.
pub(crate) fn clip_end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    take_columns(text.chars(), columns.saturating_sub(1)) + "…"
}

fn take_columns(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    chars
        .take_while(|&c| {
            let fits = char_width(c) <= left;
            left = left.saturating_sub(char_width(c));
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_becomes_visible() {
        for (text, expected) in [
            ("failedPayloads", "failedPayloads"),
            ("größe 名前 שלום", "größe 名前 שלום"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("ab\u{202e}cd", "ab\\u{202e}cd"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ] {
            assert_eq!(visible(text), expected);
        }
    }

    #[test]
    fn long_names_lose_their_middle() {
        for (text, columns, expected) in [
            ("short", 5, "short"),
            ("abcdefghij", 5, "ab…ij"),
            ("abcdefghij", 6, "abc…ij"),
            ("名前名前名前", 7, "名…前"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(clip_middle(text, columns), expected);
        }
        assert_eq!(clip_end("abcdefghij", 5), "abcd…");
    }
}
