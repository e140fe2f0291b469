//! Declarations of variables and properties in a JavaScript or TypeScript source.

use crate::source_token::{Token, TokenKind, tokens};

/// A place in a source; both from 0, columns in UTF-16 units as V8 counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A stretch of the source in which a name is known.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scope {
    start: usize,
    end: usize,
}

#[derive(Debug)]
struct Declaration<'s> {
    name: &'s str,
    at: usize,
    scope: Scope,
}

/// A source taken apart.
#[derive(Debug)]
pub(crate) struct Scan<'s> {
    source: &'s str,
    tokens: Vec<Token<'s>>,
    /// Per token: the token of the bracket that closes it, or that opens it.
    partner: Vec<Option<usize>>,
    /// Per token: the bracket that it stands in.
    opener: Vec<Option<usize>>,
    line_starts: Vec<usize>,
    declarations: Vec<Declaration<'s>>,
}

impl<'s> Scan<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        let tokens = tokens(source);
        let (partner, opener) = brackets(&tokens);
        let mut line_starts = vec![0];
        line_starts.extend(source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        let mut scan = Scan { source, tokens, partner, opener, line_starts, declarations: Vec::new() };
        scan.declare_all();
        scan
    }

    /// Where the variable `name`, as seen from `from`, is declared: in the innermost scope around `from`
    /// that declares it, else in the scope that begins first.
    pub(crate) fn variable(&self, name: &str, from: Spot) -> Option<Spot> {
        let from = self.offset(from)?;
        let named = || self.declarations.iter().filter(|declaration| declaration.name == name);
        let around = named()
            .filter(|declaration| declaration.scope.start <= from && from < declaration.scope.end)
            .min_by_key(|declaration| (declaration.scope.end - declaration.scope.start, declaration.at));
        let found = around.or_else(|| named().min_by_key(|declaration| declaration.scope.start));
        found.map(|declaration| self.spot(declaration.at))
    }

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
                    && ["=", "??=", "||="].iter().any(|sign| self.tokens[at + 1].is(sign))
            })
            .map(|at| self.spot(self.tokens[at].start))
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
        let Some(open) = self.opener_of(at).filter(|open| self.tokens[*open].is("{")) else { return false };
        let modifiers = ["static", "private", "public", "protected", "readonly", "declare", "accessor", "override"];
        let begins = at.checked_sub(1).is_none_or(|before| {
            let token = self.tokens[before];
            token.is("{") || token.is(";") || token.is("}") || modifiers.contains(&token.text) || self.breaks_line(before)
        });
        begins && self.is_class_brace(open)
    }

    fn breaks_line(&self, at: usize) -> bool {
        let (a, b) = (self.tokens[at], self.tokens[at + 1]);
        self.source[a.start + a.text.len()..b.start].contains('\n')
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

    fn opener_of(&self, at: usize) -> Option<usize> {
        self.opener.get(at).copied().flatten()
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

    fn declare_all(&mut self) {
        for at in 0..self.tokens.len() {
            let token = self.tokens[at];
            match token.text {
                "const" | "let" | "var" if token.is_word() => self.declare_list(at + 1),
                "function" | "class" if token.is_word() => self.declare_head(at),
                "import" if token.is_word() => self.declare_import(at),
                "{" if token.kind == TokenKind::Sign => self.declare_parameters_of_body(at),
                "=>" => self.declare_parameters_of_arrow(at),
                _ => {}
            }
        }
    }

    fn declare(&mut self, at: usize, scope: Scope) {
        let token = self.tokens[at];
        self.declarations.push(Declaration { name: token.text, at: token.start, scope });
    }

    /// The braces around a token; the whole source where there are none.
    fn scope_of(&self, at: usize) -> Scope {
        let mut at = at;
        while let Some(open) = self.opener_of(at) {
            if self.tokens[open].is("{") {
                return self.braces(open);
            }
            at = open;
        }
        Scope { start: 0, end: self.source.len() + 1 }
    }

    fn braces(&self, open: usize) -> Scope {
        let end = self.partner[open].map_or(self.source.len() + 1, |close| self.tokens[close].start + 1);
        Scope { start: self.tokens[open].start, end }
    }

    /// `a = 1, { b, c: d } = e` after `const`.
    fn declare_list(&mut self, from: usize) {
        let scope = self.scope_of(from);
        let mut at = from;
        while at < self.tokens.len() {
            for name in self.pattern_names(at) {
                self.declare(name, scope);
            }
            let Some(comma) = self.end_of_expression(at).filter(|end| self.tokens[*end].is(",")) else { return };
            at = comma + 1;
        }
    }

    /// Names bound by the pattern at a token.
    fn pattern_names(&self, at: usize) -> Vec<usize> {
        let token = self.tokens[at];
        if token.is_word() {
            return vec![at];
        }
        let opens = token.kind == TokenKind::Sign && matches!(token.text, "{" | "[" | "(");
        let Some(close) = self.partner[at].filter(|_| opens) else { return Vec::new() };
        (at + 1..close).filter(|name| self.is_bound(*name)).collect()
    }

    /// Inside a pattern: a word that is no key, no default value, no type.
    fn is_bound(&self, at: usize) -> bool {
        let (before, after) = (self.tokens[at - 1], self.tokens.get(at + 1));
        let begins = before.kind == TokenKind::Sign && matches!(before.text, "{" | "[" | "(" | "," | "..." | ":");
        let is_type = before.is(":") && self.opener_of(at).is_some_and(|open| self.tokens[open].is("("));
        let is_key = after.is_some_and(|token| token.is(":"))
            && self.opener_of(at).is_some_and(|open| self.tokens[open].is("{"));
        self.tokens[at].is_word() && begins && !is_type && !is_key
    }

    /// The token that ends the expression at `from`: a comma, semicolon or closing bracket outside of it.
    fn end_of_expression(&self, from: usize) -> Option<usize> {
        let mut at = from;
        while at < self.tokens.len() {
            let token = self.tokens[at];
            match token.text {
                _ if token.kind == TokenKind::Literal => {}
                "(" | "[" | "{" => at = self.partner[at]?,
                "," | ";" | ")" | "]" | "}" => return Some(at),
                "const" | "let" | "var" | "function" | "class" | "import" | "export"
                    if at > from && self.breaks_line(at - 1) =>
                {
                    return Some(at);
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    fn declare_head(&mut self, at: usize) {
        let name = (at + 1..at + 3).find(|next| !self.tokens.get(*next).is_some_and(|token| token.is("*")));
        if let Some(name) = name.filter(|name| self.tokens.get(*name).is_some_and(Token::is_word)) {
            let scope = self.scope_of(at);
            self.declare(name, scope);
        }
    }

    fn declare_import(&mut self, at: usize) {
        let scope = self.scope_of(at);
        let end = (at..self.tokens.len()).find(|end| {
            let token = self.tokens[*end];
            token.is("from") || token.is(";") || token.is("(") || *end > at && token.kind == TokenKind::Literal
        });
        let Some(end) = end.filter(|end| self.tokens[*end].is("from")) else { return };
        for name in at + 1..end {
            let renamed = self.tokens[name + 1].is("as");
            if self.tokens[name].is_word() && !renamed && !matches!(self.tokens[name].text, "as" | "type") {
                self.declare(name, scope);
            }
        }
    }

    /// Parameters before a function's brace: `(a, { b }) {`, also with a return type in between.
    fn declare_parameters_of_body(&mut self, open: usize) {
        /// Tokens of a return type that are looked back over.
        const TYPE: usize = 16;
        let mut before = open;
        let close = loop {
            let Some(at) = before.checked_sub(1).filter(|at| open - at <= TYPE) else { return };
            match self.tokens[at].text {
                ")" if self.tokens[at].kind == TokenKind::Sign => break at,
                ";" | "{" | "}" | "=" | "=>" | "," | "(" => return,
                _ => before = at,
            }
        };
        let Some(paren) = self.partner[close] else { return };
        let heads = ["if", "while", "for", "switch", "with"];
        if paren.checked_sub(1).is_some_and(|at| heads.contains(&self.tokens[at].text)) {
            return;
        }
        let mut scope = self.braces(open);
        scope.start = self.tokens[paren].start;
        for name in self.pattern_names(paren) {
            self.declare(name, scope);
        }
    }

    fn declare_parameters_of_arrow(&mut self, arrow: usize) {
        let Some(last) = arrow.checked_sub(1) else { return };
        let first = if self.tokens[last].is(")") { self.partner[last] } else { Some(last) };
        let Some(first) = first else { return };
        let body = arrow + 1;
        let end = if self.tokens.get(body).is_some_and(|token| token.is("{")) {
            self.partner[body].map(|close| self.tokens[close].start + 1)
        } else {
            self.end_of_expression(body).map(|end| self.tokens[end].start)
        };
        let scope = Scope { start: self.tokens[first].start, end: end.unwrap_or(self.source.len() + 1) };
        for name in self.pattern_names(first) {
            self.declare(name, scope);
        }
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

    fn offset(&self, spot: Spot) -> Option<usize> {
        let start = *self.line_starts.get(spot.line as usize)?;
        let line = self.source[start..].split('\n').next().unwrap_or("");
        let mut units = 0;
        for (at, letter) in line.char_indices() {
            if units >= spot.column {
                return Some(start + at);
            }
            units += letter.len_utf16() as u32;
        }
        Some(start + line.len())
    }

    fn spot(&self, offset: usize) -> Spot {
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        let column = self.source[self.line_starts[line]..offset].encode_utf16().count() as u32;
        Spot { line: line as u32, column }
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

type PerToken = Vec<Option<usize>>;

/// Per token the bracket that matches it, and the bracket that it stands in; what does not match has none.
fn brackets(tokens: &[Token<'_>]) -> (PerToken, PerToken) {
    let mut partner = vec![None; tokens.len()];
    let mut opener = vec![None; tokens.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        opener[at] = open.last().copied();
        if token.kind != TokenKind::Sign {
            continue;
        }
        let wanted = match token.text {
            "{" | "(" | "[" => {
                open.push(at);
                continue;
            }
            "}" => "{",
            ")" => "(",
            "]" => "[",
            _ => continue,
        };
        // A closing bracket without its own kind inside the last few is stray; it closes nothing.
        let reach = open.len().saturating_sub(BRACKETS_SEARCHED);
        if let Some(place) = open[reach..].iter().rposition(|at| tokens[*at].text == wanted) {
            let from = open[reach + place];
            open.truncate(reach + place);
            partner[from] = Some(at);
            partner[at] = Some(from);
            opener[at] = open.last().copied();
        }
    }
    (partner, opener)
}

/// Open brackets searched for a partner, so that broken text costs no more than linear time.
const BRACKETS_SEARCHED: usize = 64;
