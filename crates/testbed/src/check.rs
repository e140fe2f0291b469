use crate::Finished;

/// What a command said, with what differs from run to run taken out.
#[derive(Debug, Clone)]
pub struct Snapshot {
    filters: Vec<(String, &'static str)>,
}

impl Snapshot {
    /// Replaces each text by a placeholder.
    pub fn with_filters(filters: &[(&str, &'static str)]) -> Snapshot {
        Snapshot {
            filters: filters
                .iter()
                .map(|(from, to)| ((*from).to_owned(), *to))
                .collect(),
        }
    }

    fn render(&self, finished: &Finished) -> String {
        let end = match (finished.code, finished.signal) {
            (Some(code), _) => format!("exit {code}"),
            (_, signal) => format!("signal {}", signal.unwrap_or(0)),
        };
        let mut text = end;
        for (name, output) in [("stdout", &finished.stdout), ("stderr", &finished.stderr)] {
            text.push_str(&format!("\n--- {name}\n"));
            text.push_str(output.trim_end());
        }
        for (from, to) in &self.filters {
            text = text.replace(from.as_str(), to);
        }
        numbers_out(&text)
    }
}

/// Process ids and times: `pid 4711` and `12.3 s` differ from run to run.
fn numbers_out(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let number = word.trim_end_matches(|c: char| c.is_whitespace() || ",.;:)`".contains(c));
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let is_pid = out.trim_end().ends_with("pid") && digits == number.len();
        let is_time =
            number.ends_with('s') && digits > 0 && number.trim_end_matches('s').parse::<f64>().is_ok();
        match (is_pid, is_time) {
            (true, _) => out.push_str(&word.replace(number, "[PID]")),
            (_, true) => out.push_str(&word.replace(number, "[TIME]")),
            _ => out.push_str(word),
        }
    }
    out
}

/// Compares exit code, stdout and stderr with an inline snapshot; indentation common to all lines is dropped.
///
/// # Panics
/// If they differ; the message holds what to paste.
pub fn check_snapshot(finished: &Finished, snapshot: &Snapshot, expected: &str) {
    let actual = snapshot.render(finished);
    let expected = unindent(expected);
    assert!(
        actual.trim_end() == expected.trim_end(),
        "`{}` said\n{actual}\n\nexpected\n{expected}",
        finished.shown
    );
}

fn unindent(text: &str) -> String {
    let lines: Vec<&str> = text.trim_start_matches('\n').lines().collect();
    let indents = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len());
    let common = indents.min().unwrap_or(0);
    lines
        .iter()
        .map(|line| line.get(common..).unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Launch;

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let finished = Launch::new("/bin/sh")
            .args(["-c", "echo took 12.5s in /tmp/x; echo pid 4711, bye >&2; exit 4"])
            .run();
        check_snapshot(
            &finished,
            &Snapshot::with_filters(&[("/tmp/x", "[TMP]")]),
            "
            exit 4
            --- stdout
            took [TIME] in [TMP]
            --- stderr
            pid [PID], bye",
        );
    }
}
