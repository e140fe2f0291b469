//! `plimsoll incident`: the incidents of a collector.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Options of `incident`.
#[derive(Debug, Args)]
pub struct IncidentArgs {
    /// The collector (default: $PLIMSOLL_SERVER, else http://127.0.0.1:9464); its token is $PLIMSOLL_TOKEN
    #[arg(long, value_name = "URL", global = true)]
    pub server: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub action: IncidentAction,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum IncidentAction {
    /// Incidents, the latest first.
    List {
        /// open, acknowledged, resolved or all
        #[arg(long, default_value = "all")]
        state: String,
    },
    /// One incident with what happened to it.
    Show {
        /// Its number
        id: u64,
    },
    /// You work on it: no more alerts.
    Ack {
        /// Its number
        id: u64,
        /// A word to the others
        #[arg(long, default_value = "")]
        note: String,
    },
    /// No alerts for its service for a while.
    Silence {
        /// Its number
        id: u64,
        /// How long
        #[arg(long = "for", default_value = "2h")]
        duration: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// It is over.
    Resolve {
        /// Its number
        id: u64,
        /// A word to the others
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// A collector's API.
pub struct Api {
    base: String,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Api {
    /// The collector that the argument or the environment names, else the one on this machine.
    pub fn new(server: Option<&str>) -> Self {
        let variable = std::env::var("PLIMSOLL_SERVER")
            .ok()
            .filter(|url| !url.is_empty());
        let base = server.map(str::to_owned).or(variable);
        let base = base.unwrap_or_else(|| "http://127.0.0.1:9464".into());
        Api {
            base: base.trim_end_matches('/').to_owned(),
            token: std::env::var("PLIMSOLL_TOKEN").ok(),
            agent: ureq::Agent::config_builder()
                .timeout_global(Some(std::time::Duration::from_secs(10)))
                .http_status_as_error(false)
                .max_redirects(0)
                .build()
                .into(),
        }
    }

    /// Reads a document.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.answer(request.call())
    }

    /// Sends a document.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        self.answer(request.send(body.to_string()))
    }

    fn answer(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Value> {
        let mut answer = answer.with_context(|| {
            format!(
                "cannot reach the collector at `{}`; is `plimsoll serve` running there?",
                self.base
            )
        })?;
        let text = answer
            .body_mut()
            .read_to_string()
            .context("the collector's answer cannot be read")?;
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("`{}` answered no JSON: is it a plimsoll collector?", self.base))?;
        let error = value["error"].as_str().unwrap_or("no reason given");
        anyhow::ensure!(
            answer.status().is_success(),
            "the collector answered {}: {error}",
            answer.status().as_u16()
        );
        Ok(value)
    }
}

/// `plimsoll incident`.
pub fn run(args: &IncidentArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(args.server.as_deref());
    let value = match &args.action {
        IncidentAction::List { state } => api.get(&format!("/api/v1/incidents?state={}", plain(state)?))?,
        IncidentAction::Show { id } => api.get(&format!("/api/v1/incidents/{id}"))?,
        IncidentAction::Ack { id, note } => api.post(
            &format!("/api/v1/incidents/{id}/acknowledge"),
            &json!({ "note": note }),
        )?,
        IncidentAction::Silence { id, duration, reason } => api.post(
            &format!("/api/v1/incidents/{id}/silence"),
            &json!({ "for": duration, "reason": reason }),
        )?,
        IncidentAction::Resolve { id, note } => api.post(
            &format!("/api/v1/incidents/{id}/resolve"),
            &json!({ "note": note }),
        )?,
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{value:#}")?;
        return Ok(ExitCode::SUCCESS);
    }
    match &args.action {
        IncidentAction::List { .. } => print_list(&mut out, &value)?,
        IncidentAction::Show { .. } => print_one(&mut out, &value)?,
        IncidentAction::Silence { .. } => writeln!(
            out,
            "no alerts for {} until {}",
            text(&value["service"]),
            text(&value["until"])
        )?,
        _ => writeln!(out, "incident {} is {}", value["id"], text(&value["state"]))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn plain(word: &str) -> anyhow::Result<&str> {
    anyhow::ensure!(
        word.chars().all(|c| c.is_ascii_lowercase()),
        "`--state` is one of open, acknowledged, resolved, all"
    );
    Ok(word)
}

/// A string without what a terminal could take for an instruction.
pub fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or("–");
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn print_list(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let incidents = value["incidents"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if incidents.is_empty() {
        return writeln!(out, "no incidents");
    }
    for incident in incidents {
        writeln!(
            out,
            "{:>5}  {:<12}  {:<8}  {}  {}",
            incident["id"],
            text(&incident["state"]),
            text(&incident["severity"]),
            text(&incident["opened_at"]),
            text(&incident["title"])
        )?;
    }
    Ok(())
}

fn print_one(out: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{}  {}", text(&value["state"]), text(&value["title"]))?;
    writeln!(
        out,
        "opened {}, severity {}",
        text(&value["opened_at"]),
        text(&value["severity"])
    )?;
    for worker in value["workers"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "  worker {}  {}  release {}",
            worker["id"],
            text(&worker["name"]),
            text(&worker["release"])
        )?;
    }
    for reason in value["verdict"]["reasons"].as_array().into_iter().flatten() {
        writeln!(out, "  · {}", text(reason))?;
    }
    for suspect in value["suspects"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "  suspect {}: {}",
            suspect["rank"],
            text(&suspect["explanation"])
        )?;
    }
    for event in value["timeline"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "  {}  {:<12}  {}  {}",
            text(&event["at"]),
            text(&event["kind"]),
            text(&event["actor"]),
            text(&event["text"])
        )?;
    }
    Ok(())
}
