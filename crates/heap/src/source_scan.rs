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
    pub(crate) tokens: Vec<Token<'s>>,
    /// Per token: the token of the bracket that closes it, or that opens it.
    pub(crate) partner: Vec<Option<usize>>,
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
        line_starts.extend(
            source
                .bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at + 1),
        );
        let mut scan = Scan {
            source,
            tokens,
            partner,
            opener,
            line_starts,
            declarations: Vec::new(),
        };
        scan.declare_all();
        scan
    }

    /// Where the variable `name`, as seen from `from`, is declared: in the innermost scope around `from`
    /// that declares it, else in the scope that begins first.
    pub(crate) fn variable(&self, name: &str, from: Spot) -> Option<Spot> {
        let from = self.offset(from)?;
        let named = || {
            self.declarations
                .iter()
                .filter(|declaration| declaration.name == name)
        };
        let around = named()
            .filter(|declaration| declaration.scope.start <= from && from < declaration.scope.end)
            .min_by_key(|declaration| (declaration.scope.end - declaration.scope.start, declaration.at));
        let found = around.or_else(|| named().min_by_key(|declaration| declaration.scope.start));
        found.map(|declaration| self.spot(declaration.at))
    }

    pub(crate) fn opener_of(&self, at: usize) -> Option<usize> {
        self.opener.get(at).copied().flatten()
    }

    /// Whether a line ends after a token.
    pub(crate) fn breaks_line(&self, at: usize) -> bool {
        let (a, b) = (self.tokens[at], self.tokens[at + 1]);
        self.source[a.start + a.text.len()..b.start].contains('\n')
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
        self.declarations.push(Declaration {
            name: token.text,
            at: token.start,
            scope,
        });
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
        Scope {
            start: 0,
            end: self.source.len() + 1,
        }
    }

    fn braces(&self, open: usize) -> Scope {
        let end = self.partner[open].map_or(self.source.len() + 1, |close| self.tokens[close].start + 1);
        Scope {
            start: self.tokens[open].start,
            end,
        }
    }

    /// `a = 1, { b, c: d } = e` after `const`.
    fn declare_list(&mut self, from: usize) {
        let scope = self.scope_of(from);
        let mut at = from;
        while at < self.tokens.len() {
            for name in self.pattern_names(at) {
                self.declare(name, scope);
            }
            let Some(comma) = self.end_of_expression(at).filter(|end| self.tokens[*end].is(",")) else {
                return;
            };
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
        let Some(close) = self.partner[at].filter(|_| opens) else {
            return Vec::new();
        };
        (at + 1..close).filter(|name| self.is_bound(*name)).collect()
    }

    /// Inside a pattern: a word that is no key, no default value, no type.
    fn is_bound(&self, at: usize) -> bool {
        let (before, after) = (self.tokens[at - 1], self.tokens.get(at + 1));
        let begins =
            before.kind == TokenKind::Sign && matches!(before.text, "{" | "[" | "(" | "," | "..." | ":");
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
            token.is("from")
                || token.is(";")
                || token.is("(")
                || *end > at && token.kind == TokenKind::Literal
        });
        let Some(end) = end.filter(|end| self.tokens[*end].is("from")) else {
            return;
        };
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
            let Some(at) = before.checked_sub(1).filter(|at| open - at <= TYPE) else {
                return;
            };
            match self.tokens[at].text {
                ")" if self.tokens[at].kind == TokenKind::Sign => break at,
                ";" | "{" | "}" | "=" | "=>" | "," | "(" => return,
                _ => before = at,
            }
        };
        let Some(paren) = self.partner[close] else { return };
        let heads = ["if", "while", "for", "switch", "with"];
        if paren
            .checked_sub(1)
            .is_some_and(|at| heads.contains(&self.tokens[at].text))
        {
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
        let first = if self.tokens[last].is(")") {
            self.partner[last]
        } else {
            Some(last)
        };
        let Some(first) = first else { return };
        let body = arrow + 1;
        let end = if self.tokens.get(body).is_some_and(|token| token.is("{")) {
            self.partner[body].map(|close| self.tokens[close].start + 1)
        } else {
            self.end_of_expression(body).map(|end| self.tokens[end].start)
        };
        let scope = Scope {
            start: self.tokens[first].start,
            end: end.unwrap_or(self.source.len() + 1),
        };
        for name in self.pattern_names(first) {
            self.declare(name, scope);
        }
    }

    pub(crate) fn offset(&self, spot: Spot) -> Option<usize> {
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

    pub(crate) fn spot(&self, offset: usize) -> Spot {
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        let column = self.source[self.line_starts[line]..offset].encode_utf16().count() as u32;
        Spot {
            line: line as u32,
            column,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The marks `⟦` (what is to be found) and `⟨` (where the question is asked from) are taken out.
    fn check(marked: &str, find: impl Fn(&Scan<'_>, Spot) -> Option<Spot>) {
        let spot = |mark: char| {
            let before = &marked[..marked.find(mark).expect("a mark in the test")];
            let before: String = before.chars().filter(|letter| !"⟦⟨".contains(*letter)).collect();
            let line = before.matches('\n').count() as u32;
            Spot {
                line,
                column: before.rsplit('\n').next().unwrap_or("").encode_utf16().count() as u32,
            }
        };
        let source: String = marked.chars().filter(|letter| !"⟦⟨".contains(*letter)).collect();
        let from = if marked.contains('⟨') {
            spot('⟨')
        } else {
            Spot { line: 0, column: 0 }
        };
        let expected = marked.contains('⟦').then(|| spot('⟦'));
        assert_eq!(find(&Scan::new(&source), from), expected, "{marked}");
    }

    fn variable(name: &str, marked: &str) {
        check(marked, |scan, from| scan.variable(name, from));
    }

    fn property(name: &str, marked: &str) {
        let asked = marked.contains('⟨');
        check(marked, |scan, from| scan.property(name, asked.then_some(from)));
    }

    #[test]
    fn variables_are_found_where_they_are_declared() {
        variable(
            "parked",
            "'use strict';\nconst ⟦parked = [];\nfunction f⟨() { parked.push(1); }",
        );
        variable("b", "let a = { x: [1, 2], b: 3 }, ⟦b = new Map();\n⟨() => b");
        variable("inner", "const { outer: { ⟦inner = 5 } } = x;\n⟨() => inner");
        variable("rest", "const [a, ...⟦rest] = list; ⟨() => rest");
        variable("Cache", "class ⟦Cache { add⟨() { Cache.all.push(1); } }");
        variable("helper", "async function* ⟦helper() {} ⟨() => helper");
        variable("parse", "import fs, { read as ⟦parse } from 'x';\n⟨() => parse");
        variable("ns", "import * as ⟦ns from \"x\";\n⟨() => ns");
        variable(
            "typed",
            "export const ⟦typed: Map<string, Job[]> = new Map();\nfunction f⟨(): void { typed.clear(); }",
        );
        variable("big", "function f(a, { ⟦big }) { return ⟨() => big; }");
        variable("big", "const f = (⟦big) => ⟨() => big;");
        variable("big", "const f = ⟦big => { return ⟨() => big; };");
        variable(
            "big",
            "class A { m(⟦big: Buffer): Promise<number> { return ⟨() => big.length; } }",
        );
        variable("error", "try { a(); } catch (⟦error) { keep(⟨() => error); }");
        variable("row", "for (const ⟦row of rows) { keep(⟨() => row); }");
    }

    #[test]
    fn the_innermost_scope_decides() {
        variable(
            "x",
            "let x = 1;\n{ let x = 2; { let ⟦x = 3; g(⟨() => x); } }\n{ let x = 4; }",
        );
        variable("x", "let ⟦x = 1;\n{ let x = 2; }\ng(⟨() => x);");
        variable(
            "x",
            "function a() { let x; }\nfunction b() { let ⟦x; return ⟨() => x; }",
        );
        variable(
            "x",
            "// let x\nconst s = 'let x = 1', t = `let x ${1} let x`;\nvar ⟦x; ⟨() => x",
        );
    }

    #[test]
    fn what_is_not_declared_is_not_found() {
        variable("x", "x = 1; y.x = 2; ({ x: 3 }); if (x) { f(⟨() => x); }");
        variable("key", "const { key: other } = z; ⟨() => key");
    }

    #[test]
    fn properties_are_found_where_they_begin() {
        property(
            "entries",
            "class A { constructor⟨() { this.⟦entries = new Map(); } }",
        );
        property(
            "entries",
            "class B { constructor() { this.entries = 1; } }\nclass A { constructor⟨() { this.⟦entries = 2; } }",
        );
        property(
            "#items",
            "class A {\n  ⟦#items = new Set();\n  add⟨(x) { this.#items.add(x); } }",
        );
        property("sent", "⟨class A { static ⟦sent = []; go() { A.sent.push(1); } }");
        property(
            "list",
            "class A {\n  private readonly ⟦list: Job[] = [];\n  add⟨(x) {} }",
        );
        property("history", "exports.⟦history = [];\nexports.history.push(1);");
        property(
            "byId",
            "const state = { name: 'a', stats: { ⟦byId: {} } };\nstate.stats.byId[1] = 2;",
        );
        property(
            "entries",
            "function A⟨() { this.⟦entries = {}; }\nA.prototype.add = function () { this.entries = null; };",
        );
        property(
            "entries",
            "class A { constructor⟨() { return this.entries === undefined; } }",
        );
    }

    #[test]
    fn reads_are_told_from_writes() {
        let scan = Scan::new("seen[id] = job; cache[key]?.value; map.set(1, 2); this.#index.get(k)");
        assert!(!scan.reads_by_key("seen") && scan.reads_by_key("cache"));
        assert!(!scan.calls("map", &["get", "has"]) && scan.calls("#index", &["get"]));
    }

    #[test]
    fn a_large_broken_source_costs_linear_time() {
        let source = "({[".repeat(100_000) + &"const a = (b) => {".repeat(20_000) + &"}".repeat(50_000);
        let scan = Scan::new(&source);
        assert!(scan.variable("a", Spot { line: 0, column: 0 }).is_some());
    }
}
