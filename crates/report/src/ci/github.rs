//! Workflow commands of GitHub Actions ("Workflow commands for GitHub Actions", setting messages).

use plimsoll_model::Report;

use super::findings::{Finding, Level, Places, findings};
use crate::untrusted::visible;

/// One line per finding. Nothing that the worker named can end a line or begin another command.
pub fn annotations(report: &Report, places: &Places) -> String {
    findings(report, places).iter().map(annotation).collect()
}

fn annotation(finding: &Finding) -> String {
    let kind = match finding.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let mut properties = vec![format!("title={}", property("plimsoll verify"))];
    // A path outside of the repository is shown nowhere.
    if let Some(place) = finding
        .place
        .as_ref()
        .filter(|place| !place.file.starts_with('/'))
    {
        properties.push(format!("file={}", property(&place.file)));
        properties.push(format!("line={}", place.line));
        properties.extend(place.column.map(|column| format!("col={column}")));
    }
    format!("::{kind} {}::{}\n", properties.join(","), data(&finding.message))
}

fn data(text: &str) -> String {
    visible(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::findings::Place;

    #[test]
    fn names_cannot_break_out_of_an_annotation() {
        let finding = Finding {
            rule: "leak/closure".into(),
            level: Level::Error,
            message: "100 % of `a\n::warning::b`".into(),
            place: Some(Place {
                file: "src/a,b:c.js".into(),
                line: 3,
                column: Some(7),
            }),
            related: Vec::new(),
        };
        assert_eq!(
            annotation(&finding),
            "::error title=plimsoll verify,file=src/a%2Cb%3Ac.js,line=3,col=7::100 %25 of `a\\n::warning::b`\n"
        );
    }
}
