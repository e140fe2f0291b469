use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use plimsoll_store::Limits;

/// How to serve.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Folder of the store.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Names, beside the address itself, under which browsers and workers may reach us.
    pub hosts: Vec<String>,
    /// Certificate and key; needed beyond loopback.
    pub tls: Option<Tls>,
    /// Ask for a token on loopback as well.
    pub require_token: bool,
    /// Who hears of incidents.
    pub receivers: Vec<Receiver>,
    /// `/metrics` of workers that have no agent of ours.
    pub scrapes: Vec<ScrapeTarget>,
    /// How often they are read.
    pub scrape_interval: Duration,
    /// How much is kept.
    pub limits: Limits,
    /// Series in the names of the outside world, for links in alerts: `https://plimsoll.example`.
    pub public_url: Option<String>,
}

/// Certificate chain and key, PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The chain, our own certificate first.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Who hears of incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// The base URL of an Alertmanager (API v2).
    Alertmanager(String),
    /// Gets each event as JSON.
    Webhook(String),
    /// A webhook that takes Slack's form.
    Slack(String),
}

/// A worker's own `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeTarget {
    /// What the service is called.
    pub service: String,
    /// Where it is.
    pub url: String,
}
