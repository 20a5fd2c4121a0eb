//! One size: connect, settle, measure, count, storm.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use probe_agent::stream::{Address, TlsFiles};

use super::FleetArgs;
use super::agents::Fleet;
use super::memory::Memory;
use super::plan::{NAMESPACE, Plan};
use super::policies::WINDOW_SECONDS;
use super::probe::Probe;
use super::report::{Size, quantile_ms};
use super::rig::{Rig, Target};
use crate::local::{Programs, RunDir, client};
use crate::locust::Spinner;
use crate::replicas;
use crate::usage::Usage;

/// How long all agents may take to be configured, at first or after the storm.
const CONFIGURED_DEADLINE: Duration = Duration::from_secs(60);
/// Between the last configuration and the measurement: by then every window is full, and what was
/// read at the start is freed.
const SETTLE: Duration = Duration::from_secs(2 * WINDOW_SECONDS);
/// By then every report that was sent has arrived, or never will.
const QUIET: Duration = Duration::from_secs(2);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often a wait of the storm is looked at: its precision.
const POLL: Duration = Duration::from_millis(20);

pub(super) async fn measure(
    args: &FleetArgs,
    programs: &Programs,
    run_dir: &RunDir,
    plan: Plan,
    rig: &mut Rig,
    spinner: &Spinner,
) -> Result<Size> {
    spinner.step(&format!(
        "{} nodes: starting an API server and the scaler",
        plan.nodes
    ));
    let target = rig.start(programs, run_dir, plan).await?;
    let mut announcements = replicas::announce(client(&target.kubeconfig).await?, NAMESPACE);

    spinner.step(&format!("{} nodes: connecting the agents", plan.nodes));
    // With the real agent's own settings of the connection.
    let scaler = target.grpc.to_string();
    let address = Address::parse(&format!("http://{scaler}"), &TlsFiles::default())?;
    let endpoint = address.at(&scaler)?;
    let began = Instant::now();
    let (fleet, mut hot_reports) = Fleet::start(plan, endpoint)?;
    configured(rig, &fleet, plan).await?;
    let connected = began.elapsed();
    tokio::time::sleep(SETTLE).await;

    spinner.step(&format!(
        "{} nodes: measuring for {} s",
        plan.nodes, args.seconds
    ));
    let mut probe = Probe::new(plan);
    let mut memory = Memory::default();
    let at_start = target.metrics.read().await?;
    anyhow::ensure!(
        at_start.targets == u64::from(plan.pods()),
        "the scaler has {} of {} containers measured: it does not know all pods or policies",
        at_start.targets,
        plan.pods()
    );
    let (before, since) = (Usage::of(target.scaler_pid)?, Instant::now());
    let time = Duration::from_secs(args.seconds.into());
    tokio::select! {
        probed = probe.run(time, &fleet, &mut hot_reports, &mut announcements) => probed?,
        ended = watch_memory(&mut memory, rig, &target) => return Err(ended),
    }
    let (after, took) = (Usage::of(target.scaler_pid)?, since.elapsed());
    let at_end = target.metrics.read().await?;

    fleet.mute(true);
    tokio::time::sleep(QUIET).await;
    let told = target.metrics.read().await?;
    let sent = fleet.counts().reports.load(Ordering::Relaxed);
    fleet.mute(false);

    let storm = match args.no_storm {
        true => None,
        false => {
            spinner.step(&format!("{} nodes: every agent reconnects", plan.nodes));
            Some(storm(rig, &fleet, plan, &target).await?)
        }
    };
    let last = Usage::of(target.scaler_pid)?;
    let seconds = took.as_secs_f64();
    let cores = (after.cpu - before.cpu).as_secs_f64() / seconds;
    let latencies = &probe.outcome.latencies;
    Ok(Size {
        nodes: plan.nodes,
        pods: plan.pods(),
        policies: plan.deployments,
        seconds,
        scaler_cores: cores,
        scaler_rss_bytes: after.rss_bytes.max(last.rss_bytes),
        scaler_peak_rss_bytes: last.peak_rss_bytes,
        scaler_rss_growth_bytes_per_minute: memory.growth_per_minute(),
        cpu_us_per_pod_second: cores * 1e6 / f64::from(plan.pods()),
        rss_bytes_per_pod: after.rss_bytes as f64 / f64::from(plan.pods()),
        report_to_patch_p50_ms: quantile_ms(latencies, 0.5),
        report_to_patch_p99_ms: quantile_ms(latencies, 0.99),
        report_to_patch_max_ms: quantile_ms(latencies, 1.0),
        crossings: latencies.len(),
        crossings_unanswered: probe.outcome.unanswered,
        changes_unasked: probe.outcome.unasked,
        reports_lost: sent.saturating_sub(told.reports_accepted),
        reports_sent: sent,
        reports_late: fleet.counts().late.load(Ordering::Relaxed),
        decisions_per_second: (at_end.decisions - at_start.decisions) as f64 / seconds,
        samples_per_second: (at_end.samples_accepted - at_start.samples_accepted) as f64 / seconds,
        connected_ms: connected.as_secs_f64() * 1e3,
        storm_settled_ms: storm
            .as_ref()
            .map(|storm| storm.settled.as_secs_f64() * 1e3),
        storm_cpu_seconds: storm.as_ref().map(|storm| storm.cpu.as_secs_f64()),
        wrong_configurations: fleet.counts().wrong_configurations.load(Ordering::Relaxed),
        goals_met: false,
    }
    .judged())
}

/// What it took until all agents were back.
struct Storm {
    settled: Duration,
    cpu: Duration,
}

/// Cuts all streams at once; the agents come back as real ones do.
async fn storm(rig: &mut Rig, fleet: &Fleet, plan: Plan, target: &Target) -> Result<Storm> {
    let (before, began) = (Usage::of(target.scaler_pid)?, Instant::now());
    fleet.cut();
    configured(rig, fleet, plan).await?;
    let settled = began.elapsed();
    let cpu = Usage::of(target.scaler_pid)?.cpu - before.cpu;
    // The scaler must see as many: a stream that it takes for alive and is not would be a leak.
    let agents = target.metrics.read().await?.agents;
    anyhow::ensure!(
        agents == u64::from(plan.nodes),
        "after the storm the scaler counts {agents} agents of {}",
        plan.nodes
    );
    Ok(Storm { settled, cpu })
}

/// Waits until every agent has a configuration on its present stream.
async fn configured(rig: &mut Rig, fleet: &Fleet, plan: Plan) -> Result<()> {
    let deadline = Instant::now() + CONFIGURED_DEADLINE;
    while fleet.configured() < plan.nodes as usize {
        rig.check()?;
        anyhow::ensure!(
            Instant::now() < deadline,
            "{} of {} agents were configured within {} s; {} streams were ended by the scaler or \
             refused (its log tells why)",
            fleet.configured(),
            plan.nodes,
            CONFIGURED_DEADLINE.as_secs(),
            fleet.counts().ended.load(Ordering::Relaxed)
        );
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Looks at the scaler's memory until something has ended.
async fn watch_memory(memory: &mut Memory, rig: &mut Rig, target: &Target) -> anyhow::Error {
    let began = Instant::now();
    loop {
        let look = rig
            .check()
            .and_then(|()| Usage::of(target.scaler_pid))
            .context("while measuring");
        match look {
            Ok(usage) => memory.add(began.elapsed(), usage.rss_bytes),
            Err(error) => return error,
        }
        tokio::time::sleep(LOOK).await;
    }
}
