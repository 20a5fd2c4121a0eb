//! One pass: look, decide, write, report.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use serde_json::Value;
use stock_hpa::reconcile::{Action, Event, Observation, Outcome, begin};
use stock_hpa::{History, Hpa, Moment, Settings, Status};
use tracing::{info, warn};

use super::super::{Doing, Error};
use super::events;
use super::key::Key;
use super::metrics::text_of;
use super::observe::{self, Readings};
use super::recorder::Recorder;
use super::rivals::Rivals;
use super::target::Target;

/// What all passes share.
#[derive(Clone)]
pub(super) struct Edge {
    client: Client,
    settings: Settings,
    pub(super) rivals: Rivals,
}

/// What is remembered of one autoscaler between passes.
#[derive(Debug, Default)]
pub(super) struct Memory {
    history: History,
    recorder: Recorder,
    /// As the last pass left it: finer than what the API shows of it.
    status: Option<Status>,
}

/// Whether an autoscaler is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Exists,
    Deleted,
}

impl Edge {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            settings: Settings::default(),
            rivals: Rivals::default(),
        }
    }
}

/// Looks at one autoscaler.
///
/// # Errors
/// When objects of the API could not be read or the status not be written. What goes wrong with the
/// target or its metrics is no error here but in the status and the events.
pub(super) async fn run(edge: &Edge, key: &Key, memory: &mut Memory) -> Result<Presence, Error> {
    let api = Api::<HorizontalPodAutoscaler>::namespaced(edge.client.clone(), &key.namespace);
    let Some(object) = api.get_opt(&key.name).await.doing("read the autoscaler")? else {
        return Ok(Presence::Deleted);
    };
    let mut hpa = match Hpa::try_from(&object) {
        Ok(hpa) => hpa,
        Err(error) => {
            warn!(%key, %error, "the autoscaler cannot be read");
            return Ok(Presence::Exists);
        }
    };
    if let Some(status) = memory.status.take()
        && object.status.as_ref().and_then(shown) == shown(&(&status).into())
    {
        hpa.status = status;
    }
    let outcome = decide(edge, key, &object, &hpa, &mut memory.history).await?;
    log(key, &hpa, &outcome);
    let mut happened = outcome.events;
    let status = memory.status.insert(outcome.status);
    let written = write_status(&api, &object, (&*status).into()).await;
    if let Err(error) = &written {
        happened.push(Event {
            warning: true,
            reason: "FailedUpdateStatus".to_owned(),
            message: text_of(error),
        });
    }
    let entries = memory
        .recorder
        .record(&object.object_ref(&()), &happened, Timestamp::now());
    events::write(&edge.client, entries);
    written.doing("write the status")?;
    Ok(Presence::Exists)
}

async fn decide(
    edge: &Edge,
    key: &Key,
    object: &HorizontalPodAutoscaler,
    hpa: &Hpa,
    history: &mut History,
) -> Result<Outcome, Error> {
    let target = &object.spec.scale_target_ref;
    let target = Target::read(&edge.client, &hpa.namespace, target).await;
    let scale = target.as_ref().map(Target::scale).map_err(Clone::clone);
    let (readings, other_hpas) = match &scale {
        Ok(scale) if observe::metrics_decide(hpa, scale) => (
            observe::readings(&edge.client, hpa, scale).await?,
            edge.rivals.enter(key, &scale.selector),
        ),
        _ => (Readings::default(), Vec::new()),
    };
    let observation = Observation {
        scale,
        pods: &readings.pods,
        other_hpas: &other_hpas,
        answers: &readings.answers,
    };
    let pass = begin(hpa, &edge.settings, &observation, history, now());
    let writes = match (pass.wanted(), target) {
        (Some(replicas), Ok(target)) => target.write(replicas).await,
        _ => Vec::new(),
    };
    Ok(pass.finish(writes, history, now()))
}

/// Writes the status if it says anything new.
async fn write_status(
    api: &Api<HorizontalPodAutoscaler>,
    object: &HorizontalPodAutoscaler,
    status: HorizontalPodAutoscalerStatus,
) -> Result<(), kube::Error> {
    if object.status.as_ref().and_then(shown) == shown(&status) {
        return Ok(());
    }
    let mut object = object.clone();
    object.status = Some(status);
    let name = object.metadata.name.clone().unwrap_or_default();
    match api
        .replace_status(&name, &PostParams::default(), &object)
        .await
    {
        // Deleted during the pass: there is nobody left to tell.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

/// A status as the API shows it, where moments are whole seconds.
fn shown(status: &HorizontalPodAutoscalerStatus) -> Option<Value> {
    serde_json::to_value(status).ok()
}

fn log(key: &Key, hpa: &Hpa, outcome: &Outcome) {
    if let Some(error) = &outcome.error {
        warn!(%key, %error, "pass");
    }
    if outcome.action != Action::None {
        let (from, to) = (
            outcome.status.current_replicas,
            outcome.status.desired_replicas,
        );
        info!(%key, target = hpa.target, from, to, "rescaled");
    }
}

/// Milliseconds since the Unix epoch, as [`stock_hpa::k8s`] reads moments.
fn now() -> Moment {
    Moment::from_millis(Timestamp::now().as_millisecond())
}
