//! The collector as its users meet it: over HTTP, killed, attacked, and with real workers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

fn plimsoll() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.env_remove("PLIMSOLL_SERVER").env_remove("PLIMSOLL_TOKEN");
    command
}

/// A collector on a free port of loopback; killed when dropped.
struct Collector {
    child: Child,
    address: String,
}

impl Collector {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = plimsoll()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = lines.next().expect("a line").expect("text");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_else(|| panic!("no address in `{line}`"))
            .to_owned();
        // Whoever writes must not be held up by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Collector { child, address }
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let own_host = format!("Host: {}", self.address);
        let host = headers.iter().any(|header| header.starts_with("Host:"));
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in headers
            .iter()
            .copied()
            .chain((!host).then_some(own_host.as_str()))
        {
            head += &format!("{header}\r\n");
        }
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
        // A refusal may come before the body has been taken.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let status = std::str::from_utf8(&answer[..end])
            .ok()?
            .split(' ')
            .nth(1)?
            .parse()
            .ok()?;
        Some((status, answer[end + 4..].to_vec()))
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &[], b"").expect("answers");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    fn post(&self, path: &str, body: &Value) -> Option<u16> {
        let header = "Content-Type: application/json";
        self.ask("POST", path, &[header], body.to_string().as_bytes())
            .map(|(status, _)| status)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until `good` says so, or fails at the deadline.
fn until<T>(what: &str, mut good: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = good() {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "no {what} within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Answers every request with 200 and gives path and body on.
fn receiver() -> (String, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut path, mut length) = (String::new(), 0);
            for line in reader.by_ref().lines().map_while(Result::ok) {
                if path.is_empty() {
                    path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                }
                if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap_or(0);
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            let whole = reader.read_exact(&mut body).is_ok();
            let _ = reader
                .into_inner()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            if whole {
                let _ = sender.send((path, serde_json::from_slice(&body).unwrap_or_default()));
            }
        }
    });
    (url, received)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Waits until the Alertmanager and the webhook have heard of the incident.
fn both_receivers_are_told(received: &mpsc::Receiver<(String, Value)>) {
    let mut told = Vec::new();
    while told.len() < 2 {
        let (path, body) = received.recv_timeout(DEADLINE).expect("alerts");
        match path.as_str() {
            "/api/v2/alerts" => assert_eq!(body[0]["labels"]["service"], "mailer"),
            "/hook" => assert_eq!(body["events"][0]["event"], "opened"),
            other => panic!("a request for {other}"),
        }
        if !told.contains(&path) {
            told.push(path);
        }
    }
}

#[test]
fn a_leak_opens_one_incident_and_reaches_the_receivers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, received) = receiver();
    let receivers = ["--alertmanager", &url, "--webhook", &format!("{url}/hook")];
    let collector = Collector::start(&folder.path().join("store"), &receivers);
    let server = format!("http://{}", collector.address);
    let mut run = plimsoll()
        .args([
            "run",
            "--server",
            &server,
            "--service",
            "mailer",
            "--for",
            "20s",
            "--out",
        ])
        .arg(folder.path().join("run"))
        .args(["--", "node"])
        .arg(repository().join("fixtures/workers/node/demo/mailer.js"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let live = until("worker", || {
        let worker = collector.get("/api/v1/workers")["workers"][0].clone();
        (worker["jobs"].as_u64() > Some(0)).then_some(worker)
    });
    assert_eq!(
        (&live["service"], &live["state"]),
        (&json!("mailer"), &json!("live"))
    );
    assert!(run.wait().expect("ends").success());

    // The report was delivered before the run ended, so nothing is waited for here.
    let incidents = collector.get("/api/v1/incidents");
    assert_eq!(
        incidents["incidents"].as_array().map(Vec::len),
        Some(1),
        "{incidents:#}"
    );
    let incident = &incidents["incidents"][0];
    assert_eq!(incident["cause"]["holder"], "deferredMails");
    assert_eq!(incident["state"], "open");
    let id = live["id"].as_i64().expect("an id");
    let series = collector.get(&format!(
        "/api/v1/workers/{id}/series?names=live_heap_bytes,rss_bytes"
    ));
    for name in ["live_heap_bytes", "rss_bytes"] {
        let points = series["series"][name].as_array().map_or(0, Vec::len);
        assert!(points >= 5, "{name}: {points} points");
    }
    both_receivers_are_told(&received);
    let acknowledged = collector.post(
        &format!("/api/v1/incidents/{}/acknowledge", incident["id"]),
        &json!({}),
    );
    assert_eq!(acknowledged, Some(200));
    assert_eq!(
        collector.get("/api/v1/incidents?state=open")["incidents"],
        json!([])
    );
    assert_eq!(collector.get("/api/v1/audit/verify")["intact"], true);
}

fn batch(session: &str, number: u64) -> Value {
    json!({
        "schema": "plimsoll.stream/1", "session": session, "seq": number, "began_at": 1_700_000_000.0,
        "seconds": number as f64, "worker": { "service": session },
        "isolates": [{ "id": "1.0", "readings": [{ "t": number as f64, "heap_used_bytes": 1_000_000 + number }] }],
    })
}

/// How often the collector is killed.
const KILLS: u64 = 100;

#[test]
fn a_collector_that_is_killed_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = ["a", "b", "c"];
    let acknowledged: Arc<[AtomicU64; 3]> = Arc::default();
    let mut milliseconds = 40_u64;
    for kill in 0..KILLS {
        let collector = Arc::new(Mutex::new(Collector::start(folder.path(), &[])));
        let address = collector.lock().expect("whole").address.clone();
        check_kept(&collector.lock().expect("whole"), &sessions, &acknowledged, kill);
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..sessions.len())
            .map(|n| {
                let (acknowledged, stop, address) =
                    (Arc::clone(&acknowledged), Arc::clone(&stop), address.clone());
                std::thread::spawn(move || send(&address, sessions[n], &acknowledged[n], &stop))
            })
            .collect();
        // Another instant each time, from the first batches on.
        milliseconds = (milliseconds * 7 + 13) % 120;
        std::thread::sleep(Duration::from_millis(milliseconds));
        collector.lock().expect("whole").child.kill().expect("kills");
        stop.store(true, Ordering::Relaxed);
        senders
            .into_iter()
            .for_each(|sender| sender.join().expect("ends"));
    }
    let collector = Collector::start(folder.path(), &[]);
    check_kept(&collector, &sessions, &acknowledged, KILLS);
    let total: u64 = acknowledged
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    assert!(total > KILLS, "only {total} batches were acknowledged");
    println!("{KILLS} kills, {total} batches acknowledged, none lost");
}

