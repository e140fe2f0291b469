//! A small language to find objects: `type = "Array" and retained > 10MB order by retained desc limit 20`.
//!
//! ```text
//! query      = [ condition ] [ "order" "by" field [ "asc" | "desc" ] ] [ "limit" number ]
//! condition  = all { "or" all }         all = one { "and" one }
//! one        = "not" one | "(" condition ")" | field operator value
//! operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" (contains)
//! field      = "type" | "name" | "id" | "self" | "retained" | "edges"
//! value      = "text in quotes" | number | size such as 10MB
//! ```

use std::cmp::Ordering;

use plimsoll_model::parse_size;

use crate::dominators::Dominators;
use crate::graph::{Graph, NodeIndex};
use crate::types::Types;

/// A query that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    condition: Option<Condition>,
    order: Field,
    descending: bool,
    limit: usize,
}

/// Why a query was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("letter {at} of the query: expected {expected}")]
pub struct QueryError {
    /// Position in the query, in letters from 1.
    pub at: usize,
    /// What should have been there.
    pub expected: String,
}

/// Objects that are told unless the query says otherwise: a screen.
const LIMIT: usize = 20;
/// Nesting of a query: nobody writes deeper, and the reader must not run out of stack.
const DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Text(Field, TextOperator, String),
    Number(Field, NumberOperator, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Type,
    Name,
    Id,
    SelfBytes,
    RetainedBytes,
    Edges,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextOperator {
    Is,
    IsNot,
    Contains,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberOperator {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
}

const FIELDS: [(&str, Field); 6] = [
    ("type", Field::Type),
    ("name", Field::Name),
    ("id", Field::Id),
    ("self", Field::SelfBytes),
    ("retained", Field::RetainedBytes),
    ("edges", Field::Edges),
];

/// What a query is put to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its types.
    pub types: &'a Types,
    /// Its dominator tree.
    pub dominators: &'a Dominators,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// Where the query stops making sense, and what was expected there.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut reader = Reader {
            tokens: tokens(text)?,
            at: 0,
            end: text.chars().count() + 1,
        };
        let mut query = Query {
            condition: None,
            order: Field::RetainedBytes,
            descending: true,
            limit: LIMIT,
        };
        if !reader.is_word("order") && !reader.is_word("limit") && reader.peek().is_some() {
            query.condition = Some(reader.condition(0)?);
        }
        if reader.take_word("order") {
            reader.expect_word("by")?;
            query.order = reader.field()?;
            query.descending = !reader.take_word("asc");
            reader.take_word("desc");
        }
        if reader.take_word("limit") {
            query.limit = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
        }
        if reader.peek().is_some() {
            return Err(reader.expected("`and`, `or`, `order by`, `limit` or the end"));
        }
        Ok(query)
    }

    /// How many objects match, and the first of them in the order asked for.
    pub fn run(&self, subject: Subject<'_>) -> (usize, Vec<NodeIndex>) {
        let matches = |node: &NodeIndex| {
            self.condition
                .as_ref()
                .is_none_or(|condition| condition.holds(subject, *node))
        };
        let mut nodes: Vec<NodeIndex> = subject.graph.nodes().filter(matches).collect();
        let count = nodes.len();
        let order = |a: &NodeIndex, b: &NodeIndex| {
            let order = self.order.compare(subject, *a, *b);
            if self.descending { order.reverse() } else { order }.then(a.cmp(b))
        };
        if self.limit < count {
            nodes.select_nth_unstable_by(self.limit, order);
            nodes.truncate(self.limit);
        }
        nodes.sort_unstable_by(order);
        (count, nodes)
    }
}

impl Condition {
    fn holds(&self, subject: Subject<'_>, node: NodeIndex) -> bool {
        match self {
            Condition::Any(parts) => parts.iter().any(|part| part.holds(subject, node)),
            Condition::All(parts) => parts.iter().all(|part| part.holds(subject, node)),
            Condition::Not(part) => !part.holds(subject, node),
            Condition::Text(field, operator, text) => operator.holds(field.text(subject, node), text),
            Condition::Number(field, operator, number) => {
                operator.holds(field.number(subject, node), *number)
            }
        }
    }
}

impl Field {
    fn is_text(self) -> bool {
        matches!(self, Field::Type | Field::Name)
    }

    fn text<'a>(self, subject: Subject<'a>, node: NodeIndex) -> &'a str {
        match self {
            Field::Type => subject.types.name(subject.types.of_node(subject.graph, node)),
            _ => subject.graph.name(node),
        }
    }

    fn number(self, subject: Subject<'_>, node: NodeIndex) -> u64 {
        match self {
            Field::Id => subject.graph.id(node),
            Field::SelfBytes => subject.graph.self_bytes(node),
            Field::Edges => subject.graph.edge_range(node).len() as u64,
            _ => subject.dominators.retained_bytes(node),
        }
    }

    fn compare(self, subject: Subject<'_>, a: NodeIndex, b: NodeIndex) -> Ordering {
        if self.is_text() {
            return self.text(subject, a).cmp(self.text(subject, b));
        }
        self.number(subject, a).cmp(&self.number(subject, b))
    }
}

impl TextOperator {
    fn holds(self, text: &str, wanted: &str) -> bool {
        match self {
            TextOperator::Is => text == wanted,
            TextOperator::IsNot => text != wanted,
            TextOperator::Contains => text.contains(wanted),
        }
    }
}

