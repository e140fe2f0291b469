//! The wall clock, the only place where it is read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// RFC 3339 in UTC.
pub fn rfc3339(at_ms: i64) -> String {
    // 9999-12-31: RFC 3339 has four digits for the year, and instants come over the wire.
    let since = Duration::from_millis(at_ms.clamp(0, 253_402_300_799_000) as u64);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}
