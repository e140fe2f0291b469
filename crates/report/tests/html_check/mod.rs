//! A strict little reader of the pages we write: every tag closed in order, every attribute quoted, no
//! event handlers, unique ids, no bare `<` or `&`.

const VOID: [&str; 2] = ["meta", "br"];

/// Panics with the place of the first fault.
pub fn check(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let mut open: Vec<String> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    while let Some(start) = rest.find('<') {
        if open.last().is_none_or(|tag| tag != "style") {
            check_text(&rest[..start]);
        }
        let end = tag_end(&rest[start..]).unwrap_or_else(|| panic!("an open tag at {:.60}", &rest[start..]));
        let tag = &rest[start + 1..start + end];
        rest = &rest[start + end + 1..];
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "closing before {rest:.60}"),
            None => open_tag(tag, &mut open, &mut ids),
        }
    }
    assert!(
        open.is_empty() && rest.trim().is_empty(),
        "left open: {open:?}, left over: {rest:.60}"
    );
}

/// The `>` that ends a tag, not one inside an attribute.
fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(index, c)| {
        quoted ^= c == '"';
        (c == '>' && !quoted).then_some(index)
    })
}

fn open_tag(tag: &str, open: &mut Vec<String>, ids: &mut Vec<String>) {
    let own_end = tag.ends_with('/');
    let tag = tag.trim_end_matches('/');
    let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
    assert!(
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()),
        "tag name {name:?}"
    );
    check_attributes(attributes, ids);
    if !own_end && !VOID.contains(&name) {
        open.push(name.to_owned());
    }
}

fn check_attributes(attributes: &str, ids: &mut Vec<String>) {
    let mut rest = attributes.trim();
    while !rest.is_empty() {
        let name_end = rest.find(['=', ' ', '\n']).unwrap_or(rest.len());
        let name = &rest[..name_end];
        assert!(
            !name.starts_with("on") && !name.is_empty(),
            "attribute {name:?} in {attributes:.80}"
        );
        let Some(value) = rest[name_end..].strip_prefix("=\"") else {
            assert_eq!(name, "open", "an attribute without a value");
            rest = rest[name_end..].trim_start();
            continue;
        };
        let value_end = value.find('"').expect("a closing quote");
        check_text(&value[..value_end]);
        if name == "id" {
            assert!(
                !ids.contains(&value[..value_end].to_owned()),
                "id {:?} twice",
                &value[..value_end]
            );
            ids.push(value[..value_end].to_owned());
        }
        rest = value[value_end + 1..].trim_start();
    }
}

fn check_text(text: &str) {
    for (index, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"]
            .iter()
            .any(|entity| text[index..].starts_with(entity));
        assert!(known, "a bare ampersand at {:.60}", &text[index..]);
    }
    assert!(!text.contains('>'), "a bare `>` in {text:.60}");
}
