//! Varints and the delta coding of one series.

/// Appends `value` in groups of seven bits, the least first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a varint off the front; `None` where it is cut off or too long.
pub fn take_varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Small numbers of either sign become small numbers.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The way back.
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Integers up to here are exact in a 64-bit float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Stands where a value is no whole number; its eight bytes follow.
const RAW: u64 = 1;

/// One series in the making: instants as deltas of deltas, whole values as deltas.
#[derive(Debug, Clone, Default)]
pub struct SeriesEncoder {
    count: u64,
    at_ms: i64,
    step_ms: i64,
    value: i64,
    bytes: Vec<u8>,
}

impl SeriesEncoder {
    /// Adds a point.
    pub fn push(&mut self, at_ms: i64, value: f64) {
        let step = at_ms.wrapping_sub(self.at_ms);
        put_varint(&mut self.bytes, zigzag(step.wrapping_sub(self.step_ms)));
        // The first step is the instant itself, and nothing repeats that.
        self.step_ms = if self.count == 0 { 0 } else { step };
        self.at_ms = at_ms;
        if value.fract() == 0.0 && value.abs() < EXACT_MAX {
            let whole = value as i64;
            put_varint(&mut self.bytes, zigzag(whole - self.value) << 1);
            self.value = whole;
        } else {
            put_varint(&mut self.bytes, RAW);
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.count += 1;
    }

    /// Points added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The coded points.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads `count` points; `None` where the bytes are damaged.
pub fn decode_series(mut bytes: &[u8], count: u64, mut each: impl FnMut(i64, f64)) -> Option<()> {
    let (mut at_ms, mut step_ms, mut value) = (0_i64, 0_i64, 0_i64);
    for index in 0..count {
        let step = step_ms.wrapping_add(unzigzag(take_varint(&mut bytes)?));
        at_ms = at_ms.wrapping_add(step);
        step_ms = if index == 0 { 0 } else { step };
        let coded = take_varint(&mut bytes)?;
        if coded & 1 == RAW {
            let (raw, rest) = bytes.split_first_chunk::<8>()?;
            bytes = rest;
            each(at_ms, f64::from_le_bytes(*raw));
        } else {
            value = value.wrapping_add(unzigzag(coded >> 1));
            each(at_ms, value as f64);
        }
    }
    bytes.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<(i64, f64)> {
        let mut points: Vec<(i64, f64)> = (0..60_i64)
            .map(|n| (1_700_000_000_000 + n * 1000, (100_000_000 + n * 4096) as f64))
            .collect();
        points.extend([
            (1_700_000_060_500, 0.25),
            (1_699_999_000_000, -3.0),
            (i64::MAX, 1e300),
            (i64::MIN, f64::NEG_INFINITY),
            (0, 9_007_199_254_740_991.0),
            (1, -9_007_199_254_740_991.0),
            (2, 9_007_199_254_740_993.0),
        ]);
        points
    }

    #[test]
    fn points_read_back_and_are_small() {
        let mut encoder = SeriesEncoder::default();
        let points = points();
        for (at, value) in &points[..60] {
            encoder.push(*at, *value);
        }
        let mut regular = encoder.bytes().len();
        regular -= 12; // the first instant and value
        assert!(regular / 59 <= 4, "{regular} bytes for 59 points");
        for (at, value) in &points[60..] {
            encoder.push(*at, *value);
        }
        let mut read = Vec::new();
        decode_series(encoder.bytes(), encoder.count(), |at, value| {
            read.push((at, value))
        })
        .expect("whole");
        assert_eq!(read, points);
    }

    #[test]
    fn truncation_is_told_at_every_offset() {
        let mut encoder = SeriesEncoder::default();
        for (at, value) in points() {
            encoder.push(at, value);
        }
        for length in 0..encoder.bytes().len() {
            assert!(decode_series(&encoder.bytes()[..length], encoder.count(), |_, _| {}).is_none());
        }
    }
}
