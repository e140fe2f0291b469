//! `plimsoll heap` as its users meet it: exit codes, stdout, stderr.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const DUMP: &[u8] = include_bytes!("../../heap/tests/data/node20.heapsnapshot");

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn heap(args: &[&str], stdin: Option<&[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .arg("heap")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = stdin.unwrap_or_default().to_vec();
    let feeder = std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

fn json(output: &Output) -> serde_json::Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn summary_is_the_same_from_file_pipe_gzip_and_zstd() {
    let folder = Folder::new();
    let plain = folder.file("a.heapsnapshot", DUMP);
    let from_file = json(&heap(&["summary", "--json", text(&plain)], None));
    assert_eq!(from_file["schema"], "plimsoll.heap-summary/1");
    assert_eq!(
        (&from_file["format"], &from_file["nodes"], &from_file["edges"]),
        (&"v8".into(), &2500.into(), &9731.into())
    );
    let types = from_file["types"].as_array().unwrap();
    let sum: u64 = types.iter().map(|row| row["self_bytes"].as_u64().unwrap()).sum();
    assert_eq!(from_file["self_bytes"], sum);
    let job = types.iter().find(|row| row["type"] == "Job").unwrap();
    assert_eq!(job["count"], 40);

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(DUMP).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(DUMP, ruzstd::encoding::CompressionLevel::Fastest);
    for (name, bytes) in [("pipe", DUMP), ("gzip", &gzip), ("zstd", &zstd)] {
        let path = folder.file(name, bytes);
        assert_eq!(
            json(&heap(&["summary", "--json", text(&path)], None)),
            from_file,
            "{name} file"
        );
        assert_eq!(
            json(&heap(&["summary", "--json", "-"], Some(bytes))),
            from_file,
            "{name} on stdin"
        );
    }
}

#[test]
fn a_file_that_is_no_dump_says_what_it_is() {
    let folder = Folder::new();
    let cases: [(&str, &[u8], &str); 5] = [
        ("a.hprof", b"JAVA PROFILE 1.0.2\0", "ends early: 19 bytes"),
        ("a.json", br#"{"name":"left-pad"}"#, "other JSON"),
        ("a.txt", b"hello\n", "plain text"),
        ("empty", b"", "an empty file"),
        ("cut.heapsnapshot", &DUMP[..100_000], "ends early: 100000 bytes"),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.file(name, bytes);
        let output = heap(&["summary", text(&path)], None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(2), 0),
            "{name}: {said}"
        );
        assert!(said.contains(expected) && said.contains(name), "{name}: {said}");
    }
    let output = heap(&["summary", "/nowhere/a.heapsnapshot"], None);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_jvm_dump_is_told_by_its_first_bytes() {
    let folder = Folder::new();
    let dump = include_bytes!("../../heap/tests/data/jdk17.hprof.gz");
    let path = folder.file("no-suffix", dump);
    let whole = json(&heap(&["summary", "--json", text(&path)], None));
    assert_eq!(
        (&whole["format"], &whole["nodes"]),
        (&"hprof".into(), &4861.into())
    );
    let shallow = json(&heap(&["summary", "--shallow", "--json", "-"], Some(dump)));
    let jobs = |summary: &serde_json::Value| -> serde_json::Value {
        let types = summary["types"].as_array().unwrap();
        types
            .iter()
            .find(|row| row["type"] == "Worker$Job")
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&jobs(&whole)["count"], &jobs(&shallow)["count"]),
        (&30.into(), &30.into())
    );
    assert_eq!(jobs(&shallow)["retained_bytes"], serde_json::Value::Null);
}

#[test]
fn a_dump_against_itself_has_no_changes() {
    let folder = Folder::new();
    let path = folder.file("a.heapsnapshot", DUMP);
    let answer = json(&heap(&["diff", "--json", text(&path), text(&path)], None));
    assert_eq!(
        answer,
        serde_json::json!({"schema": "plimsoll.heap-diff/1", "types": [], "suspects": []})
    );
}

#[test]
fn retainers_lead_from_the_root() {
    let folder = Folder::new();
    let path = folder.file("a.heapsnapshot", DUMP);
    let answer = json(&heap(
        &[
            "retainers",
            "--json",
            "--type",
            "Job",
            "--limit",
            "2",
            text(&path),
        ],
        None,
    ));
    let objects = answer["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 2);
    for object in objects {
        let first: Vec<&str> = object["retainer_paths"][0]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|step| step.as_str())
            .collect();
        assert!(first.contains(&"parked :: Array"), "{first:?}");
        assert_eq!(
            object["dominators"].as_array().unwrap().last().unwrap()["name"],
            "(root)"
        );
    }
    let output = heap(&["retainers", "--id", "2", text(&path)], None);
    assert_eq!(output.status.code(), Some(2), "ids of objects are odd");
}

#[test]
fn queries_name_objects() {
    let folder = Folder::new();
    let path = folder.file("a.heapsnapshot", DUMP);
    let answer = json(&heap(
        &["query", "--json", text(&path), "type = Job and self > 1 limit 7"],
        None,
    ));
    assert_eq!(
        (&answer["matched"], answer["objects"].as_array().unwrap().len()),
        (&40.into(), 7)
    );
    let output = heap(&["query", text(&path), "size > 1"], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("letter 1 of the query: expected a field"));
}

#[test]
fn growth_needs_jobs_in_order() {
    let folder = Folder::new();
    let path = folder.file("a.heapsnapshot", DUMP);
    let at = |jobs: u32| format!("{}@{jobs}", text(&path));
    let (one, two, three) = (at(1), at(20), at(300));
    let still = heap(
        &["growth", "--fail-on-growth", "--json", &one, &two, &three],
        None,
    );
    let answer = json(&still);
    assert_eq!(
        (still.status.code(), &answer["schema"]),
        (Some(0), &"plimsoll.heap-growth/1".into())
    );
    assert_eq!(
        answer["points"][2],
        serde_json::json!({"file": text(&path), "jobs": 300})
    );
    assert_eq!(answer["suspects"], serde_json::json!([]));
    assert_eq!(
        heap(&["growth", "--fail-on-growth", &one, &two], None)
            .status
            .code(),
        Some(3)
    );
    for wrong in [vec![two.as_str(), &one], vec![&one], vec![text(&path), &one]] {
        let output = heap(&[vec!["growth"], wrong.clone()].concat(), None);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}
