//! What one look at a process costs, with few and with many descriptors, through kept descriptors and
//! by opening everything anew. Prints figures; asserts nothing.
//!
//! Run: `cargo bench -p plimsoll-sample --bench outside_view`

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::Instant,
};

use plimsoll_sample::{Detail, ProcessSampler, Roots};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const HOLD: &str = "--hold";
const LOOKS: usize = 2000;
/// Resident memory of the process that is looked at: the split of memory costs by the page.
const BALLAST_BYTES: usize = 100 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == HOLD) {
        Some(at) => hold(arguments[at + 1].parse().expect("a number of descriptors")),
        None => measure(),
    }
}

/// The process that is looked at: opens `count` descriptors, touches memory and waits for its end.
fn hold(count: usize) {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: hard,
            maximum: hard,
        },
    )
    .expect("the soft limit can be raised");
    let files: Vec<File> = (0..count)
        .map(|_| File::open("/dev/null").expect("a descriptor"))
        .collect();
    let ballast = vec![1u8; BALLAST_BYTES];
    println!("ready");
    std::io::stdin()
        .read_line(&mut String::new())
        .expect("the other end closes");
    drop((files, ballast));
}

fn measure() {
    println!(
        "µs per look at a process of 100 MiB, median of {LOOKS} (90 % of looks are below the second figure)"
    );
    println!(
        "{:<14}{:<13}{:>16}{:>16}",
        "descriptors", "detail", "kept", "opened anew"
    );
    for count in [20, 2000] {
        let mut child = start(count);
        for detail in [Detail::Counters, Detail::Descriptors, Detail::Full] {
            let mut kept = ProcessSampler::open(&Roots::default(), child.id()).expect("it waits");
            let kept = quantiles(|| kept.sample(detail).expect("it waits").rss_bytes);
            let anew = quantiles(|| {
                let mut sampler = ProcessSampler::open(&Roots::default(), child.id()).expect("it waits");
                sampler.sample(detail).expect("it waits").rss_bytes
            });
            let name = format!("{detail:?}");
            println!(
                "{count:<14}{name:<13}{:>8.1} {:>7.1}{:>8.1} {:>7.1}",
                kept.0, kept.1, anew.0, anew.1
            );
        }
        drop(child.stdin.take());
        child.wait().expect("it ends when its input does");
    }
    std::io::stdout().flush().expect("a terminal");
}

fn start(count: usize) -> Child {
    let own = std::env::current_exe().expect("a program");
    let mut command = Command::new(own);
    let command = command
        .args([HOLD, &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("ourselves");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    assert_eq!(line.trim(), "ready");
    child
}

/// Median and 90th percentile in µs.
fn quantiles(mut look: impl FnMut() -> u64) -> (f64, f64) {
    let mut times: Vec<f64> = (0..LOOKS)
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(look());
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[LOOKS / 2], times[LOOKS * 9 / 10])
}
