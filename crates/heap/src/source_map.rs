//! Source maps, version 3 (ECMA-426): which place of the original a place of the compiled script is.

use serde_json::Value;

use crate::source::{SourceLookup, path_of, unescape};
use crate::source_scan::Spot;

/// One mapped place.
#[derive(Debug, Clone, Copy)]
struct Segment {
    generated: Spot,
    source: u32,
    original: Spot,
}

/// A source map, decoded.
#[derive(Debug)]
pub(crate) struct SourceMap {
    /// Paths of the originals.
    sources: Vec<String>,
    /// By generated place.
    segments: Vec<Segment>,
}

/// Longest map that is read.
const MAP_BYTES: usize = 32 << 20;
/// The comment stands at the end of a script.
const TAIL_BYTES: usize = 16 << 20;

impl SourceMap {
    /// The map that a script's last `sourceMappingURL` comment names.
    pub(crate) fn of_script(text: &str, script: &str, lookup: &dyn SourceLookup) -> Option<Self> {
        let from = text.len().saturating_sub(TAIL_BYTES);
        let from = (from..=text.len()).find(|at| text.is_char_boundary(*at))?;
        let tail = &text[from..];
        let at = tail
            .rfind("//# sourceMappingURL=")
            .or_else(|| tail.rfind("//@ sourceMappingURL="))?;
        let url = tail[at + "//# sourceMappingURL=".len()..]
            .split_whitespace()
            .next()?;
        let (json, base) = match url.strip_prefix("data:") {
            Some(data) => (inline(data)?, path_of(script)),
            None => {
                let path = beside(&path_of(script), &unescape(url));
                (lookup.source(&path)?, path)
            }
        };
        if json.len() > MAP_BYTES {
            None
        } else {
            Self::parse(&json, &base)
        }
    }

    fn parse(json: &str, base: &str) -> Option<Self> {
        // A line that guards against JSON hijacking is allowed before the map.
        let json = json.strip_prefix(")]}'").unwrap_or(json);
        let map: Value = serde_json::from_str(json).ok()?;
        let root = map["sourceRoot"].as_str().unwrap_or("");
        let sources = map["sources"].as_array()?;
        let sources = sources
            .iter()
            .map(|source| source_path(base, root, source.as_str().unwrap_or("")))
            .collect();
        let segments = decode(map["mappings"].as_str()?);
        Some(SourceMap { sources, segments })
    }

    /// The original place, if the spot's line has a mapping at or before it.
    pub(crate) fn original(&self, spot: Spot) -> Option<(String, Spot)> {
        let after = self.segments.partition_point(|segment| segment.generated <= spot);
        let same_line = |segment: &&Segment| segment.generated.line == spot.line;
        let segment = after
            .checked_sub(1)
            .and_then(|at| self.segments.get(at))
            .filter(same_line);
        let segment = segment.or_else(|| self.segments.get(after).filter(same_line))?;
        Some((
            self.sources.get(segment.source as usize)?.clone(),
            segment.original,
        ))
    }
}

fn source_path(base: &str, root: &str, source: &str) -> String {
    let joined = if root.is_empty() {
        source.to_owned()
    } else {
        format!("{}/{source}", root.trim_end_matches('/'))
    };
    let joined = path_of(&joined);
    if joined.contains("://") {
        joined
    } else {
        beside(base, &joined)
    }
}

/// A path that is relative to the folder of another.
fn beside(path: &str, relative: &str) -> String {
    if relative.starts_with('/') {
        return relative.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

fn inline(data: &str) -> Option<String> {
    let (kind, body) = data.split_once(',')?;
    if !kind.ends_with(";base64") {
        return Some(unescape(body));
    }
    String::from_utf8(base64(body)?).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes().take_while(|letter| *letter != b'=') {
        bits = bits << 6 | u32::from(digit(letter)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

fn digit(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// Decodes the `mappings` field; what is malformed is left out.
fn decode(mappings: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let (mut source, mut line, mut column) = (0i64, 0i64, 0i64);
    for (row, text) in mappings.split(';').enumerate() {
        let mut generated = 0i64;
        for field in text.split(',') {
            let numbers = numbers(field);
            let Some(step) = numbers.first() else { continue };
            generated += step;
            if numbers.len() < 4 {
                continue;
            }
            source += numbers[1];
            line += numbers[2];
            column += numbers[3];
            segments.extend(segment(row, generated, source, line, column));
        }
    }
    segments.sort_by_key(|segment| segment.generated);
    segments
}

fn segment(row: usize, generated: i64, source: i64, line: i64, column: i64) -> Option<Segment> {
    Some(Segment {
        generated: Spot {
            line: u32::try_from(row).ok()?,
            column: u32::try_from(generated).ok()?,
        },
        source: u32::try_from(source).ok()?,
        original: Spot {
            line: u32::try_from(line).ok()?,
            column: u32::try_from(column).ok()?,
        },
    })
}

/// The variable-length numbers of one field: five bits a digit, the sign in the lowest.
fn numbers(field: &str) -> Vec<i64> {
    let mut numbers = Vec::new();
    let (mut value, mut shift) = (0i64, 0u32);
    for letter in field.bytes() {
        let Some(digit) = digit(letter) else {
            return numbers;
        };
        value |= i64::from(digit & 31).checked_shl(shift).unwrap_or(0);
        shift += 5;
        if digit & 32 == 0 {
            numbers.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            (value, shift) = (0, 0);
        } else if shift > 60 {
            return numbers;
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn spot(line: u32, column: u32) -> Spot {
        Spot { line, column }
    }

    #[test]
    fn a_map_next_to_the_script_is_followed() {
        // Generated 0:0 → a.ts 0:0, 0:6 → a.ts 2:8, 1:4 → a.ts 5:2 (encoded by hand from the format's description).
        let map = r#"{"version":3,"sources":["../src/a.ts"],"mappings":"AAAA,MAEQ;IAGN"}"#;
        let files = HashMap::from([("/app/dist/a.js.map".to_owned(), map.to_owned())]);
        let text = "const x = 1;\n    y();\n//# sourceMappingURL=a.js.map\n";
        let map = SourceMap::of_script(text, "file:///app/dist/a.js", &files).unwrap();
        for (generated, expected) in [
            (spot(0, 0), spot(0, 0)),
            (spot(0, 6), spot(2, 8)),
            (spot(0, 9), spot(2, 8)),
            (spot(1, 4), spot(5, 2)),
        ] {
            assert_eq!(
                map.original(generated),
                Some(("/app/src/a.ts".to_owned(), expected)),
                "{generated:?}"
            );
        }
        assert_eq!(map.original(spot(7, 0)), None);
    }

    #[test]
    fn an_inline_map_is_followed() {
        let json = "eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEudHMiXSwibWFwcGluZ3MiOiJBQUFBIn0=";
        let text = format!("x\n//# sourceMappingURL=data:application/json;base64,{json}");
        let map = SourceMap::of_script(&text, "/app/a.js", &crate::NoSources).unwrap();
        assert_eq!(
            map.original(spot(0, 0)),
            Some(("/app/a.ts".to_owned(), spot(0, 0)))
        );
    }

    #[test]
    fn malformed_maps_are_none_or_empty() {
        for text in [
            "//# sourceMappingURL=",
            "//# sourceMappingURL=data:application/json;base64,!",
            "//# sourceMappingURL=gone.map",
        ] {
            assert!(
                SourceMap::of_script(text, "/a.js", &crate::NoSources).is_none(),
                "{text}"
            );
        }
        assert!(decode("zzzzzzzzzzzzzzzzzzzzzzz,;;A,AAA,!!!!").is_empty());
    }
}
