//! Words and signs of a JavaScript or TypeScript source, with strings, templates, comments and
//! regular expressions stepped over.
//!
//! No parser: just enough to find declarations. Whatever the text, it ends, and every token lies in it.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Identifier, keyword or private name (`#x`).
    Word,
    /// One sign; `=>`, `==` and the like are one token each.
    Sign,
    /// String, template, number or regular expression.
    Literal,
}

/// A token and the bytes that it covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Token<'s> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'s str,
    /// Offset in bytes.
    pub(crate) start: usize,
}

impl Token<'_> {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != TokenKind::Literal && self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.kind == TokenKind::Word
    }
}

/// Splits a source into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut reader = Reader {
        source,
        bytes: source.as_bytes(),
        at: 0,
        tokens: Vec::new(),
        templates: Vec::new(),
        depth: 0,
    };
    while reader.at < reader.bytes.len() {
        reader.step();
    }
    reader.tokens
}

struct Reader<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token<'s>>,
    /// Brace depths at which a template goes on after its `${…}`.
    templates: Vec<usize>,
    depth: usize,
}

/// Words after which a slash begins a regular expression.
const BEFORE_EXPRESSION: [&str; 13] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "instanceof",
    "else",
    "await",
    "yield",
];

/// Signs of two or three bytes that matter: none of them may be taken for `=` or `>`.
const LONG_SIGNS: [&str; 17] = [
    "===", "!==", "...", "**=", "??=", "&&=", "||=", "=>", "==", "!=", "<=", ">=", "+=", "-=", "*=", "?.",
    "??",
];

impl<'s> Reader<'s> {
    fn step(&mut self) {
        let byte = self.bytes[self.at];
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
            b'/' if self.next_is(b'/') => self.skip_line(),
            b'/' if self.next_is(b'*') => self.skip_block_comment(),
            b'#' if self.at == 0 && self.next_is(b'!') => self.skip_line(),
            b'/' if self.slash_begins_regex() => self.regex(),
            b'"' | b'\'' => self.string(byte),
            b'`' => self.template(),
            b'}' if self.templates.last() == Some(&self.depth) => {
                self.templates.pop();
                self.template();
            }
            b'0'..=b'9' => self.run(TokenKind::Literal),
            _ if is_word_byte(byte) || byte == b'#' => self.run(TokenKind::Word),
            _ => self.sign(byte),
        }
    }

    fn next_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at + 1) == Some(&byte)
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token {
            kind,
            text: &self.source[start..self.at],
            start,
        });
    }

    fn skip_line(&mut self) {
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
    }

    fn skip_block_comment(&mut self) {
        let rest = &self.source[self.at + 2..];
        self.at = rest
            .find("*/")
            .map_or(self.bytes.len(), |end| self.at + 2 + end + 2);
    }

    fn slash_begins_regex(&self) -> bool {
        match self.tokens.last() {
            None => true,
            Some(token) if token.kind == TokenKind::Word => BEFORE_EXPRESSION.contains(&token.text),
            Some(token) if token.kind == TokenKind::Literal => false,
            Some(token) => !matches!(token.text, ")" | "]" | "}"),
        }
    }

    fn regex(&mut self) {
        let start = self.at;
        let mut in_class = false;
        self.at += 1;
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            match self.bytes[self.at] {
                b'\\' => self.at += 1,
                b'[' => in_class = true,
                b']' => in_class = false,
                b'/' if !in_class => break,
                _ => {}
            }
            self.at += 1;
        }
        self.end_literal(start);
    }

    fn string(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        while self.at < self.bytes.len() && self.bytes[self.at] != quote && self.bytes[self.at] != b'\n' {
            self.at += if self.bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.end_literal(start);
    }

    /// From a backtick, or from the brace that ends a `${…}`, to the next of either.
    fn template(&mut self) {
        let start = self.at;
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b'\\' => self.at += 1,
                b'`' => break,
                b'$' if self.next_is(b'{') => {
                    self.at += 1;
                    self.templates.push(self.depth);
                    break;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.end_literal(start);
    }

    /// Ends after the closing byte, at a character boundary.
    fn end_literal(&mut self, start: usize) {
        self.at = (self.at + 1).min(self.bytes.len());
        while !self.source.is_char_boundary(self.at) {
            self.at += 1;
        }
        self.push(TokenKind::Literal, start);
    }

    fn run(&mut self, kind: TokenKind) {
        let start = self.at;
        self.at += 1;
        while self.at < self.bytes.len() && is_word_byte(self.bytes[self.at]) {
            self.at += 1;
        }
        self.push(kind, start);
    }

    fn sign(&mut self, byte: u8) {
        let start = self.at;
        let rest = &self.source[self.at..];
        let long = LONG_SIGNS.iter().find(|sign| rest.starts_with(**sign));
        self.at += long.map_or(1, |sign| sign.len());
        match byte {
            b'{' => self.depth += 1,
            b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.push(TokenKind::Sign, start);
    }
}

/// Letters of identifiers; every byte of a character beyond ASCII counts as one.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let words: Vec<&str> = tokens(source)
            .iter()
            .filter(|token| token.is_word())
            .map(|token| token.text)
            .collect();
        assert_eq!(words, expected, "{source}");
    }

    #[test]
    fn what_is_no_code_is_stepped_over() {
        check("a // b\n c /* d\n e */ f", &["a", "c", "f"]);
        check(r#"a "b \" c" 'd' e"#, &["a", "e"]);
        check("a `b ${c + `d ${e}` } f` g", &["a", "c", "e", "g"]);
        check("a = /b'[/]c/g; d / e / f", &["a", "g", "d", "e", "f"]);
        check("return /x\"/.test(y)", &["return", "test", "y"]);
        check("`${ {a: 1}.b }` c", &["a", "b", "c"]);
        check("this.#items = größe", &["this", "#items", "größe"]);
    }

    #[test]
    fn broken_text_ends() {
        for source in [
            "'",
            "\"a\\",
            "`",
            "`${",
            "/*",
            "/[",
            "}}}",
            "\u{1F600}`\\\u{1F600}",
            "'\\\u{1F600}",
        ] {
            let spans = tokens(source);
            assert!(
                spans
                    .iter()
                    .all(|token| source[token.start..].starts_with(token.text)),
                "{source}"
            );
        }
    }
}
