//! JUnit XML, as CI servers read it: a suite with one case for the worker and one for each job class.

use std::io;

use plimsoll_model::{ClassStatus, Gate, HumanBytes, JobClass, Report};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{outcome, sentence};
use crate::untrusted::visible;

/// The document. Ends with a newline.
pub fn junit(report: &Report) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, report).expect("writing to memory cannot fail");
    String::from_utf8(writer.into_inner()).expect("only text was written") + "\n"
}

/// What a case that did not pass holds.
struct Trouble {
    element: &'static str,
    kind: &'static str,
    message: String,
    text: String,
}

fn write(writer: &mut Writer<Vec<u8>>, report: &Report) -> io::Result<()> {
    let whole = trouble(report);
    let classes: Vec<(&JobClass, Option<Trouble>)> = report
        .job_classes
        .iter()
        .map(|class| (class, class_trouble(class)))
        .collect();
    let all = || {
        whole
            .iter()
            .chain(classes.iter().filter_map(|(_, trouble)| trouble.as_ref()))
    };
    let count = |element: &str| {
        all()
            .filter(|trouble| trouble.element == element)
            .count()
            .to_string()
    };
    let (failures, errors) = (count("failure"), count("error"));
    let tests = (classes.len() + 1).to_string();
    let time = format!("{:.3}", report.window.seconds.max(0.0));
    let counts = [
        ("name", "plimsoll verify"),
        ("tests", &tests),
        ("failures", &failures),
        ("errors", &errors),
        ("time", &time),
    ];
    let service = plain(&report.worker.service);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .with_attributes(counts)
        .write_inner_content(|writer| {
            writer
                .create_element("testsuite")
                .with_attributes(counts)
                .with_attribute(("timestamp", report.worker.started_at.as_str()))
                .write_inner_content(|writer| {
                    case(writer, &service, "memory is bounded", &time, whole.as_ref())?;
                    for (class, trouble) in &classes {
                        let name = format!("job class {} is bounded", plain(&class.class));
                        case(writer, &service, &name, "0", trouble.as_ref())?;
                    }
                    Ok(())
                })?;
            Ok(())
        })?;
    Ok(())
}

fn case(
    writer: &mut Writer<Vec<u8>>,
    service: &str,
    name: &str,
    time: &str,
    trouble: Option<&Trouble>,
) -> io::Result<()> {
    let element = writer.create_element("testcase").with_attributes([
        ("classname", service),
        ("name", name),
        ("time", time),
    ]);
    let Some(trouble) = trouble else {
        element.write_empty()?;
        return Ok(());
    };
    element.write_inner_content(|writer| {
        writer
            .create_element(trouble.element)
            .with_attributes([("message", trouble.message.as_str()), ("type", trouble.kind)])
            .write_text_content(BytesText::new(&trouble.text))?;
        Ok(())
    })?;
    Ok(())
}

fn trouble(report: &Report) -> Option<Trouble> {
    let (element, kind) = match outcome(report) {
        Gate::Passed => return None,
        Gate::Failed => ("failure", "leak"),
        Gate::CouldNot => ("error", "could-not-verify"),
        Gate::Inconclusive => ("error", "inconclusive"),
    };
    let mut lines = report.verdict.reasons.clone();
    for suspect in report.suspects.iter().take(3) {
        lines.push(suspect.explanation.clone());
        lines.extend(suspect.remedies.iter().map(|remedy| format!("  {remedy}")));
    }
    if let Some(verify) = &report.verify {
        lines.extend(verify.hints.iter().map(|hint| format!("hint: {hint}")));
    }
    Some(Trouble {
        element,
        kind,
        message: plain(&sentence(report)),
        text: lines
            .iter()
            .map(|line| plain(line))
            .collect::<Vec<_>>()
            .join("\n"),
    })
}

fn class_trouble(class: &JobClass) -> Option<Trouble> {
    let growth = class
        .bytes_per_job
        .filter(|_| class.status == ClassStatus::Leaking)?;
    let message = format!(
        "every job of this class leaves {} behind",
        HumanBytes(growth.estimate)
    );
    Some(Trouble {
        element: "failure",
        kind: "leak",
        text: format!(
            "{message} ({} to {})",
            HumanBytes(growth.low),
            HumanBytes(growth.high)
        ),
        message,
    })
}

/// XML 1.0 has no place for control characters, not even escaped (production 2, Char).
fn plain(text: &str) -> String {
    visible(text)
        .chars()
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
