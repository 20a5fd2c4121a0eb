//! One trial: everything up, at rest, load driven to its end, everything noted.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use comparison::{Autoscaler, Scenario, TrialKey, TrialRecord};
use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until};

use super::clocks::ClockSource;
use super::job::Job;
use super::observed::Observed;
use super::progress::{Live, Progress};
use super::rig::{Rig, Running};
use super::sampling::{announce_hpas, announce_pods, ask_schedule};
use crate::locust::{AT_ONCE, Event, LoadPlan, Locust, Run, Stage};
use crate::replicas::announce as announce_replicas;

/// Time that the shop has to itself before any load, the same under both autoscalers: starting is over in every window.
const REST: Duration = Duration::from_secs(30);

/// The same when the comparison is a quick one.
const QUICK_REST: Duration = Duration::from_secs(3);

/// How many times less a quick one waits for the drawn moment: it has two minutes.
const QUICK_DELAY: u32 = 5;

/// The HPA's period. The load begins at any moment of it, as it does in life.
const HPA_PERIOD: Duration = Duration::from_secs(15);

/// How often everything is read that is not announced.
const SECOND: Duration = Duration::from_secs(1);

/// How long Locust may take from its start to its first user.
const LOCUST_DEADLINE: Duration = Duration::from_secs(60);

/// Share of requests in Locust's own statistics that may be missing in its events.
const MISSING_SHARE: f64 = 0.001;

/// What a trial is made of.
pub(super) struct Trial<'a> {
    /// The comparison.
    pub(super) job: &'a Job,
    /// Its scenario.
    pub(super) scenario: &'a Scenario,
    /// Which trial.
    pub(super) key: TrialKey,
    /// Who drives the load.
    pub(super) locust: &'a Locust,
    /// An empty folder for state; its folders `logs` and `locust` are kept with the trial.
    pub(super) dir: &'a Path,
}

