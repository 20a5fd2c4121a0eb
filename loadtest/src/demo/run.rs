//! The load step as it happens: what Locust, the API server and the scaler say goes into the
//! timeline and onto the screen.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::time::MissedTickBehavior;

use super::rest::Sighting;
use super::screen::{Screen, View};
use super::system::{Endpoints, System};
use super::timeline::{LoadSecond, Timeline};
use crate::locust::{Event, LoadPlan, Locust, Request};
use crate::replicas::{Announcement, announce};
use crate::shop;
use crate::viperscale::{ChangeDecision, DecisionReader};

/// How often the table is redrawn.
const REFRESH: Duration = Duration::from_millis(500);

/// The stage of the plan that is the load step.
const STEP_STAGE: usize = 1;

/// Drives `plan` to its end; the last argument is what it fills, and keeps when it is cut short.
///
/// # Errors
/// When Locust, the cluster, the scaler or the agent ends early.
pub(super) async fn watch(
    locust: &Locust,
    plan: &LoadPlan,
    logs: &Path,
    system: &mut System,
    endpoints: &Endpoints,
    (timeline, decisions): (&mut Timeline, &mut Vec<ChangeDecision>),
) -> Result<()> {
    let mut replicas = announce(endpoints.client.clone(), shop::NAMESPACE);
    let mut watching = Watching {
        began: SystemTime::now(),
        length: plan.duration(),
        view: View {
            phase: "base load".to_owned(),
            ..View::default()
        },
        timeline,
        decisions,
    };
    let mut load = locust.start(plan, logs)?;
    let mut screen = Screen::stdout();
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // In this order, so that what the screen shows is never older than it has to be.
            biased;
            announcement = replicas.recv() => {
                let announcement = announcement.context("the watch of deployments ended")??;
                watching.replicas(announcement);
            }
            event = load.next_event() => match event {
                Some(Event::End { .. }) | None => break,
                Some(event) => watching.load(event),
            },
            _ = refresh.tick() => {
                system.check()?;
                watching.ask(&endpoints.decisions).await?;
                watching.refresh(&mut screen);
            }
        }
    }
    load.stop().await?;
    watching.ask(&endpoints.decisions).await
}

struct Watching<'a> {
    began: SystemTime,
    length: Duration,
    view: View,
    timeline: &'a mut Timeline,
    decisions: &'a mut Vec<ChangeDecision>,
}

impl Watching<'_> {
    fn since_began(&self, at: SystemTime) -> f64 {
        match at.duration_since(self.began) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        }
    }

    fn now(&self) -> f64 {
        self.since_began(SystemTime::now())
    }

    async fn ask(&mut self, reader: &DecisionReader) -> Result<()> {
        self.view.decisions = reader.newest().await?;
        let now = self.now();
        for (deployment, decision) in &self.view.decisions {
            self.timeline.sighting(Sighting {
                at: now - decision.age_seconds,
                deployment: deployment.clone(),
                evidence: decision.evidence.clone(),
            });
        }
        *self.decisions = reader.changes(self.now()).await?;
        Ok(())
    }

    fn replicas(&mut self, announcement: Announcement) {
        let at = self.since_began(announcement.at);
        let Announcement {
            deployment,
            replicas,
            ..
        } = announcement;
        self.timeline.replicas(at, &deployment, replicas.desired);
        self.view.replicas.insert(deployment, replicas);
    }

    fn load(&mut self, event: Event) {
        match event {
            Event::Stage {
                at,
                index: STEP_STAGE,
                ..
            } => {
                self.timeline.step_at = Some(self.since_began(at));
                self.view.phase = "load step".to_owned();
            }
            Event::Users { users, .. } => self.view.users = users,
            Event::Request(request) => self.request(&request),
            Event::Stage { .. } | Event::End { .. } => {}
        }
    }

    fn request(&mut self, request: &Request) {
        self.timeline
            .request(self.since_began(request.at), request.ok);
    }

    fn refresh(&mut self, screen: &mut Screen) {
        self.view.elapsed = self.now();
        self.view.left = self.length.as_secs_f64() - self.view.elapsed;
        // The newest second is still filling up.
        let full = self.timeline.load.iter().rev().nth(1).copied();
        let LoadSecond {
            requests, failures, ..
        } = full.unwrap_or_default();
        self.view.requests_per_second = requests;
        self.view.failures_per_second = failures;
        let newest = |change: &ChangeDecision| (change.deployment.clone(), change.message.clone());
        self.view.last_change = self.decisions.iter().map(newest).collect();
        screen.draw(&self.view);
    }
}
