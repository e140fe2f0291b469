//! Starting the worker and ending it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use plimsoll_model::Exit;
use plimsoll_runtimes::native::{Reach, SamplerFiles, Scope, binary_of, environment, reach};
use plimsoll_runtimes::node::{AgentFiles, attach, node_options};
use plimsoll_runtimes::{Role, Runtime, python, recognise};
use plimsoll_sample::{Identity, Roots};
use plimsoll_wire::agent::{AgentConfig, CONFIG_VARIABLE};
use signal_hook::low_level::signal_name;

use crate::folder::Folder;
use crate::limit::Limit;
use crate::{AllocSampler, DaemonError, Options, WorkerOutput};

/// The agent's configuration for this run.
pub fn agent_config(options: &Options, folder: &Folder) -> AgentConfig {
    AgentConfig {
        socket: folder.socket().to_string_lossy().into_owned(),
        evidence_dir: folder.evidence().to_string_lossy().into_owned(),
        capture: options.capture.clone(),
        jobs: options.jobs,
        pause_budget: options.pause_budget,
        hold_job_starts: true,
        profile_interval_bytes: Some(PROFILE_INTERVAL_BYTES),
        floors: options.pause_budget > 0.0,
    }
}

/// V8's own default is 512 KiB; a short run needs more samples for the same leak, and the cost of
/// twice as many is inside the aim of the agent's benchmark.
const PROFILE_INTERVAL_BYTES: u64 = 256 << 10;

/// Starts the worker in our own process group, so that the terminal treats both alike.
///
/// # Errors
/// [`DaemonError::NotFound`], [`DaemonError::NotExecutable`] and the like.
pub fn spawn(
    command: &[String],
    options: &Options,
    folder: &Folder,
    limit: Option<&Limit>,
) -> Result<Child, DaemonError> {
    let (program, arguments) = command.split_first().expect("the command line demands a program");
    let mut process = Command::new(program);
    process
        .args(arguments)
        .envs(options.environment.iter().map(|(name, value)| (name, value)));
    let mut for_node = std::env::var("NODE_OPTIONS").ok();
    if let Some(option) = limit.and_then(Limit::node_option) {
        let all = for_node.map_or_else(|| option.clone(), |present| format!("{present} {option}"));
        process.env("NODE_OPTIONS", &all);
        for_node = Some(all);
    }
    if options.agent {
        let files = AgentFiles::write(&folder.agents())?;
        let config = serde_json::to_string(&agent_config(options, folder)).expect("plain data serialises");
        let python = python::AgentFiles::write(&folder.agents())?;
        let present = inherited(options, "PYTHONPATH");
        process
            .env(CONFIG_VARIABLE, config)
            .env("NODE_OPTIONS", node_options(&files.entry(), for_node.as_deref()))
            .env(
                "PYTHONPATH",
                python::python_path(python.folder(), present.as_deref()),
            );
    }
    process.envs(sampler_variables(command, options, folder));
    if options.output == WorkerOutput::Stderr {
        let stderr = std::io::stderr().as_fd().try_clone_to_owned();
        process.stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from));
    }
    if let WorkerOutput::File(path) = &options.output {
        let (out, err) = File::create(path)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(|source| DaemonError::Folder {
                path: path.clone(),
                source,
            })?;
        process.stdin(Stdio::null()).stdout(out).stderr(err);
    }
    if let Some(limit) = limit {
        limit.apply(&mut process).map_err(|source| DaemonError::Start {
            program: program.clone(),
            source,
        })?;
    }
    process.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DaemonError::NotFound {
            program: program.clone(),
        },
        io::ErrorKind::PermissionDenied => DaemonError::NotExecutable {
            program: program.clone(),
            source,
        },
        _ => DaemonError::Start {
            program: program.clone(),
            source,
        },
    })
}

/// What the worker would have found in its environment.
fn inherited(options: &Options, name: &str) -> Option<String> {
    let given = options.environment.iter().rev().find(|(known, _)| known == name);
    given
        .map(|(_, value)| value.clone())
        .or_else(|| std::env::var(name).ok())
}

/// Variables that load the allocation sampler, if this worker gets one.
fn sampler_variables(command: &[String], options: &Options, folder: &Folder) -> Vec<(&'static str, String)> {
    let search = std::env::var_os("PATH");
    let Some(binary) = binary_of(&command[0], search.as_deref()) else {
        return Vec::new();
    };
    let wanted = match options.alloc_sampler {
        AllocSampler::Off => false,
        AllocSampler::On => true,
        // Node samples by itself, also where npm and the like start it.
        AllocSampler::Auto => {
            options.agent
                && recognise(command, Some(&binary)) != Role::Program(Runtime::Node)
                && !is_node(&binary)
        }
    };
    let Some(tables) = folder.tables().filter(|_| wanted) else {
        return Vec::new();
    };
    if let Reach::Cannot(_) = reach(&binary) {
        return Vec::new();
    }
    // Without the sampler there are no stacks; the run goes on.
    let Ok(files) = SamplerFiles::write(&folder.agents()) else {
        return Vec::new();
    };
    let preloaded = std::env::var("LD_PRELOAD").ok();
    environment(&files, tables, Scope::Native, preloaded.as_deref()).unwrap_or_default()
}

fn is_node(binary: &Path) -> bool {
    binary
        .file_stem()
        .is_some_and(|name| name == "node" || name == "nodejs")
}

/// Puts the agent into a Node process that already runs; tells its command line.
///
/// # Errors
/// [`DaemonError::Attach`].
pub fn inject_into(pid: u32, options: &Options, folder: &Folder) -> Result<Vec<String>, DaemonError> {
    let files = AgentFiles::write(&folder.agents())?;
    let config = AgentConfig {
        hold_job_starts: false,
        jobs: None,
        ..agent_config(options, folder)
    };
    let config = serde_json::to_string(&config).expect("plain data serialises");
    let attached = attach(pid, &files.entry(), &config, Instant::now() + ATTACH_DEADLINE)?;
    Ok(attached.command)
}

/// The command line of a process, as far as it can be seen.
pub fn command_of(pid: u32) -> Vec<String> {
    Identity::read(&Roots::default(), pid).map_or_else(|_| Vec::new(), |identity| identity.arguments)
}

/// A busy worker answers in the middle of a job; a machine short of CPU takes its time.
const ATTACH_DEADLINE: Duration = Duration::from_secs(30);

/// How a process ended, in the report's words.
pub fn exit_of(status: ExitStatus) -> Exit {
    let signal = status
        .signal()
        .map(|signal| signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned));
    Exit {
        code: status.code(),
        signal,
    }
}

/// The code that a shell would give: its own, or 128 + signal.
pub fn shell_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    u8::try_from(code.unwrap_or(125)).unwrap_or(125)
}

/// Sends a signal; a process that is gone already is an ordinary result.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
