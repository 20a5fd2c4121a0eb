//! The command line: `run` on a node, `check` and `top` for people.

use std::io::{self, ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::kernel::Options;

mod check;
mod run;
mod shutdown;
mod top;

/// Measures containers with eBPF and streams what happened to the Viperscale scaler.
#[derive(Debug, Parser)]
#[command(name = "probe-agent", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure what the scaler asks for, until SIGTERM.
    Run(RunArgs),
    /// Tell what can be measured on this machine; exit 0 if waits, user page faults and sent bytes can be.
    Check(CheckArgs),
    /// Show containers and their metrics live, without any scaler.
    Top(TopArgs),
}

#[derive(Debug, Args)]
struct CgroupRoot {
    /// Where cgroup hierarchies are mounted, at or below this directory.
    #[arg(
        long = "cgroup-root",
        value_name = "DIR",
        env = "VIPERSCALE_CGROUP_ROOT",
        default_value = "/sys/fs/cgroup"
    )]
    path: PathBuf,
}

#[derive(Debug, Args)]
struct Room {
    /// Containers that can be measured at once, which takes about 2.3 KiB of the kernel's memory for
    /// each and every CPU; more are refused, reported and counted.
    #[arg(
        long,
        value_name = "COUNT",
        env = "VIPERSCALE_MAX_CONTAINERS",
        default_value_t = Options::MAX_CONTAINERS,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    max_containers: u32,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Where scalers are, http://HOST:PORT or https://HOST:PORT; several with commas.
    ///
    /// A name with several addresses (a headless Service) is all of them. A stream is held to each,
    /// and reports go to the one that leads.
    #[arg(long, value_name = "URL", env = "VIPERSCALE_SCALER")]
    #[arg(required = true, value_delimiter = ',')]
    scaler: Vec<String>,
    /// This node's name in Kubernetes (metadata.name).
    #[arg(long, value_name = "NAME", env = "VIPERSCALE_NODE_NAME")]
    node_name: String,
    /// Time between reports while the scaler names none, 100 ms or more.
    #[arg(long, env = "VIPERSCALE_INTERVAL", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Where /live, /ready and /metrics are served.
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "VIPERSCALE_ADMIN_ADDRESS",
        default_value = "127.0.0.1:9101"
    )]
    admin_address: SocketAddr,
    #[command(flatten)]
    cgroup_root: CgroupRoot,
    /// PEM file of the authority that signed the scaler's certificate (https only).
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// PEM file of this agent's certificate; its common name or a DNS name must be --node-name.
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the key of this agent's certificate.
    #[arg(long, value_name = "FILE", env = "VIPERSCALE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// How long to go on measuring without a scaler before detaching everything.
    #[arg(long, env = "VIPERSCALE_GRACE", default_value = "60s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Reports kept while no scaler is reachable; when full, the oldest is dropped and counted.
    #[arg(
        long,
        value_name = "REPORTS",
        env = "VIPERSCALE_QUEUE",
        default_value = "30"
    )]
    queue: NonZeroUsize,
    #[command(flatten)]
    room: Room,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Print JSON instead of a table.
    #[arg(long, env = "VIPERSCALE_JSON")]
    json: bool,
    #[command(flatten)]
    cgroup_root: CgroupRoot,
}

#[derive(Debug, Args)]
struct TopArgs {
    /// Time between two tables, 100 ms or more.
    #[arg(long, env = "VIPERSCALE_INTERVAL", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Measure one interval, print it and end.
    #[arg(long, env = "VIPERSCALE_ONCE")]
    once: bool,
    /// Print one line of JSON per interval.
    #[arg(long, env = "VIPERSCALE_JSON")]
    json: bool,
    /// Measure these cgroups, whatever their names, instead of the pods' containers: a directory, or
    /// a path as /proc/PID/cgroup shows it.
    #[arg(long, value_name = "PATH", num_args = 1.., value_delimiter = ',', env = "VIPERSCALE_CGROUP")]
    cgroup: Vec<PathBuf>,
    /// What to measure: names as in policies, each with the share of events to record if not all
    /// (sentBytes=0.1), or `core`, or `all`.
    #[arg(
        long,
        value_name = "METRIC[=RATE]",
        num_args = 1..,
        value_delimiter = ',',
        env = "VIPERSCALE_METRICS",
        default_value = "core"
    )]
    metrics: Vec<top::Choice>,
    /// Other metrics for some containers: those whose id begins with CONTAINER, or whose cgroup's path
    /// has it; can be repeated.
    #[arg(
        long,
        value_name = "CONTAINER:METRIC[=RATE],...",
        env = "VIPERSCALE_METRICS_OF",
        value_delimiter = ' '
    )]
    metrics_of: Vec<top::ChoiceOf>,
    #[command(flatten)]
    room: Room,
    #[command(flatten)]
    cgroup_root: CgroupRoot,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let allowed = crate::ticks::Ticks::SHORTEST..=crate::plan::LONGEST_INTERVAL;
    if allowed.contains(&interval) {
        Ok(interval)
    } else {
        Err(format!(
            "expected {:?} to {:?}",
            allowed.start(),
            allowed.end()
        ))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(match cli.command {
        Command::Run(_) => "info",
        Command::Check(_) | Command::Top(_) => "warn",
    });
    // One thread is enough: everything that takes time happens on the measuring thread.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error).context("cannot start the runtime")),
    };
    let result = match cli.command {
        Command::Run(args) => runtime.block_on(run::run(args)),
        Command::Check(args) => check::check(&args),
        Command::Top(args) => runtime.block_on(top::top(args)),
    };
    match result {
        Ok(code) => code,
        // Whoever read our output has seen enough (`probe-agent top | head`).
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("probe-agent: {error:#}");
    ExitCode::FAILURE
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_env("VIPERSCALE_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn intervals_are_read_with_their_unit_and_bounded() {
        assert_eq!(interval("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["1", "10ms", "2h", "often"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
