//! Properties in a source: where they get their first value, and how they are read.

use crate::source_scan::{Scan, Spot};
use crate::source_token::TokenKind;

impl Scan<'_> {
    /// Where the property `name` gets its first value, in the class or function at `around` if given:
    /// `this.name =`, a class field, `x.name =`, or `name:` in an object literal.
    pub(crate) fn property(&self, name: &str, around: Option<Spot>) -> Option<Spot> {
        let range = around.and_then(|spot| self.body_after(self.offset(spot)?));
        let bare = name.strip_prefix('#').unwrap_or(name);
        let candidates = (0..self.tokens.len()).filter(|at| {
            let token = &self.tokens[*at];
            let text = token.text.strip_prefix('#').unwrap_or(token.text);
            token.kind == TokenKind::Word && (token.text == name || text == bare)
                || token.kind == TokenKind::Literal && unquoted(token.text) == name
        });
        candidates
            .filter_map(|at| Some((self.property_rank(at)?, at)))
            .filter(|(_, at)| range.is_none_or(|(start, end)| (start..end).contains(at)))
            .min()
            .map(|(_, at)| self.spot(self.tokens[at].start))
    }

    /// Where `globalThis.name` (or `global.name`) is assigned first.
    pub(crate) fn global_property(&self, name: &str) -> Option<Spot> {
        (2..self.tokens.len().saturating_sub(1))
            .find(|at| {
                self.tokens[*at].is(name)
                    && self.tokens[at - 1].is(".")
                    && (self.tokens[at - 2].is("globalThis") || self.tokens[at - 2].is("global"))
                    && ["=", "??=", "||="]
                        .iter()
                        .any(|sign| self.tokens[at + 1].is(sign))
            })
            .map(|at| self.spot(self.tokens[at].start))
    }

    /// Whether the variable declared at `spot` is what another module exports: `x = require(…)`,
    /// `{ x } = require(…)`, `x = require(…).y`, `import x from`.
    pub(crate) fn is_required(&self, spot: Spot) -> bool {
        let Some(offset) = self.offset(spot) else {
            return false;
        };
        let at = self.tokens.partition_point(|token| token.start < offset);
        let opener = self.opener_of(at).filter(|open| self.tokens[*open].is("{"));
        let pattern = opener.filter(|open| {
            self.partner[*open].is_some_and(|close| {
                self.tokens
                    .get(close + 1)
                    .is_some_and(|token| token.is("=") || token.is("from"))
            })
        });
        let end = pattern.and_then(|open| self.partner[open]).unwrap_or(at);
        let is = |ahead: usize, text: &str| self.tokens.get(end + ahead).is_some_and(|token| token.is(text));
        is(1, "from") || is(1, "=") && (is(2, "require") && is(3, "(") || is(2, "await") && is(3, "import"))
    }

    /// How much the word at a token looks like the first assignment of a property; `None` if not at all.
    fn property_rank(&self, at: usize) -> Option<u8> {
        let before = at.checked_sub(1).map(|before| self.tokens[before]);
        let after = self.tokens.get(at + 1);
        let after_is = |text: &str| after.is_some_and(|token| token.is(text));
        let is_assigned = after_is("=") || after_is("??=") || after_is("||=");
        if before.is_some_and(|token| token.is(".")) {
            let this = at >= 2 && self.tokens[at - 2].is("this");
            return is_assigned.then_some(if this { 0 } else { 2 });
        }
        if self.in_class_body(at) && (is_assigned || after_is(";") || after_is(":")) {
            return Some(0);
        }
        let in_list = before.is_some_and(|token| token.is("{") || token.is(","));
        if in_list && after_is(":") {
            return Some(1);
        }
        (in_list && (after_is(",") || after_is("}"))).then_some(3)
    }

    /// Whether a token stands right in the braces of a class.
    fn in_class_body(&self, at: usize) -> bool {
        let Some(open) = self.opener_of(at).filter(|open| self.tokens[*open].is("{")) else {
            return false;
        };
        let modifiers = [
            "static",
            "private",
            "public",
            "protected",
            "readonly",
            "declare",
            "accessor",
            "override",
        ];
        let begins = at.checked_sub(1).is_none_or(|before| {
            let token = self.tokens[before];
            token.is("{")
                || token.is(";")
                || token.is("}")
                || modifiers.contains(&token.text)
                || self.breaks_line(before)
        });
        begins && self.is_class_brace(open)
    }

    fn is_class_brace(&self, open: usize) -> bool {
        /// Tokens of `class A<T> extends b.C(D) implements E` that are looked back over.
        const HEAD: usize = 40;
        for at in (open.saturating_sub(HEAD)..open).rev() {
            let token = self.tokens[at];
            if token.is("class") {
                return true;
            }
            if token.is(";") || token.is("{") || token.is("}") || token.is("=>") || token.is("=") {
                return false;
            }
        }
        false
    }

    /// Tokens of the class or function whose head is at an offset, its body included. V8 places a
    /// constructor at its class's name or brace, or at its own parameters; both lead to the class.
    fn body_after(&self, offset: usize) -> Option<(usize, usize)> {
        let at = self.tokens.partition_point(|token| token.start < offset);
        if let Some(open) = self.opener_of(at).filter(|open| self.is_class_brace(*open)) {
            return Some((open, self.partner[open]?));
        }
        let open = (at..self.tokens.len()).find(|at| self.tokens[*at].is("{"))?;
        Some((at, self.partner[open]?))
    }

    /// Whether any of some method names is called on `name` in the source: `name.get(`.
    pub(crate) fn calls(&self, name: &str, methods: &[&str]) -> bool {
        let bare = name.rsplit(['.', '#']).next().unwrap_or(name);
        (0..self.tokens.len().saturating_sub(3)).any(|at| {
            self.tokens[at].text.trim_start_matches('#') == bare
                && (self.tokens[at + 1].is(".") || self.tokens[at + 1].is("?."))
                && methods.contains(&self.tokens[at + 2].text)
                && self.tokens[at + 3].is("(")
        })
    }

    /// Whether `name[…]` is read somewhere, not only assigned to.
    pub(crate) fn reads_by_key(&self, name: &str) -> bool {
        let bare = name.rsplit(['.', '#']).next().unwrap_or(name);
        (0..self.tokens.len().saturating_sub(1)).any(|at| {
            let named = self.tokens[at].is_word() && self.tokens[at].text.trim_start_matches('#') == bare;
            let close = self.partner[at + 1].filter(|_| named && self.tokens[at + 1].is("["));
            close.is_some_and(|close| !self.tokens.get(close + 1).is_some_and(|after| after.is("=")))
        })
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}
