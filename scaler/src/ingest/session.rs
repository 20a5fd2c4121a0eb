//! One stream, from its Hello to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use tracing::{info, warn};
use viperscale_proto::v1::{self as wire, agent_message};

use super::familiar::Familiar;
use super::identity::{Identity, NotThatNode};
use super::nodes::{self, Registration};
use super::outbound::{Outbound, next_configuration, next_standby};
use super::pace::Pace;
use super::room::room;
use super::validate::{self, Counts, Invalid};
use super::{Role, Shared};
use crate::metrics;

/// An agent says Hello at once.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// An agent that does not take its last message is not waited for.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

type Inbound = Streaming<wire::AgentMessage>;

/// Runs the session and tells the agent why it ended.
pub(super) async fn run(
    shared: Arc<Shared>,
    identity: Identity,
    mut inbound: Inbound,
    outbound: Outbound,
) {
    let Err(status) = converse(&shared, &identity, &mut inbound, &outbound).await else {
        info!("agent left");
        metrics::stream("closed");
        return;
    };
    metrics::stream(match status.code() {
        Code::AlreadyExists => "replaced",
        Code::InvalidArgument => "invalid",
        Code::PermissionDenied => "forbidden",
        Code::ResourceExhausted => "refused",
        Code::Unavailable => "stopped",
        _ => "failed",
    });
    info!(code = ?status.code(), reason = status.message(), "agent stream ended");
    let _ = timeout(GOODBYE_TIMEOUT, outbound.send(Err(status))).await;
}

/// Until the agent leaves (`Ok`) or the stream must end (the status to end it with).
async fn converse(
    shared: &Arc<Shared>,
    identity: &Identity,
    inbound: &mut Inbound,
    outbound: &Outbound,
) -> Result<(), Status> {
    let Some(hello) = read_hello(shared, inbound).await? else {
        return Ok(());
    };
    let node = validate::node_name(&hello).map_err(invalid)?;
    tracing::Span::current().record("node", &*node);
    identity.check(&node).map_err(forbidden)?;
    let mut registration = nodes::register(shared, node)
        .map_err(|_| Status::resource_exhausted("the scaler serves no more nodes"))?;
    metrics::stream("opened");
    log_hello(&hello);

    let mut session = Session::new(shared, &hello);
    let replaced = registration.replaced.clone();
    let mut role = shared.role.clone();
    role.mark_changed();
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return Err(stopping()),
            () = replaced.cancelled() => {
                return Err(Status::already_exists("a newer stream of this node replaces this one"));
            }
            configuration = next_configuration(&mut registration, outbound) => {
                let Some(configuration) = configuration else { return Ok(()) };
                configuration.send();
            }
            standby = next_standby(&mut role, outbound) => {
                let Some(standby) = standby else { return Ok(()) };
                standby.send();
            }
            message = inbound.message() => match message?.map(|message| message.message) {
                None => return Ok(()),
                Some(Some(agent_message::Message::Report(report))) => {
                    let fate = session.take(shared, &registration, report).await;
                    metrics::report(fate.as_ref().unwrap_or(&"invalid"));
                    fate.map_err(invalid)?;
                }
                Some(Some(agent_message::Message::Hello(_))) => {
                    return Err(invalid(Invalid::SecondHello));
                }
                Some(None) => return Err(invalid(Invalid::Empty)),
            },
        }
    }
}

/// `None` from an agent that has another stream to this scaler, and so leaves without a word.
async fn read_hello(shared: &Shared, inbound: &mut Inbound) -> Result<Option<wire::Hello>, Status> {
    let first = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return Err(stopping()),
        first = timeout(HELLO_TIMEOUT, inbound.message()) => first,
    };
    let first = first.map_err(|_| Status::deadline_exceeded("no Hello in time"))??;
    let Some(first) = first else {
        return Ok(None);
    };
    match first.message {
        Some(agent_message::Message::Hello(hello)) => Ok(Some(hello)),
        _ => Err(invalid(Invalid::NoHello)),
    }
}

/// What one stream remembers.
struct Session {
    /// The agent's start.
    instance: String,
    cpus: u32,
    pace: Pace,
    familiar: Familiar,
    told_of_foreign_pods: bool,
    told_of_missing: bool,
}

