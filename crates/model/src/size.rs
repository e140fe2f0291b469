use std::fmt;

/// Prints bytes as people read them: `12.4 KiB`, `1.9 GiB`, `-340 B`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HumanBytes(pub f64);

impl fmt::Display for HumanBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0;
        let mut unit = 0;
        // 999.5 so that rounding never prints four digits with the smaller unit.
        while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let decimals = if unit == 0 || value.abs() >= 99.95 { 0 } else { 1 };
        write!(out, "{value:.decimals$} {}", UNITS[unit])
    }
}

/// Reads a size: `512M`, `1.5GiB`, `300kb`, `4096`. Powers of 1024; `None` if it is no size.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let value: f64 = text[..digits].parse().ok()?;
    let factor: f64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = value * factor;
    (bytes.is_finite() && bytes < 2f64.powi(63)).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back() {
        for (text, expected) in [
            ("512M", Some(512 << 20)),
            ("1.5GiB", Some(3 << 29)),
            ("300 kb", Some(300 << 10)),
            ("4096", Some(4096)),
            ("4x", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_print_short() {
        for (bytes, expected) in [
            (0.0, "0 B"),
            (1023.0, "1.0 KiB"),
            (12_650.0, "12.4 KiB"),
            (-340.0, "-340 B"),
            (2e9, "1.9 GiB"),
        ] {
            assert_eq!(HumanBytes(bytes).to_string(), expected);
        }
    }
}
