//! One trial: a fresh deployment, idle, then saturated, until it has 16 replicas.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use procfs::{Current, LoadAverage};
use rand::Rng;
use rand::rngs::StdRng;
use serde::Serialize;
use tokio::time::Instant;

use super::Phase;
use super::phase::Phases;
use super::rig::Rig;
use super::schedule::Syncs;

/// The replicas at which a trial ends.
const ENOUGH: u32 = 16;
/// How long after the step a trial ends whatever has come.
const GIVE_UP: Duration = Duration::from_secs(140);
/// How long metrics may take to exist: two looks, a poll and a sync, and some patience.
const METRICS_DEADLINE: Duration = Duration::from_secs(90);
/// How long a fitting phase is waited for; one look in three has one.
const PHASE_DEADLINE: Duration = Duration::from_secs(300);
/// How soon after a poll the autoscaler is created in the phase `measured`, in seconds: its syncs
/// then follow the polls by that.
const CREATE_AFTER_POLL: std::ops::Range<f64> = 0.5..6.0;
/// How often the schedule is asked for while a phase is waited for.
const POLL: Duration = Duration::from_millis(250);
/// Seconds of the periods that a free phase spreads over.
const PERIOD: f64 = 15.0;

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Where the chain stood at the step.
    pub phases: Phases,
    /// What ran on this machine before the step: its load average of the last minute. Pods that do
    /// not get their CPU use less than a saturated one.
    pub load_average: f32,
    /// The changes of `spec.replicas` after the step, in order.
    pub patches: Vec<Patch>,
}

/// A change of `spec.replicas`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Patch {
    /// Seconds after the step.
    pub seconds: f64,
    /// The replicas asked for.
    pub replicas: u32,
}

impl Trial {
    /// The first patch.
    pub fn first(&self) -> Option<Patch> {
        self.patches.first().copied()
    }

    /// Seconds after the step until at least so many replicas were asked for.
    pub fn seconds_to(&self, replicas: u32) -> Option<f64> {
        let mut reached = self
            .patches
            .iter()
            .filter(|patch| patch.replicas >= replicas);
        reached.next().map(|patch| patch.seconds)
    }
}

/// Makes the trial `number`; `say` tells what is being done. Removes what it has created, unless it
/// fails: then the cluster goes as a whole.
pub(super) async fn run(
    rig: &mut Rig,
    number: u32,
    phase: Phase,
    rng: &mut StdRng,
    say: &impl Fn(&str),
) -> Result<Trial> {
    let name = format!("trial-{number}");
    say("starting an idle pod");
    rig.deploy(&name).await?;
    let wait = match phase {
        Phase::Measured => {
            let after = Duration::from_secs_f64(rng.random_range(CREATE_AFTER_POLL));
            rig.schedule().await?.next_poll + after
        }
        Phase::Free => Instant::now() + Duration::from_secs_f64(rng.random_range(0.0..PERIOD)),
    };
    tokio::time::sleep_until(wait).await;
    let syncs = Syncs::of(rig.client()?, &name);
    rig.autoscale(&name).await?;
    say("waiting for its metrics");
    wait_for_metrics(rig, &name).await?;
    let at = match phase {
        Phase::Measured => {
            say("waiting for a fitting phase of looks, polls and syncs");
            fitting_moment(rig, &syncs, rng).await?
        }
        Phase::Free => Instant::now() + Duration::from_secs_f64(rng.random_range(0.0..PERIOD)),
    };
    tokio::time::sleep_until(at).await;
    let phases = phases(rig, &syncs)
        .await?
        .context("the node does not look at the pod")?;
    let load_average = LoadAverage::current()
        .context("cannot read the load average")?
        .one;
    say("load step; waiting for 16 replicas");
    let patches = observe(rig, &name).await?;
    drop(syncs);
    say("removing everything");
    rig.remove(&name).await?;
    Ok(Trial {
        phases,
        load_average,
        patches,
    })
}

async fn wait_for_metrics(rig: &mut Rig, name: &str) -> Result<()> {
    let deadline = Instant::now() + METRICS_DEADLINE;
    while !rig.is_active(name).await? {
        rig.check()?;
        ensure!(
            Instant::now() < deadline,
            "the autoscaler has no metrics after {} s",
            METRICS_DEADLINE.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// A moment ahead from which the measured range can be reached, by chance among those there are.
async fn fitting_moment(rig: &mut Rig, syncs: &Syncs, rng: &mut StdRng) -> Result<Instant> {
    let deadline = Instant::now() + PHASE_DEADLINE;
    loop {
        rig.check()?;
        let now = Instant::now();
        if let Some(fitting) = phases(rig, syncs)
            .await?
            .and_then(|phases| phases.fitting())
        {
            return Ok(now + Duration::from_secs_f64(rng.random_range(fitting)));
        }
        ensure!(
            now < deadline,
            "no fitting phase came within {} s",
            PHASE_DEADLINE.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Where the chain stands now; `None` while the pod or the autoscaler has not been looked at.
async fn phases(rig: &Rig, syncs: &Syncs) -> Result<Option<Phases>> {
    let schedule = rig.schedule().await?;
    let now = Instant::now();
    let until = |moment: Instant| moment.saturating_duration_since(now).as_secs_f64();
    let (Some(looks), Some(sync)) = (schedule.looks, syncs.next(now)) else {
        return Ok(None);
    };
    Ok(Some(Phases {
        window_seconds: (looks.next - looks.last).as_secs_f64(),
        next_sample_seconds: until(looks.next),
        next_poll_seconds: until(schedule.next_poll),
        next_sync_seconds: until(sync),
    }))
}

/// Steps up the load and records what is patched.
async fn observe(rig: &mut Rig, name: &str) -> Result<Vec<Patch>> {
    let mut announcements = rig.announcements()?;
    let mut known = 1;
    let mut patches = Vec::new();
    rig.step(name)?;
    let (step, give_up) = (SystemTime::now(), Instant::now() + GIVE_UP);
    while known < ENOUGH {
        let announcement = tokio::select! {
            announcement = announcements.recv() => announcement,
            () = tokio::time::sleep_until(give_up) => break,
        };
        let Some(announcement) = announcement else {
            bail!("the watch of the deployment has ended");
        };
        // A watch that fails comes back by itself.
        let Ok(announcement) = announcement else {
            continue;
        };
        rig.check()?;
        let replicas = announcement.replicas.desired;
        if announcement.deployment != name || replicas == known {
            continue;
        }
        known = replicas;
        let seconds = announcement
            .at
            .duration_since(step)
            .unwrap_or_default()
            .as_secs_f64();
        patches.push(Patch { seconds, replicas });
    }
    Ok(patches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_reached_by_the_first_patch_that_asks_for_as_many() {
        let patch = |(seconds, replicas)| Patch { seconds, replicas };
        let trial = Trial {
            phases: Phases {
                window_seconds: 15.0,
                next_sample_seconds: 5.0,
                next_poll_seconds: 7.0,
                next_sync_seconds: 9.0,
            },
            load_average: 0.1,
            patches: [(14.0, 3), (29.0, 6), (44.0, 12)].map(patch).to_vec(),
        };
        assert_eq!(trial.first().unwrap().replicas, 3);
        assert_eq!(trial.seconds_to(4), Some(29.0));
        assert_eq!(trial.seconds_to(8), Some(44.0));
        assert_eq!(trial.seconds_to(16), None);
    }
}
