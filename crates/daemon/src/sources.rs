//! Sources of the worker's scripts, from disk.

use std::fs::File;
use std::io::Read;

use plimsoll_heap::SourceLookup;

/// Longer scripts are not read: beyond any that people write.
const MAX_BYTES: u64 = 8 << 20;

/// Reads scripts by the path or `file:` URL that the dump gives them.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSources;

impl SourceLookup for FileSources {
    fn source(&self, script: &str) -> Option<String> {
        let path = match script.strip_prefix("file://") {
            Some(encoded) => percent_decoded(encoded)?,
            None => script.to_owned(),
        };
        if !path.starts_with('/') {
            return None; // `node:` internals and evaluated code
        }
        let file = File::open(&path).ok()?;
        // A FIFO or a device named as a script would make us wait for ever.
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = text.get(at + 1..at + 3)?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_decoded() {
        assert_eq!(percent_decoded("/a%20b/%C3%A9.js").as_deref(), Some("/a b/é.js"));
        assert_eq!(percent_decoded("/a%2"), None);
        assert_eq!(percent_decoded("/a%zz"), None);
    }

    #[test]
    fn only_plain_files_are_read() {
        assert!(FileSources.source("node:events").is_none());
        assert!(FileSources.source("/dev/null").is_none());
        assert!(
            FileSources
                .source(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
                .is_some()
        );
    }
}