fn send(address: &str, session: &str, acknowledged: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let number = acknowledged.load(Ordering::Relaxed) + 1;
        let body = batch(session, number).to_string();
        let head = format!(
            "POST /api/v1/stream HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = TcpStream::connect(address).and_then(|mut stream| {
            stream.write_all(format!("{head}{body}").as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        match answer {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => acknowledged.store(number, Ordering::Relaxed),
            _ => return,
        }
    }
}

fn check_kept(collector: &Collector, sessions: &[&str], acknowledged: &[AtomicU64; 3], kill: u64) {
    let workers = collector.get("/api/v1/workers");
    for (session, count) in sessions.iter().zip(acknowledged) {
        let count = count.load(Ordering::Relaxed);
        if count == 0 {
            continue;
        }
        let workers = workers["workers"].as_array().expect("a list");
        let worker = workers.iter().find(|worker| worker["key"] == *session);
        let id = worker.unwrap_or_else(|| panic!("worker {session} is lost after kill {kill}"))["id"].clone();
        let path = format!("/api/v1/workers/{id}/series?names=heap_used_bytes&from=0&points=100000");
        let series = collector.get(&path);
        let points = series["series"]["heap_used_bytes"].as_array().expect("points");
        // One more may have been written whose answer was lost.
        let kept = points.len() as u64;
        assert!(
            kept == count || kept == count + 1,
            "{kept} of {count} points of {session} after kill {kill}"
        );
        let values = points.iter().map(|point| point[1].as_f64().unwrap_or(0.0) as u64);
        assert!(
            values.eq(1_000_001..=1_000_000 + kept),
            "a gap in {session} after kill {kill}"
        );
    }
}

fn refuses_to_leave_loopback(data: &Path) {
    let exposed = plimsoll()
        .args(["serve", "--listen", "0.0.0.0:0", "--data"])
        .arg(data)
        .output();
    let exposed = exposed.expect("runs");
    let said = String::from_utf8_lossy(&exposed.stderr).into_owned();
    assert_eq!(exposed.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no TLS certificate was given and there is no token yet"),
        "{said}"
    );
}

/// 65 MiB of blanks, packed.
fn bomb() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..65 {
        gzip.write_all(&vec![b' '; 1 << 20]).expect("memory");
    }
    gzip.finish().expect("memory")
}

/// The status that is due, and the request: method, path, headers, body.
type Asked<'a> = (u16, &'a str, &'a str, &'a [&'a str], &'a [u8]);

