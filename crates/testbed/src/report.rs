use std::path::Path;

use serde_json::Value;

/// A report as a user's script would read it: by the names in the contract, not by our own types.
#[derive(Debug, Clone)]
pub struct ReportFile(pub Value);

impl ReportFile {
    /// Reads `plimsoll.report/1`.
    ///
    /// # Errors
    /// If there is no such file or it is something else.
    pub fn read(path: &Path) -> Result<ReportFile, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("no report `{}`: {error}", path.display()))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| format!("`{}`: {error}", path.display()))?;
        match value["schema"].as_str() {
            Some("plimsoll.report/1") => Ok(ReportFile(value)),
            other => Err(format!("`{}` has the schema {other:?}", path.display())),
        }
    }

    /// `verdict.status`.
    pub fn status(&self) -> &str {
        text(&self.0["verdict"]["status"])
    }

    /// `verdict.channel`.
    pub fn channel(&self) -> &str {
        text(&self.0["verdict"]["channel"])
    }

    /// `verdict.bytes_per_job.estimate`.
    pub fn bytes_per_job(&self) -> Option<f64> {
        self.0["verdict"]["bytes_per_job"]["estimate"].as_f64()
    }

    /// `worker.pid`.
    pub fn pid(&self) -> u64 {
        self.0["worker"]["pid"].as_u64().unwrap_or(0)
    }

    /// `window.jobs`.
    pub fn jobs(&self) -> u64 {
        self.0["window"]["jobs"].as_u64().unwrap_or(0)
    }

    /// The entry of a job class, `Null` if it is not there.
    pub fn class(&self, name: &str) -> &Value {
        list(&self.0["job_classes"])
            .iter()
            .find(|class| class["class"] == name)
            .unwrap_or(&Value::Null)
    }

    /// All job classes.
    pub fn classes(&self) -> &[Value] {
        list(&self.0["job_classes"])
    }

    /// The suspects, the first to look at first.
    pub fn suspects(&self) -> &[Value] {
        list(&self.0["suspects"])
    }

    /// The peaks.
    pub fn spikes(&self) -> &[Value] {
        list(&self.0["spikes"])
    }

    /// `verdict.reasons` and `verdict.next` as one text.
    pub fn reasons(&self) -> String {
        let both = list(&self.0["verdict"]["reasons"])
            .iter()
            .chain(list(&self.0["verdict"]["next"]));
        both.filter_map(Value::as_str).collect::<Vec<_>>().join(" / ")
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Everything that a suspect says about who holds what, as one text.
pub(crate) fn told(suspect: &Value) -> String {
    let path = list(&suspect["retainer_path"]).iter().map(text);
    let fields = ["holder", "holder_type", "type", "module", "source"].map(|name| text(&suspect[name]));
    fields.into_iter().chain(path).collect::<Vec<_>>().join(" | ")
}

/// Frames of all allocation stacks of a suspect or a spike.
pub(crate) fn frames(value: &Value) -> Vec<&str> {
    list(&value["allocation_stacks"])
        .iter()
        .flat_map(|stack| list(&stack["frames"]))
        .map(text)
        .collect()
}

/// Whether `place` (`…file:line:column`, whatever stands before) is one of the marked lines.
pub(crate) fn is_marked(place: &str, marked: &[(String, u64)]) -> bool {
    let mut parts = place.trim_end_matches(')').rsplitn(3, ':');
    let numbers = [parts.next(), parts.next()].map(|part| part.and_then(|part| part.parse::<u64>().ok()));
    let (line, file) = match (numbers, parts.next()) {
        ([Some(_), Some(line)], Some(file)) => (line, file),
        _ => return false,
    };
    marked
        .iter()
        .any(|(name, at)| *at == line && file.ends_with(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_compared_by_file_and_line() {
        let marked = [("leaky.js".to_owned(), 15)];
        assert!(is_marked("handle /tmp/x/leaky.js:15:7", &marked));
        assert!(is_marked("file:///tmp/leaky.js:15:7", &marked));
        assert!(!is_marked("leaky.js:16:7", &marked) && !is_marked("other.js:15:1", &marked));
        assert!(!is_marked("leaky.js:15", &marked) && !is_marked("", &marked));
    }
}
