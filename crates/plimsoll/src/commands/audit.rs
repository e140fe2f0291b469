//! `plimsoll audit` and `plimsoll token`: straight on the store, whether or not a collector runs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use plimsoll_store::{Desk, Role};

/// Options of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub action: AuditAction,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub enum AuditAction {
    /// Check the chain of hashes; exit 1 if it does not hold.
    Verify {
        /// Folder of the store (default: below the XDG state folder)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Print entries in order.
    List {
        /// Folder of the store (default: below the XDG state folder)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Only entries after this number
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: i64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Options of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub action: TokenAction,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// Make a token and print it, once.
    Add {
        /// What to call it
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: RoleName,
        /// Folder of the store (default: below the XDG state folder)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Take a token back.
    Revoke {
        /// What it is called
        name: String,
        /// Folder of the store (default: below the XDG state folder)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Names and roles.
    List {
        /// Folder of the store (default: below the XDG state folder)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

/// Roles on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Sends what workers do, reads nothing
    Agent,
    /// Reads all but evidence
    Viewer,
    /// Reads evidence, acknowledges, silences, resolves
    Operator,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Agent => Role::Agent,
            RoleName::Viewer => Role::Viewer,
            RoleName::Operator => Role::Operator,
        }
    }
}

/// Tables of an existing store: a typing error in `--data` must not make a new one that is sound and empty.
fn existing(data: Option<&PathBuf>) -> anyhow::Result<Desk> {
    let data = data.cloned().unwrap_or_else(super::serve::default_data);
    anyhow::ensure!(
        data.join("plimsoll.db").is_file(),
        "there is no store in `{}`; `plimsoll serve` makes one, `--data DIR` names another",
        data.display()
    );
    Ok(Desk::open(&data)?)
}

/// `plimsoll audit`.
pub fn audit(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match &args.action {
        AuditAction::Verify { data } => {
            let (entries, fault) = existing(data.as_ref())?.verify_audit()?;
            match fault {
                None => writeln!(out, "the chain holds over {entries} entries")?,
                Some(fault) => {
                    writeln!(out, "the chain breaks at entry {}: {}", fault.seq, fault.reason)?;
                    return Ok(ExitCode::from(1));
                }
            }
        }
        AuditAction::List { data, after, json } => list(&existing(data.as_ref())?, *after, *json, &mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(desk: &Desk, mut after: i64, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    const PAGE: usize = 1_000;
    loop {
        let rows = desk.audit_after(after, PAGE)?;
        for row in &rows {
            let entry = &row.entry;
            let at = humantime::format_rfc3339_millis(
                UNIX_EPOCH + Duration::from_millis(entry.at_ms.max(0) as u64),
            );
            if json {
                let line = serde_json::json!({
                    "seq": row.seq, "at": at.to_string(), "actor": entry.actor, "action": entry.action,
                    "object": entry.object, "detail": entry.detail, "hash": row.hash,
                });
                writeln!(out, "{line}")?;
            } else {
                // Names come from elsewhere; quoting shows what a terminal could take for an instruction.
                let detail = format!("{:?}", entry.detail);
                writeln!(
                    out,
                    "{:>6}  {at}  {:?}  {}  {:?}  {detail}",
                    row.seq, entry.actor, entry.action, entry.object
                )?;
            }
        }
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.seq;
    }
}

/// `plimsoll token`.
pub fn token(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let mut out = io::stdout().lock();
    match &args.action {
        TokenAction::Add { name, role, data } => {
            let data = data.clone().unwrap_or_else(super::serve::default_data);
            let secret = Desk::open(&data)?
                .add_token(name, (*role).into(), now_ms)
                .with_context(|| format!("cannot make the token `{name}`"))?;
            writeln!(out, "{secret}")?;
            eprintln!("plimsoll: this is shown once; give it to workers as $PLIMSOLL_TOKEN");
        }
        TokenAction::Revoke { name, data } => {
            anyhow::ensure!(
                existing(data.as_ref())?.revoke_token(name, now_ms)?,
                "there is no token `{name}`"
            );
        }
        TokenAction::List { data } => {
            for token in existing(data.as_ref())?.tokens()? {
                writeln!(out, "{}  {}", token.name, token.role.name())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