impl NumberOperator {
    fn holds(self, number: u64, wanted: u64) -> bool {
        match self {
            NumberOperator::Is => number == wanted,
            NumberOperator::IsNot => number != wanted,
            NumberOperator::Below => number < wanted,
            NumberOperator::AtMost => number <= wanted,
            NumberOperator::Above => number > wanted,
            NumberOperator::AtLeast => number >= wanted,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A word, number or size.
    Word(String),
    /// What stood in quotes.
    Text(String),
    /// An operator or parenthesis.
    Sign(String),
}

/// Tokens with the positions of their first letters, from 1.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, QueryError> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let start = at;
        let run = |from: usize, part: fn(char) -> bool| {
            letters[from..]
                .iter()
                .position(|letter| !part(*letter))
                .map_or(letters.len(), |length| from + length)
        };
        let token = match letters[at] {
            letter if letter.is_whitespace() => {
                at += 1;
                continue;
            }
            quote @ ('"' | '\'') => {
                let end = letters[at + 1..].iter().position(|letter| *letter == quote);
                let end = end.ok_or_else(|| QueryError {
                    at: at + 1,
                    expected: "a closing quote".to_owned(),
                })?;
                at += end + 2;
                Token::Text(letters[start + 1..at - 1].iter().collect())
            }
            '(' | ')' | '~' => {
                at += 1;
                Token::Sign(letters[start].to_string())
            }
            '=' | '!' | '<' | '>' => {
                at = run(at, |letter| matches!(letter, '=' | '!' | '<' | '>'));
                Token::Sign(letters[start..at].iter().collect())
            }
            _ => {
                at = run(at, |letter| {
                    !letter.is_whitespace() && !"()~=!<>\"'".contains(letter)
                });
                Token::Word(letters[start..at].iter().collect())
            }
        };
        tokens.push((start + 1, token));
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// Position behind the last letter.
    end: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn expected(&self, expected: &str) -> QueryError {
        let at = self.tokens.get(self.at).map_or(self.end, |(at, _)| *at);
        QueryError {
            at,
            expected: expected.to_owned(),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect_word(&mut self, word: &str) -> Result<(), QueryError> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{word}`")))
        }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Sign(found)) if found == sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn condition(&mut self, depth: usize) -> Result<Condition, QueryError> {
        if depth > DEPTH {
            return Err(self.expected("less nesting"));
        }
        let mut any = Vec::new();
        loop {
            let mut all = vec![self.one(depth)?];
            while self.take_word("and") {
                all.push(self.one(depth)?);
            }
            any.push(Condition::All(all));
            if !self.take_word("or") {
                return Ok(Condition::Any(any));
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Condition, QueryError> {
        if depth > DEPTH {
            return Err(self.expected("less nesting"));
        }
        if self.take_word("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take_sign("(") {
            let inner = self.condition(depth + 1)?;
            return if self.take_sign(")") {
                Ok(inner)
            } else {
                Err(self.expected("`)`"))
            };
        }
        let field = self.field()?;
        if field.is_text() {
            self.text_comparison(field)
        } else {
            self.number_comparison(field)
        }
    }

    fn field(&mut self) -> Result<Field, QueryError> {
        let known = FIELDS.into_iter().find(|(name, _)| self.is_word(name));
        let names = || FIELDS.map(|(name, _)| format!("`{name}`")).join(", ");
        let (_, field) = known.ok_or_else(|| self.expected(&format!("a field: {}", names())))?;
        self.at += 1;
        Ok(field)
    }

    fn text_comparison(&mut self, field: Field) -> Result<Condition, QueryError> {
        const SIGNS: [(&str, TextOperator); 3] = [
            ("=", TextOperator::Is),
            ("!=", TextOperator::IsNot),
            ("~", TextOperator::Contains),
        ];
        let operator = SIGNS.into_iter().find(|(sign, _)| self.take_sign(sign));
        let (_, operator) =
            operator.ok_or_else(|| self.expected("`=`, `!=` or `~` after a field of text"))?;
        let (Some(Token::Text(text)) | Some(Token::Word(text))) = self.peek() else {
            return Err(self.expected("a text in quotes"));
        };
        let text = text.clone();
        self.at += 1;
        Ok(Condition::Text(field, operator, text))
    }

    fn number_comparison(&mut self, field: Field) -> Result<Condition, QueryError> {
        const SIGNS: [(&str, NumberOperator); 6] = [
            ("=", NumberOperator::Is),
            ("!=", NumberOperator::IsNot),
            ("<", NumberOperator::Below),
            ("<=", NumberOperator::AtMost),
            (">", NumberOperator::Above),
            (">=", NumberOperator::AtLeast),
        ];
        let operator = SIGNS.into_iter().find(|(sign, _)| self.take_sign(sign));
        let (_, operator) = operator.ok_or_else(|| self.expected("a comparison such as `>`"))?;
        Ok(Condition::Number(field, operator, self.number()?))
    }

    fn number(&mut self) -> Result<u64, QueryError> {
        let number = match self.peek() {
            // `parse_size` goes through a float, which large ids would not survive.
            Some(Token::Word(word)) => word.parse().ok().or_else(|| parse_size(word)),
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected("a number, or a size such as 10MB"))?;
        self.at += 1;
        Ok(number)
    }
}
