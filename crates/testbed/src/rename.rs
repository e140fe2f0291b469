use std::collections::BTreeMap;

/// Replaces whole words: `names` maps old to new. A word is a run of letters, digits, `_` and `$`; a name
/// with hyphens (a job class) must not touch a further hyphen. Line numbers stay.
pub fn rename_words(text: &str, names: &BTreeMap<String, String>) -> String {
    // The longest first, so that `read-workbook` is not taken for a `read`.
    let mut ordered: Vec<_> = names.iter().collect();
    ordered.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        match ordered
            .iter()
            .find(|(old, _)| begins_with_word(&text[..at], rest, old))
        {
            Some((old, new)) => {
                out.push_str(new);
                at += old.len();
            }
            None => {
                let next = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..next]);
                at += next;
            }
        }
    }
    out
}

fn begins_with_word(before: &str, rest: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || (c == '-' && word.contains('-'));
    rest.starts_with(word)
        && !before.chars().next_back().is_some_and(joins)
        && !rest[word.len()..].chars().next().is_some_and(joins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, names: &[(&str, &str)], expected: &str) {
        let names = names
            .iter()
            .map(|(old, new)| ((*old).to_owned(), (*new).to_owned()))
            .collect();
        assert_eq!(rename_words(text, &names), expected);
    }

    #[test]
    fn only_whole_words_are_renamed() {
        check(
            "parked.push(x); parkedAll",
            &[("parked", "left")],
            "left.push(x); parkedAll",
        );
        check(
            "this.#parts + parts-1",
            &[("parts", "bits")],
            "this.#bits + bits-1",
        );
        check(
            "'read-book': read, read-books",
            &[("read-book", "a-b"), ("read", "look")],
            "'a-b': look, look-books",
        );
        check("größe = größer", &[("größe", "size")], "size = größer");
    }
}
