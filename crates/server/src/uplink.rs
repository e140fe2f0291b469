//! The way from a run to a collector: its own thread and a short queue, so that the watch never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plimsoll_model::Report;
use plimsoll_wire::stream::{StreamBatch, StreamEnd};

/// Batches that wait while the collector is away: at one a second, so many seconds of it.
const QUEUE: usize = 120;
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is left at the end is tried for so long: a worker that has ended must not keep its caller.
const FAREWELL: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// No URL.
    #[error("`{0}` is no URL of a collector: expected http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// Plain HTTP to another machine would show the token and the data.
    #[error("`{0}` is not on this machine and not https")]
    Plain(String),
    /// No thread, no random number.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

enum Parcel {
    Batch(Box<StreamBatch>),
    End(Box<Report>),
}

/// The way to one collector.
#[derive(Debug)]
pub struct Uplink {
    session: String,
    host: Option<String>,
    seq: u64,
    parcels: Option<SyncSender<Parcel>>,
    dropped: Arc<AtomicU64>,
    news: Arc<Mutex<Vec<String>>>,
    ending: Arc<Mutex<Option<Instant>>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Parcel::Batch(_) => "Batch",
            Parcel::End(_) => "End",
        })
    }
}

impl Uplink {
    /// To the collector at `url`, with a token where it wants one.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, UplinkError> {
        check(url)?;
        let (parcels, waiting) = mpsc::sync_channel(QUEUE);
        let news = Arc::new(Mutex::new(Vec::new()));
        let ending = Arc::new(Mutex::new(None));
        let sender = Sender {
            url: url.trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
            session: session()?,
            agent: ureq::Agent::config_builder()
                .timeout_global(Some(TIMEOUT))
                .max_redirects(0)
                .http_status_as_error(false)
                .build()
                .into(),
            news: Arc::clone(&news),
            ending: Arc::clone(&ending),
            down: false,
        };
        let session = sender.session.clone();
        let thread = std::thread::Builder::new()
            .name("uplink".into())
            .spawn(move || sender.run(&waiting))?;
        Ok(Uplink {
            session,
            host: std::fs::read_to_string("/proc/sys/kernel/hostname")
                .ok()
                .map(|name| name.trim().to_owned()),
            seq: 0,
            parcels: Some(parcels),
            dropped: Arc::new(AtomicU64::new(0)),
            news,
            ending,
            thread: Some(thread),
        })
    }

    /// Sends a batch when there is time; drops it, counted, where too many wait already.
    pub fn send(&mut self, mut batch: StreamBatch) {
        self.seq += 1;
        batch.session.clone_from(&self.session);
        batch.seq = self.seq;
        batch.worker.host.clone_from(&self.host);
        batch.dropped = self.dropped.load(Ordering::Relaxed);
        let Some(parcels) = &self.parcels else { return };
        if let Err(TrySendError::Full(_)) = parcels.try_send(Parcel::Batch(Box::new(batch))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends the report and waits until everything has gone, or for some seconds.
    pub fn finish(&mut self, report: &Report) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if let Some(parcels) = self.parcels.take() {
            // The queue may be full while the collector is away; it is gone when the sender gives up.
            let _ = parcels.send(Parcel::End(Box::new(report.clone())));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// What the user should hear, each once.
    pub fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn check(url: &str) -> Result<(), UplinkError> {
    let wrong = || UplinkError::Url(url.chars().take(200).collect());
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(wrong());
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(authority) => Ok(()),
        "http" => Err(UplinkError::Plain(url.chars().take(200).collect())),
        _ => Err(wrong()),
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn session() -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Sender {
    url: String,
    token: Option<String>,
    session: String,
    agent: ureq::Agent,
    news: Arc<Mutex<Vec<String>>>,
    ending: Arc<Mutex<Option<Instant>>>,
    down: bool,
}

/// How a request ended.
enum Sent {
    Taken,
    /// It will never be taken.
    Refused(String),
    /// Later, perhaps.
    Away(String),
}

impl Sender {
    fn run(mut self, parcels: &Receiver<Parcel>) {
        let mut waiting: Option<Parcel> = None;
        loop {
            let parcel = match waiting.take() {
                Some(parcel) => parcel,
                None => match parcels.recv() {
                    Ok(parcel) => parcel,
                    Err(_) => return,
                },
            };
            match self.deliver(&parcel) {
                Sent::Taken => {
                    if std::mem::take(&mut self.down) {
                        self.say("the collector is there again".into());
                    }
                }
                Sent::Refused(why) => self.say(format!("the collector refused a batch: {why}")),
                Sent::Away(why) => {
                    if !std::mem::replace(&mut self.down, true) {
                        self.say(format!(
                            "the collector at `{}` cannot be reached ({why}); the watch goes on",
                            self.url
                        ));
                    }
                    let ending = *self.ending.lock().unwrap_or_else(PoisonError::into_inner);
                    if ending.is_some_and(|since| since.elapsed() > FAREWELL) {
                        self.say("the report could not be delivered to the collector".into());
                        return;
                    }
                    waiting = Some(parcel);
                    std::thread::sleep(RETRY);
                    continue;
                }
            }
        }
    }

    fn deliver(&self, parcel: &Parcel) -> Sent {
        let (path, body) = match parcel {
            Parcel::Batch(batch) => ("stream", serde_json::to_vec(batch)),
            Parcel::End(report) => {
                let report = serde_json::from_str(&plimsoll_report::json(report)).unwrap_or_default();
                let end = StreamEnd {
                    session: self.session.clone(),
                    report,
                };
                ("reports", serde_json::to_vec(&end))
            }
        };
        let Ok(body) = body else {
            return Sent::Refused("it cannot be written as JSON".into());
        };
        let mut request = self
            .agent
            .post(format!("{}/api/v1/{path}", self.url))
            .header("Content-Type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        match request.send(&body) {
            Ok(response) => match response.status().as_u16() {
                200..=299 => Sent::Taken,
                code @ (408 | 429 | 500..=599) => Sent::Away(format!("it answered {code}")),
                code => Sent::Refused(format!("it answered {code}")),
            },
            Err(error) => Sent::Away(error.to_string()),
        }
    }

    fn say(&self, text: String) {
        const NEWS_MAX: usize = 32;
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if news.len() < NEWS_MAX && !news.contains(&text) {
            news.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked() {
        for (url, good) in [
            ("http://127.0.0.1:9464", true),
            ("http://localhost", true),
            ("http://[::1]:1/", true),
            ("https://plimsoll.example", true),
            ("http://plimsoll.example", false),
            ("http://127.0.0.1.example:80", false),
            ("http://user@127.0.0.1", false),
            ("127.0.0.1:9464", false),
            ("ftp://127.0.0.1", false),
            ("http://", false),
        ] {
            assert_eq!(check(url).is_ok(), good, "{url}");
        }
    }
}
