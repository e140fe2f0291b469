use std::path::Path;

use crate::{
    error::{Reason, SampleError},
    read::read_path,
    roots::Roots,
    text::complete_lines,
};

/// Pressure stall information: the share of time in which tasks waited for memory. See
/// `Documentation/accounting/psi.rst` of the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: PressureLine,
    /// All tasks waited at once. Older kernels do not say for every resource.
    pub full: Option<PressureLine>,
}

/// One line of a pressure file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureLine {
    /// Share of the last 10 s, 0–100.
    pub last_10s_percent: f64,
    /// Share of the last 60 s, 0–100.
    pub last_60s_percent: f64,
    /// Share of the last 300 s, 0–100.
    pub last_300s_percent: f64,
    /// Time waited since the start, cumulative.
    pub total_seconds: f64,
}

impl Pressure {
    /// Memory pressure of the whole machine. `Missing` where the kernel does not keep it.
    pub fn machine(roots: &Roots) -> Result<Self, SampleError> {
        let path = roots.proc().join("pressure/memory");
        Pressure::read(&path).map_err(|reason| SampleError::of_path(path, reason))
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Reason> {
        parse_pressure(&read_path(path)?).ok_or(Reason::Garbage)
    }
}

fn parse_pressure(content: &[u8]) -> Option<Pressure> {
    let find = |kind| complete_lines(content).find_map(|line| parse_line(line.strip_prefix(kind)?));
    Some(Pressure {
        some: find("some ")?,
        full: find("full "),
    })
}

fn parse_line(line: &str) -> Option<PressureLine> {
    let field = |key| {
        let value = line
            .split_ascii_whitespace()
            .find_map(|pair| pair.strip_prefix(key))?;
        value
            .strip_prefix('=')?
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite() && *value >= 0.0)
    };
    Some(PressureLine {
        last_10s_percent: field("avg10")?,
        last_60s_percent: field("avg60")?,
        last_300s_percent: field("avg300")?,
        total_seconds: field("total")? / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::testing::{check_every_truncation, mutations};

    const PRESSURE: &[u8] = b"some avg10=0.03 avg60=12.45 avg300=0.49 total=7470672\n\
        full avg10=0.00 avg60=1.00 avg300=0.10 total=1000000\n";

    #[test]
    fn pressure_is_read() {
        let pressure = parse_pressure(PRESSURE).unwrap();
        let some = PressureLine {
            last_10s_percent: 0.03,
            last_60s_percent: 12.45,
            last_300s_percent: 0.49,
            total_seconds: 7.470_672,
        };
        assert_eq!(pressure.some, some);
        assert_eq!(pressure.full.unwrap().total_seconds, 1.0);
        check_every_truncation(PRESSURE, parse_pressure, |cut| {
            cut.is_none_or(|cut| cut.some == some && (cut.full.is_none() || cut.full == pressure.full))
        });
    }

    #[test]
    fn garbage_is_no_pressure() {
        for content in mutations(PRESSURE) {
            let _ = parse_pressure(&content);
        }
        for content in [
            &b"some avg10=nan avg60=0 avg300=0 total=0\n"[..],
            b"some avg10=1\n",
            b"full\n",
            b"",
        ] {
            assert_eq!(
                parse_pressure(content),
                None,
                "{}",
                String::from_utf8_lossy(content)
            );
        }
    }
}
