//! `plimsoll serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use plimsoll_server::{Receiver, ScrapeTarget, ServeOptions, Tls};
use plimsoll_store::Limits;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cli::{duration, size};

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(before_help = "\
Examples:
  plimsoll serve                                            on this machine, then:
  plimsoll run --server http://127.0.0.1:9464 -- node worker.js
  plimsoll serve --alertmanager http://127.0.0.1:9093
  plimsoll token add ci --role agent                        a token for workers elsewhere
  plimsoll serve --listen 0.0.0.0:9464 --tls-cert cert.pem --tls-key key.pem --host plimsoll.example")]
pub struct ServeArgs {
    /// Folder of the store (default: below the XDG state folder)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where to listen; beyond loopback TLS and a token are needed
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9464")]
    pub listen: SocketAddr,
    /// Another name under which we are reached; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Ask for a token on loopback as well
    #[arg(long)]
    pub require_token: bool,
    /// Alertmanager (API v2) that hears of incidents; may be given several times
    #[arg(long, value_name = "URL", value_parser = url)]
    pub alertmanager: Vec<String>,
    /// Webhook that gets each event as JSON; may be given several times
    #[arg(long, value_name = "URL", value_parser = url)]
    pub webhook: Vec<String>,
    /// Slack-compatible webhook (also $PLIMSOLL_SLACK, which keeps it out of `ps`)
    #[arg(long, value_name = "URL", value_parser = url)]
    pub slack: Vec<String>,
    /// `/metrics` of a worker without our agent; may be given several times
    #[arg(long, value_name = "SERVICE=URL", value_parser = scrape_target)]
    pub scrape: Vec<ScrapeTarget>,
    /// How often they are read
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub scrape_interval: Duration,
    /// How long every point is kept; then one in five minutes
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration)]
    pub keep_raw: Duration,
    /// How long those are kept
    #[arg(long, value_name = "DURATION", default_value = "400d", value_parser = duration)]
    pub keep: Duration,
    /// Size of the store past which the oldest series go
    #[arg(long, value_name = "SIZE", default_value = "8G", value_parser = size)]
    pub max_size: u64,
    /// Our URL for links in alerts, such as https://plimsoll.example
    #[arg(long, value_name = "URL", value_parser = url)]
    pub public_url: Option<String>,
}

fn url(text: &str) -> Result<String, String> {
    let good = text.starts_with("http://") || text.starts_with("https://");
    good.then(|| text.to_owned())
        .ok_or_else(|| "expected a URL such as http://127.0.0.1:9093".into())
}

fn scrape_target(text: &str) -> Result<ScrapeTarget, String> {
    let expected = || "expected SERVICE=URL, such as mailer=http://127.0.0.1:9100/metrics".to_owned();
    let (service, address) = text.split_once('=').ok_or_else(expected)?;
    if service.is_empty() || service.contains('/') {
        return Err(expected());
    }
    Ok(ScrapeTarget {
        service: service.to_owned(),
        url: url(address)?,
    })
}

/// Where the store lies when nobody says: `$XDG_STATE_HOME/plimsoll/store`.
pub fn default_data() -> PathBuf {
    super::run::state_folder().join("plimsoll/store")
}

/// Serves until a signal comes.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let options = options(args);
    let data = options.data.clone();
    let tls = options.tls.is_some();
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
    let serving = match plimsoll_server::serve(options) {
        Ok(serving) => serving,
        Err(error) => {
            eprintln!("plimsoll: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("  hint: {hint}");
            }
            return Ok(ExitCode::from(crate::COULD_NOT));
        }
    };
    let scheme = if tls { "https" } else { "http" };
    eprintln!(
        "plimsoll: serving {scheme}://{} from `{}`",
        serving.address,
        data.display()
    );
    signals.forever().next();
    eprintln!("plimsoll: ending");
    std::thread::spawn(move || {
        // A second signal ends us at once; the log of the store is whole at any instant.
        signals.forever().next();
        std::process::exit(130);
    });
    serving.stop();
    Ok(ExitCode::SUCCESS)
}

fn options(args: &ServeArgs) -> ServeOptions {
    let mut receivers: Vec<Receiver> = args
        .alertmanager
        .iter()
        .cloned()
        .map(Receiver::Alertmanager)
        .collect();
    receivers.extend(args.webhook.iter().cloned().map(Receiver::Webhook));
    let hidden = std::env::var("PLIMSOLL_SLACK").ok().filter(|url| !url.is_empty());
    receivers.extend(args.slack.iter().cloned().chain(hidden).map(Receiver::Slack));
    let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4);
    ServeOptions {
        data: args.data.clone().unwrap_or_else(default_data),
        listen: args.listen,
        hosts: args.host.clone(),
        tls: args
            .tls_cert
            .clone()
            .zip(args.tls_key.clone())
            .map(|(cert, key)| Tls { cert, key }),
        require_token: args.require_token,
        receivers,
        scrapes: args.scrape.clone(),
        scrape_interval: args.scrape_interval.max(Duration::from_secs(1)),
        limits: Limits {
            raw_ms: ms(args.keep_raw),
            coarse_ms: ms(args.keep),
            max_bytes: args.max_size,
        },
        public_url: args.public_url.clone(),
    }
}