fn answers_are(collector: &Collector, requests: &[Asked]) {
    for (status, method, path, headers, body) in requests {
        let (found, answer) = collector.ask(method, path, headers, body).expect("answers");
        assert_eq!(
            found,
            *status,
            "{method} {path}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

/// Paths that are not there and requests that another page makes.
fn strangers_requests(collector: &Collector, operator: &str, viewer: &str, json: &str) {
    let strangers: [Asked; 6] = [
        (404, "POST", "/api/v1/incidents/9/acknowledge", &[operator], b""),
        (403, "POST", "/api/v1/incidents/9/acknowledge", &[viewer], b""),
        (404, "GET", "/../../etc/passwd", &[operator], b""),
        (421, "GET", "/", &["Host: evil.example"], b""),
        (
            403,
            "POST",
            "/api/v1/silences",
            &[operator, json, "Origin: http://evil.example"],
            b"{}",
        ),
        (
            403,
            "GET",
            "/api/v1/workers",
            &[viewer, "Sec-Fetch-Site: cross-site"],
            b"",
        ),
    ];
    answers_are(collector, &strangers);
}

#[test]
fn others_are_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = |role: &str| {
        let made = plimsoll()
            .args(["token", "add", role, "--role", role, "--data"])
            .arg(folder.path())
            .output();
        let made = made.expect("runs");
        assert!(made.status.success());
        String::from_utf8(made.stdout).expect("text").trim().to_owned()
    };
    refuses_to_leave_loopback(folder.path());
    let bearers =
        ["agent", "viewer", "operator"].map(|role| format!("Authorization: Bearer {}", token(role)));
    let [agent, viewer, operator] = bearers.each_ref().map(String::as_str);
    let collector = Collector::start(folder.path(), &["--require-token"]);
    let json = "Content-Type: application/json";
    let bomb = bomb();
    let good = batch("s", 1).to_string();
    let requests: [Asked; 16] = [
        (200, "GET", "/healthz", &[][..], &b""[..]),
        (200, "GET", "/", &[], b""),
        (401, "GET", "/api/v1/workers", &[], b""),
        (401, "GET", "/metrics", &[], b""),
        (
            401,
            "GET",
            "/api/v1/workers",
            &["Authorization: Bearer plim_no"],
            b"",
        ),
        (200, "GET", "/api/v1/workers", &[viewer], b""),
        (200, "GET", "/metrics", &[viewer], b""),
        (403, "GET", "/api/v1/workers", &[agent], b""),
        (200, "POST", "/api/v1/stream", &[agent, json], good.as_bytes()),
        (403, "POST", "/api/v1/stream", &[viewer, json], good.as_bytes()),
        (415, "POST", "/api/v1/stream", &[agent], good.as_bytes()),
        (400, "POST", "/api/v1/stream", &[agent, json], b"{"),
        (400, "POST", "/api/v1/stream", &[agent, json], b"{}"),
        (
            413,
            "POST",
            "/api/v1/stream",
            &[agent, json, "Content-Encoding: gzip"],
            &bomb,
        ),
        (400, "POST", "/api/v1/write", &[agent], b"\xff\xff"),
        (
            400,
            "POST",
            "/v1/metrics",
            &[agent, "Content-Type: application/x-protobuf"],
            b"\xff",
        ),
    ];
    answers_are(&collector, &requests);
    strangers_requests(&collector, operator, viewer, json);
    let verified = plimsoll()
        .args(["audit", "verify", "--data"])
        .arg(folder.path())
        .output()
        .expect("runs");
    assert!(verified.status.success());
}

#[test]
fn workers_without_our_agent_get_a_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start(folder.path(), &[]);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource = json!({ "attributes": [
        attribute("service.name", "orders"), attribute("service.instance.id", "i-1"), attribute("process.runtime.name", "nodejs"),
    ] });
    for minute in 0..240_u64 {
        let nanos = (now.as_nanos() as u64 - (240 - minute) * 60_000_000_000).to_string();
        let point = |bytes: u64, space: &str| json!({ "timeUnixNano": nanos, "asInt": bytes.to_string(), "attributes": [attribute("v8js.heap.space.name", space)] });
        let span = json!({ "name": "process mail", "kind": 5, "endTimeUnixNano": nanos, "attributes": [attribute("messaging.destination.name", "mail")] });
        let spans = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span, span, span] }] }] });
        assert_eq!(collector.post("/v1/traces", &spans), Some(200));
        let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [
            { "name": "v8js.memory.heap.used", "gauge": { "dataPoints": [point(20_000_000 + minute * 500_000, "old_space"), point(1_000_000, "new_space")] } },
        ] }] }] });
        assert_eq!(collector.post("/v1/metrics", &metrics), Some(200));
    }
    let worker = until("verdict", || {
        let worker = collector.get("/api/v1/workers")["workers"][0].clone();
        worker["verdict"].is_object().then_some(worker)
    });
    assert_eq!(
        (&worker["service"], &worker["runtime"], &worker["source"]),
        (&json!("orders"), &json!("node"), &json!("otlp"))
    );
    assert_eq!(worker["jobs"], 720);
    assert_eq!(worker["heap_used_bytes"].as_f64(), Some(140_500_000.0));
    let growth = worker["verdict"]["bytes_per_job"]["estimate"]
        .as_f64()
        .expect("an estimate");
    assert!(
        (growth / (500_000.0 / 3.0) - 1.0).abs() < 0.2,
        "{growth} bytes a job"
    );
}
