//! What the open descriptors of a process lead to: the only holder of a file that nobody closed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plimsoll_detect::{Assessment, ChannelAssessment};
use plimsoll_model::{Channel, Pattern, Suspect};

/// Descriptors looked at: a link costs some 2 µs, and what piles up is found in any part of them.
const EXAMINED: usize = 1024;
/// Kinds of targets that are kept, the most frequent first.
const KEPT: usize = 8;

/// Targets of a process's descriptors, the most frequent first; numbers in names stand as `#`.
pub fn census(pid: u32) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    for entry in folder.flatten().take(EXAMINED) {
        if let Ok(target) = fs::read_link(entry.path()) {
            *counts.entry(without_numbers(&target)).or_default() += 1;
        }
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(KEPT);
    counts
}

fn without_numbers(target: &Path) -> String {
    let text = target.to_string_lossy();
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_ascii_digit() {
            true if plain.ends_with('#') => {}
            true => plain.push('#'),
            false => plain.push(letter),
        }
    }
    plain.replace(":[#]", "")
}

/// The suspect behind descriptors that pile up, if they do.
pub fn suspect(assessment: &Assessment, census: &[(String, u64)]) -> Option<Suspect> {
    let is_fds = |channel: &&ChannelAssessment| channel.channel == Channel::Fds;
    let count_per_job = assessment.channels.iter().find(is_fds)?.growth_per_job?.estimate;
    let (target, count) = census.first()?;
    let kind = match target.as_str() {
        "socket" | "pipe" => target.as_str(),
        "anon_inode:[eventpoll]" => "event loop",
        _ => "file",
    };
    Some(Suspect {
        rank: 1,
        pattern: Pattern::UnclosedHandle,
        type_name: format!("open {kind}"),
        holder: Some(format!("descriptors to `{target}`")),
        holder_type: Some("file descriptor table".into()),
        module: None,
        source: None,
        count_per_job: Some(count_per_job),
        bytes_per_job: None,
        retained_bytes: None,
        retainer_path: vec!["(process)".into(), "file descriptors".into(), format!("{target} ({count} open)")],
        allocation_stacks: Vec::new(),
        job_class: None,
        explanation: format!(
            "Each job leaves {count_per_job:.2} descriptors open; at the last look {count} of them led to `{target}`. \
             The kernel holds them, not the heap."
        ),
        remedies: vec![
            format!("close every {kind} that a job opens, in a `finally`"),
            "use `fs.promises` handles with `await using`, or a stream's `destroy()`, so that an error closes them too".into(),
            "as a stop-gap, raise the limit with `ulimit -n` and recycle the worker before it is reached".into(),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_tell_targets_apart() {
        for (target, expected) in [
            ("/tmp/ledger-12/part-7.log", "/tmp/ledger-#/part-#.log"),
            ("socket:[123456]", "socket"),
            ("pipe:[9]", "pipe"),
        ] {
            assert_eq!(without_numbers(Path::new(target)), expected);
        }
    }

    #[test]
    fn our_own_descriptors_are_counted() {
        let files: Vec<fs::File> = (0..20)
            .map(|_| fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("is there"))
            .collect();
        let found = census(std::process::id());
        assert!(
            found
                .iter()
                .any(|(target, count)| target.ends_with("Cargo.toml") && *count >= files.len() as u64)
        );
    }
}
