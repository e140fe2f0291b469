//! Attaching to real Node processes.
#![allow(clippy::unwrap_used)] // as in every test; the lint knows only functions marked #[test]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use plimsoll_runtimes::node::{AgentFiles, AttachError, Attached, attach};

const BEAT: &str = "console.log('ready ' + process.pid); setInterval(() => {}, 1000);";

/// A program that has said that it is ready.
struct Worker {
    child: Child,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Worker {
    /// Runs `source` as `name` with `options` before it.
    fn start(name: &str, source: &str, options: &[&str]) -> Self {
        Worker::start_with("node", name, source, options)
    }

    fn start_with(program: &str, name: &str, source: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join(name);
        fs::write(&script, source).unwrap();
        let mut command = Command::new(program);
        command.args(options).arg(script).env_remove("NODE_OPTIONS");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is installed");
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut worker = Worker {
            child,
            output,
            folder,
        };
        assert!(worker.line().starts_with("ready"));
        worker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Attaches the real agent and gives what it says first.
    fn attach(&self, patience: Duration) -> (Result<Attached, AttachError>, Option<String>) {
        let socket_path = self.folder.path().join("socket");
        let socket = UnixListener::bind(&socket_path).unwrap();
        let entry = AgentFiles::write(self.folder.path()).unwrap().entry();
        let config = format!(
            r#"{{"socket":"{}","capture":"never","floors":false}}"#,
            socket_path.display()
        );
        let attached = attach(self.pid(), &entry, &config, Instant::now() + patience);
        let hello = attached.is_ok().then(|| {
            let (stream, _) = socket.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            line
        });
        (attached, hello)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(1500);

/// Attaches to a worker whose inspector is shut, and checks that it is shut again.
fn check_attaches(worker: &mut Worker, port: u16) {
    let (attached, hello) = worker.attach(LONG);
    let attached = attached.unwrap_or_else(|error| panic!("{error}: {:?}", error.hint()));
    assert_eq!(
        (attached.opened, attached.closed, attached.port),
        (true, true, port)
    );
    assert!(attached.runtime_version.split('.').count() == 3, "{attached:?}");
    assert!(attached.command[0].contains("node"), "{attached:?}");
    let hello = hello.unwrap();
    assert!(
        hello.contains(r#""type":"hello""#) && hello.contains(r#""attached":true"#),
        "{hello}"
    );
    assert!(hello.contains(&format!(r#""pid":{}"#, worker.pid())), "{hello}");
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "the inspector is closed again"
    );
    assert!(worker.runs());
}

#[test]
fn a_script_of_either_kind_is_attached_to() {
    for name in ["worker.cjs", "worker.mjs"] {
        let port = free_port();
        let mut worker = Worker::start(name, BEAT, &[&format!("--inspect-port={port}")]);
        check_attaches(&mut worker, port);
        // A second time there is an agent already, and the worker is none the worse for it.
        let entry = AgentFiles::write(worker.folder.path()).unwrap().entry();
        let again = attach(worker.pid(), &entry, "{}", Instant::now() + LONG);
        assert!(
            matches!(again, Err(AttachError::AlreadyAttached { .. })),
            "{again:?}"
        );
        assert!(worker.runs());
    }
}

#[test]
fn a_worker_in_the_middle_of_a_long_job_is_attached_to() {
    let port = free_port();
    let busy = "console.log('ready'); setInterval(() => { const end = Date.now() + 400; while (Date.now() < end); }, 1)";
    let mut worker = Worker::start("worker.js", busy, &[&format!("--inspect-port={port}")]);
    check_attaches(&mut worker, port);
}

#[test]
fn a_renamed_node_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let node = Command::new("node")
        .args(["-p", "process.execPath"])
        .output()
        .unwrap();
    let renamed: PathBuf = folder.path().join("mail-node-worker");
    fs::copy(String::from_utf8(node.stdout).unwrap().trim(), &renamed).unwrap();
    let port = free_port();
    let option = format!("--inspect-port={port}");
    let mut worker = Worker::start_with(renamed.to_str().unwrap(), "worker.js", BEAT, &[&option]);
    check_attaches(&mut worker, port);
}

#[test]
fn an_open_inspector_is_used_and_left_open() {
    let own = "require('inspector').open(0); require('http').createServer(() => {}).listen(0, '127.0.0.1');";
    for (source, options) in [
        (BEAT.to_owned(), vec!["--inspect=0"]),
        (format!("{own}{BEAT}"), vec![]),
    ] {
        let mut worker = Worker::start("worker.js", &source, &options);
        let (attached, hello) = worker.attach(LONG);
        let attached = attached.unwrap();
        assert_eq!((attached.opened, attached.closed), (false, false));
        assert!(hello.unwrap().contains(r#""type":"hello""#));
        assert!(
            TcpStream::connect(("127.0.0.1", attached.port)).is_ok(),
            "it stays open"
        );
        assert!(worker.runs());
    }
}

#[test]
fn a_port_held_by_another_node_is_said_and_never_confused() {
    let port = free_port();
    let mut holder = Worker::start("holder.js", BEAT, &[&format!("--inspect={port}")]);
    let mut worker = Worker::start("worker.js", BEAT, &[&format!("--inspect-port={port}")]);
    let (attached, _) = worker.attach(SHORT);
    let error = attached.unwrap_err();
    let AttachError::PortTaken {
        port: found,
        holder: Some(found_holder),
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*found, found_holder.pid), (port, holder.pid()));
    assert!(found_holder.command.contains("holder.js"), "{found_holder}");
    assert!(error.hint().unwrap().contains("--inspect-port=0"));
    assert!(worker.runs() && holder.runs());
}

#[test]
fn a_held_port_is_said_long_before_the_deadline() {
    let blocker = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = blocker.local_addr().unwrap().port();
    let worker = Worker::start("worker.js", BEAT, &[&format!("--inspect-port={port}")]);
    let started = Instant::now();
    let (attached, _) = worker.attach(LONG);
    let error = attached.unwrap_err();
    let own = std::process::id();
    assert!(
        matches!(&error, AttachError::PortTaken { holder: Some(holder), .. } if holder.pid == own),
        "{error}"
    );
    assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
}

#[test]
fn a_port_that_becomes_free_in_time_is_used() {
    let blocker = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = blocker.local_addr().unwrap().port();
    let mut worker = Worker::start("worker.js", BEAT, &[&format!("--inspect-port={port}")]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (attached, _) = worker.attach(SHORT);
            assert!(
                matches!(attached, Err(AttachError::PortTaken { .. })),
                "{attached:?}"
            );
            fs::remove_file(worker.folder.path().join("socket")).unwrap();
            drop(blocker);
        });
    });
    check_attaches(&mut worker, port);
}

#[test]
fn a_program_that_handles_the_signal_itself_is_left_alone() {
    let port = free_port();
    let source = format!("process.on('SIGUSR1', () => console.log('mine')); {BEAT}");
    let mut worker = Worker::start("worker.js", &source, &[&format!("--inspect-port={port}")]);
    let (attached, _) = worker.attach(SHORT);
    let error = attached.unwrap_err();
    assert!(matches!(error, AttachError::NoInspector { .. }), "{error}");
    assert!(error.hint().unwrap().contains("handles SIGUSR1 itself"));
    assert_eq!(worker.line(), "mine");
    assert!(worker.runs());
}

#[test]
fn a_program_that_is_not_node_is_refused_unharmed() {
    // Named like a script of Node's, to no avail.
    let mut shell = Worker::start_with("sh", "node.js", "echo ready; exec sleep 60", &[]);
    let (attached, _) = shell.attach(LONG);
    assert!(
        matches!(attached, Err(AttachError::NotNode { .. })),
        "{attached:?}"
    );
    assert!(shell.runs());
}

#[test]
fn an_agent_that_throws_or_declines_is_said() {
    let port = free_port();
    let worker = Worker::start("worker.mjs", BEAT, &[&format!("--inspect-port={port}")]);
    let entry = worker.folder.path().join("agent.cjs");
    fs::write(&entry, "throw new Error('no such luck')").unwrap();
    let thrown = attach(worker.pid(), &entry, "{}", Instant::now() + LONG).unwrap_err();
    assert_eq!(
        thrown.to_string(),
        "loading the agent failed inside the process: Error: no such luck"
    );
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "closed after a failure too"
    );
    fs::write(&entry, "globalThis.seen = globalThis.__plimsoll_agent_config;").unwrap();
    let declined = attach(worker.pid(), &entry, "{}", Instant::now() + LONG);
    assert!(
        matches!(declined, Err(AttachError::AgentDeclined { .. })),
        "{declined:?}"
    );
}

#[test]
fn nothing_is_found_at_a_pid_that_nobody_has() {
    // Above the kernel's PID_MAX_LIMIT of 2^22.
    let gone = attach(5_000_000, "/nowhere".as_ref(), "{}", Instant::now() + SHORT);
    assert!(
        matches!(gone, Err(AttachError::Exited { pid: 5_000_000 })),
        "{gone:?}"
    );
    let mut worker = Worker::start("worker.js", BEAT, &[]);
    let invisible = attach(worker.pid(), "/nowhere".as_ref(), "{}", Instant::now() + SHORT);
    assert!(
        matches!(invisible, Err(AttachError::AgentInvisible { .. })),
        "{invisible:?}"
    );
    assert!(worker.runs());
}

#[test]
fn a_stopped_worker_times_out() {
    let port = free_port();
    let mut worker = Worker::start("worker.js", BEAT, &[&format!("--inspect-port={port}")]);
    let signal = |name: &str| {
        Command::new("kill")
            .args([name, &worker.child.id().to_string()])
            .status()
            .unwrap()
    };
    assert!(signal("-STOP").success());
    let started = Instant::now();
    let (attached, _) = worker.attach(SHORT);
    assert!(attached.is_err(), "{attached:?}");
    assert!(started.elapsed() < SHORT * 5, "{:?}", started.elapsed());
    let mut rest = Vec::new();
    worker.child.kill().unwrap();
    worker.output.read_to_end(&mut rest).unwrap();
}
