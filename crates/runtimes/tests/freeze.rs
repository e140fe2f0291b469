//! Freezing real processes: what they notice of it.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use plimsoll_runtimes::freeze::{Frame, FreezeError, ReadMemory};

/// A worker in Python that answers each line on its standard input.
struct Worker {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Worker {
    fn start(script: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`python3` is needed: install the package `python3`");
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut worker = Self { child, lines };
        assert_eq!(worker.line(), "ready");
        worker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{question}").unwrap();
        self.line()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts SIGCHLD and children, has threads that work and that wait in system calls of each kind, and
/// tells whether any of them was interrupted.
const WATCHFUL: &str = r#"
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
chld = 0
def count(*_):
    global chld
    chld += 1
signal.signal(signal.SIGCHLD, count)
trouble, ticks, stop = [], [0], False
def poller():
    while not stop:
        if libc.poll(None, 0, 30) != 0:
            trouble.append(f"poll {ctypes.get_errno()}")
def sleeper():
    spec = (ctypes.c_long * 2)(0, 20_000_000)
    while not stop:
        if libc.nanosleep(spec, None) != 0:
            trouble.append(f"nanosleep {ctypes.get_errno()}")
def counter():
    while not stop:
        ticks[0] += 1
r, w = os.pipe()
def reader():
    buf = ctypes.create_string_buffer(1)
    if libc.read(r, buf, 1) != 1:
        trouble.append(f"read {ctypes.get_errno()}")
threads = [threading.Thread(target=f, daemon=True) for f in (poller, sleeper, counter, reader)]
for t in threads: t.start()
box = ctypes.create_string_buffer(b"before")
print("ready", flush=True)
for line in sys.stdin:
    line = line.strip()
    if line == "address":
        print(os.getpid(), ctypes.addressof(box), flush=True)
    elif line == "change":
        box.value = b"behind"
        print("changed", flush=True)
    elif line == "threads":
        print(len(os.listdir("/proc/self/task")), flush=True)
    elif line == "end":
        stop = True
        os.write(w, b"x")
        for t in threads: t.join()
        try:
            children = os.waitpid(-1, os.WNOHANG | 0x40000000)
        except ChildProcessError:
            children = None
        print(chld, children, trouble, ticks[0] > 0, flush=True)
"#;

#[test]
fn a_frozen_worker_notices_nothing() {
    let mut worker = Worker::start(WATCHFUL);
    let answer = worker.ask("address");
    let (pid, address) = answer.split_once(' ').unwrap();
    let (pid, address): (u32, u64) = (pid.parse().unwrap(), address.parse().unwrap());
    let threads = worker.ask("threads");
    let mut clones = Vec::new();
    for _ in 0..20 {
        let frame = Frame::take(pid).unwrap();
        assert_eq!(worker.ask("change"), "changed");
        let mut seen = [0; 6];
        frame.memory().read(address, &mut seen).unwrap();
        let expected: &[u8] = if clones.is_empty() { b"before" } else { b"behind" };
        assert_eq!(&seen, expected, "the picture is of the instant it was taken");
        assert!(frame.pause().as_secs_f64() < 1.0, "{:?}", frame.pause());
        let state = std::fs::read_to_string(format!("/proc/{}/stat", frame.clone_pid())).unwrap();
        let (_, rest) = state.rsplit_once(") ").unwrap();
        assert!(rest.starts_with('t'), "the clone runs no code: {state}");
        clones.push(frame.clone_pid());
    }
    assert_eq!(worker.ask("threads"), threads);
    assert_eq!(
        worker.ask("end"),
        "0 None [] True",
        "SIGCHLD, children, interrupted calls, progress"
    );
    for clone in clones {
        let status = std::fs::read_to_string(format!("/proc/{clone}/status")).unwrap_or_default();
        assert!(
            !status.contains("PPid:\t") || status.contains("State:\tZ"),
            "clone {clone} lives on: {status}"
        );
        assert!(
            !status.contains(&format!("PPid:\t{pid}\n")),
            "a zombie of the worker's"
        );
    }
}

#[test]
fn a_process_that_is_gone_is_told() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    assert!(matches!(Frame::take(pid), Err(FreezeError::Gone { .. })));
}