impl Trial<'_> {
    /// Makes the trial; what it starts is in `rig`, to be ended by the caller.
    ///
    /// # Errors
    /// When anything does not come up, or ends early.
    pub(super) async fn make(&self, rig: &mut Rig, progress: &mut Progress) -> Result<TrialRecord> {
        let logs = self.folder("logs")?;
        let mut tell = |step: &str| progress.step(step);
        let running = rig
            .start(
                self.job,
                self.scenario,
                self.key.autoscaler,
                (self.dir, &logs),
                &mut tell,
            )
            .await?;
        let rested = self.rest(rig, &running, progress).await?;
        let observed = self.drive(rig, &running, progress).await?;
        observed.record(self, &running, rested).await
    }

    /// Lets the shop come to rest, and then waits for the moment of the HPA's period that the seed has drawn. Returns
    /// the drawn delay.
    async fn rest(
        &self,
        rig: &mut Rig,
        running: &Running,
        progress: &mut Progress,
    ) -> Result<Duration> {
        progress.step("at rest");
        let (rest, delay) = match self.job.quick {
            true => (QUICK_REST, delay(self.seed()) / QUICK_DELAY),
            false => (REST, delay(self.seed())),
        };
        let rested = (running.shop_ready_at + rest).max(Instant::now());
        while Instant::now() < rested + delay {
            rig.check()?;
            sleep_until((rested + delay).min(Instant::now() + SECOND)).await;
        }
        Ok(delay)
    }

    /// Drives the load and notes what happens.
    async fn drive(
        &self,
        rig: &mut Rig,
        running: &Running,
        progress: &mut Progress,
    ) -> Result<Observed> {
        let namespace = self.scenario.namespace.as_str();
        let client = || running.client.clone();
        let mut replicas = announce_replicas(client(), namespace);
        let mut pods = announce_pods(client(), namespace);
        let mut notices = announce_hpas(client(), namespace);
        let mut clocks = ClockSource::of(&self.job.place, namespace)?;
        let mut observed = Observed::new(self.scenario);

        let plan = self.plan(&running.frontend);
        let mut load = self.locust.start(&plan, &self.folder("locust")?)?;
        let deadline = Instant::now() + LOCUST_DEADLINE;
        let mut second = tokio::time::interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = load.next_event() => match event {
                    Some(Event::End { .. }) | None => break,
                    Some(Event::Stage { at, index, .. }) => {
                        observed.stage(index, at);
                        if index == self.scenario.load.step_stage() {
                            let asked = ask_schedule(client());
                            observed.schedule = Some(tokio::spawn(asked));
                        }
                    }
                    Some(_) => {}
                },
                announcement = replicas.recv() => {
                    let announcement = announcement.context("the watch of deployments ended")??;
                    observed.replicas.push(announcement);
                }
                pod = pods.recv() => observed.pods.add(pod.context("the watch of pods ended")??),
                notice = notices.recv(), if self.key.autoscaler == Autoscaler::Hpa => {
                    observed.notices.push(notice.context("the watch of HPA objects ended")??);
                }
                _ = second.tick() => {
                    rig.check()?;
                    observed.clocks(clocks.read(&running.client).await?, &rig.autoscaler_pids());
                    ensure!(
                        observed.begun() || Instant::now() < deadline,
                        "Locust drives no load {} s after its start; its log may tell why",
                        LOCUST_DEADLINE.as_secs()
                    );
                    self.show(&load, &mut observed, progress);
                }
            }
        }
        self.finish(load, &mut observed).await?;
        // The API server announces the last changes within moments.
        sleep(Duration::from_millis(100)).await;
        while let Ok(announcement) = replicas.try_recv() {
            observed.replicas.push(announcement?);
        }
        if let Some(reader) = &running.decisions {
            observed.changes = reader.changes(0.0).await?;
            observed.changes_read_at = SystemTime::now();
        }
        Ok(observed)
    }

    /// Ends Locust and compares its own statistics with its events.
    async fn finish(&self, load: Run, observed: &mut Observed) -> Result<()> {
        observed.ended_at = SystemTime::now();
        let totals = load.stop().await?;
        ensure!(totals.complete, "the load was not driven to its end");
        let own = totals
            .own_statistics
            .context("Locust ended without its statistics")?;
        let missing = own.requests.abs_diff(totals.requests);
        if missing as f64 > MISSING_SHARE * own.requests as f64 {
            bail!(
                "Locust counted {} requests and told {}: its events cannot be trusted",
                own.requests,
                totals.requests
            );
        }
        if missing > 0 {
            observed.remarks.push(format!(
                "Locust's own statistics have {} requests, its events {}.",
                own.requests, totals.requests
            ));
        }
        Ok(())
    }

    fn show(&self, load: &Run, observed: &mut Observed, progress: &mut Progress) {
        let totals = load.totals();
        let (requests, failures) = observed.since_last_second(totals.requests, totals.failures);
        let elapsed = observed.elapsed_seconds();
        progress.live(&Live {
            phase: self.phase_at(elapsed).to_owned(),
            left_seconds: f64::from(self.scenario.load.seconds()) - elapsed,
            requests_per_second: requests,
            failures_per_second: failures,
            failures: totals.failures,
            grown: observed.grown(),
        });
    }

    fn phase_at(&self, elapsed: f64) -> &str {
        let mut end = 0.0;
        let phases = &self.scenario.load.phases;
        let found = phases.iter().find(|phase| {
            end += f64::from(phase.seconds);
            elapsed < end
        });
        found.or(phases.last()).map_or("load", |phase| &phase.name)
    }

    fn plan(&self, frontend: &str) -> LoadPlan {
        let load = &self.scenario.load;
        let stage = |stage: comparison::scenario::Stage| Stage {
            users: stage.users,
            seconds: stage.seconds,
            spawn_rate: AT_ONCE,
        };
        LoadPlan {
            host: frontend.to_owned(),
            stages: load.stages().into_iter().map(stage).collect(),
            seed: self.seed(),
            wait_scale: load.wait_scale,
            page_timeout: Duration::from_secs_f64(load.page_timeout_seconds),
            start_spread: SECOND,
            csv: true,
        }
    }

    /// The same for both autoscalers.
    pub(super) fn seed(&self) -> u64 {
        self.scenario.load.seed_of(self.key.trial)
    }

    /// A folder of the trial, created if need be.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.dir.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }
}

/// A moment of the HPA's period, each as likely as another.
fn delay(seed: u64) -> Duration {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    HPA_PERIOD.mul_f64(random.random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_follow_from_the_seed_and_fill_the_period() {
        let delays: Vec<f64> = (0..1000).map(|seed| delay(seed).as_secs_f64()).collect();
        assert_eq!(delay(7), delay(7));
        assert!(delays.iter().all(|&delay| (0.0..15.0).contains(&delay)));
        for third in 0..3 {
            let begin = f64::from(third) * 5.0;
            let count = delays
                .iter()
                .filter(|&&d| (begin..begin + 5.0).contains(&d))
                .count();
            assert!((270..400).contains(&count), "{third}: {count}");
        }
    }
}