impl Session {
    fn new(shared: &Shared, hello: &wire::Hello) -> Self {
        Session {
            instance: hello.instance.clone(),
            cpus: hello.cpus,
            pace: Pace::new(shared.interval, shared.clock.now()),
            familiar: Familiar::default(),
            told_of_foreign_pods: false,
            told_of_missing: false,
        }
    }

    /// Checks a report and passes it on, unless it is too short or too old to matter. Tells what
    /// became of it, in one of a fixed set of words.
    async fn take(
        &mut self,
        shared: &Shared,
        registration: &Registration,
        report: wire::Report,
    ) -> Result<&'static str, Invalid> {
        let received_at = shared.clock.now();
        if !self.pace.allows(received_at) {
            return Ok("too_many");
        }
        let Role::Leader { term, reports } = shared.role.borrow().clone() else {
            return Ok("standby");
        };
        self.note_losses(registration, &report);
        if validate::is_too_long(&report, shared.interval) {
            return Ok("too_long");
        }
        if validate::is_too_short(&report) {
            return Ok("too_short");
        }
        let number = report.interval_number;
        let (report, counts) = validate::report(
            &registration.node,
            self.cpus,
            report,
            received_at,
            &shared.workloads.read(),
            &mut self.familiar,
        )?;
        if validate::is_outdated(&report) {
            return Ok("outdated");
        }
        if !registration.heard().is_news(term, &self.instance, number) {
            return Ok("repeated");
        }
        let room = match room(&reports, shared, registration).await {
            Ok(room) => room,
            Err(why_not) => return Ok(why_not),
        };
        // Only now, and once: what found no room counts when it comes again.
        if !registration.heard().hear(term, &self.instance, number) {
            return Ok("repeated");
        }
        room.send(report);
        self.count(counts);
        Ok("accepted")
    }

    fn note_losses(&mut self, registration: &Registration, report: &wire::Report) {
        let total = report.dropped_reports;
        let dropped = registration.heard().newly_dropped(&self.instance, total);
        if dropped > 0 {
            metrics::agent_dropped_reports(dropped);
        }
        if let Some(missing) = report.missing.first() {
            metrics::missing_targets(report.missing.len() as u64);
            if !self.told_of_missing {
                self.told_of_missing = true;
                warn!(
                    pod_uid = ?shortened(&missing.pod_uid),
                    container = ?shortened(&missing.container_name),
                    reason = ?shortened(&missing.reason),
                    others = report.missing.len() - 1,
                    "agent cannot measure a target"
                );
            }
        } else {
            self.told_of_missing = false;
        }
    }

    fn count(&mut self, counts: Counts) {
        metrics::samples("accepted", counts.accepted);
        metrics::samples("foreign_pod", counts.foreign_pod);
        metrics::samples("unknown_pod", counts.unknown_pod);
        metrics::samples("not_a_target", counts.not_a_target);
        metrics::samples("duplicate", counts.duplicate);
        metrics::samples("invalid_metric", counts.invalid_metric);
        metrics::samples("implausible", counts.implausible);
        if counts.foreign_pod > 0 && !self.told_of_foreign_pods {
            self.told_of_foreign_pods = true;
            warn!(
                samples = counts.foreign_pod,
                "agent reports pods of another node; not believed"
            );
        }
    }
}

/// What an agent says, for a log: escaped by its debug form, and no longer than a line.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

fn log_hello(hello: &wire::Hello) {
    let unsupported: Vec<&str> = hello
        .metrics
        .iter()
        .filter(|metric| metric.support() == wire::Support::Unsupported)
        .map(|metric| metric.metric().as_str_name())
        .collect();
    info!(
        agent = ?shortened(&hello.agent_version),
        kernel = ?shortened(&hello.kernel_release),
        cpus = hello.cpus,
        unsupported = unsupported.join(","),
        "agent connected"
    );
}

fn forbidden(problem: NotThatNode) -> Status {
    warn!(%problem, "agent refused");
    Status::permission_denied(problem.to_string())
}

fn invalid(problem: Invalid) -> Status {
    Status::invalid_argument(problem.to_string())
}

fn stopping() -> Status {
    Status::unavailable("the scaler is stopping")
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
