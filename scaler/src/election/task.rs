//! The requests of an election.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp as WallTime;
use kube::api::PostParams;
use kube::{Api, Client};
use scaler_core::Timestamp;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::candidate::{Answer, Candidate, Standing, Step};
use super::{Pulse, Record, Timing};
use crate::api_health::{ApiHealth, Source};
use crate::apply::Lead;
use crate::cluster::{explain, status_code};
use crate::metrics;

/// Requests of one round: a conflict, a read, a write, and one to spare.
const REQUESTS_PER_ROUND: usize = 4;

/// A leader whose controller has not worked for this long does not lead. Without anything to do, the
/// controller tidies up every five seconds.
const HANGS_AFTER: Duration = Duration::from_secs(15);

/// Where the Lease is, and who we are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The Lease's namespace.
    pub namespace: String,
    /// Its name.
    pub lease: String,
    /// This process, and no other.
    pub identity: String,
    /// Where agents find it, `HOST:PORT`; empty when that is not known.
    pub agents_address: String,
}

/// Takes part in an election until told to give up.
#[derive(Debug)]
pub struct Election {
    place: Place,
    timing: Timing,
    candidate: Candidate,
    health: ApiHealth,
    now: fn() -> Timestamp,
    lead: watch::Sender<Option<Lead>>,
    standing: watch::Sender<Standing>,
    pulse: Pulse,
    leads_since: Timestamp,
    last_problem: Option<String>,
}

/// What an election tells the rest of the process.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// For [`crate::apply::Leadership::elected`], together with the same clock.
    pub lead: watch::Receiver<Option<Lead>>,
    /// For everyone else.
    pub standing: watch::Receiver<Standing>,
    /// For the controller, to show that it works while it leads.
    pub pulse: Pulse,
}

impl Election {
    /// A candidate that has not asked anything yet; run it with [`Election::run`]. `now` is
    /// [`boot_time::now`](super::boot_time::now), unless a test owns the time.
    pub fn new(
        place: Place,
        timing: Timing,
        now: fn() -> Timestamp,
        health: ApiHealth,
    ) -> (Self, Outcome) {
        let candidate =
            Candidate::new(place.identity.clone(), place.agents_address.clone(), timing);
        let (lead, lead_receiver) = watch::channel(None);
        let (standing, standing_receiver) = watch::channel(candidate.standing(now()));
        let pulse = Pulse::new(now);
        let election = Election {
            place,
            timing,
            candidate,
            health,
            now,
            lead,
            standing,
            pulse: pulse.clone(),
            leads_since: now(),
            last_problem: None,
        };
        let outcome = Outcome {
            lead: lead_receiver,
            standing: standing_receiver,
            pulse,
        };
        (election, outcome)
    }

    /// Takes part until `give_up`, and then hands the Lease back if it has it.
    ///
    /// Cancel `give_up` once no write is under way any more: the next leader may begin at once.
    /// When this future is dropped instead, leadership ends with its sender. It ends by itself when it
    /// leads and the controller hangs: whoever else can decide shall have the Lease, and whoever
    /// started this process shall start it anew.
    pub async fn run(mut self, client: Client, give_up: CancellationToken) {
        let api = Api::namespaced(client, &self.place.namespace);
        while !give_up.is_cancelled() {
            self.round(&api).await;
            self.publish();
            if self.hangs() {
                error!("the controller has not worked for {HANGS_AFTER:?}; giving leadership up");
                break;
            }
            let pause = jittered(self.candidate.pause((self.now)()));
            tokio::select! {
                biased;
                () = give_up.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
        self.hand_back(&api).await;
    }

    /// Whether this process leads without deciding.
    fn hangs(&self) -> bool {
        let worked_at = self.pulse.last().max(self.leads_since);
        self.lead.borrow().is_some() && (self.now)().since(worked_at) > HANGS_AFTER
    }

    async fn round(&mut self, api: &Api<Lease>) {
        for _request in 0..REQUESTS_PER_ROUND {
            let asked_at = (self.now)();
            let step = self.candidate.next(asked_at);
            if step == Step::Wait {
                break;
            }
            let answer = self.carry_out(api, &step).await;
            let unknown = answer == Answer::Unknown;
            let written = step != Step::Read && matches!(answer, Answer::Is(_));
            self.candidate
                .answered(&step, answer, asked_at, (self.now)());
            if written || unknown {
                break;
            }
        }
        self.candidate.rest();
    }

    async fn carry_out(&mut self, api: &Api<Lease>, step: &Step) -> Answer {
        let Place {
            namespace, lease, ..
        } = &self.place;
        let params = PostParams {
            field_manager: Some("viperscale".to_owned()),
            ..PostParams::default()
        };
        let written = |record: &Record| record.write(namespace, lease, WallTime::now());
        let (verb, answer) = match step {
            Step::Wait => return Answer::Unknown,
            Step::Read => {
                let request = api.get(lease);
                ("get", timeout(self.timing.request_timeout, request).await)
            }
            Step::Create(record) => {
                let object = written(record);
                let request = api.create(&params, &object);
                (
                    "create",
                    timeout(self.timing.request_timeout, request).await,
                )
            }
            Step::Replace(record) => {
                let object = written(record);
                let request = api.replace(lease, &params, &object);
                (
                    "update",
                    timeout(self.timing.request_timeout, request).await,
                )
            }
        };
        let problem = match answer {
            Ok(Ok(object)) => {
                self.works_again();
                return Answer::Is(Record::read(object));
            }
            Ok(Err(error)) => match status_code(&error) {
                Some(404) if verb != "create" => {
                    self.works_again();
                    return Answer::Absent;
                }
                Some(409) => {
                    self.works_again();
                    return Answer::Conflict;
                }
                // Also a namespace that does not exist, which is a 404 to a POST.
                _ => explain(verb, "leases", &error),
            },
            Err(_) => format!(
                "{verb} leases: no answer within {:?}",
                self.timing.request_timeout
            ),
        };
        self.failed(problem);
        Answer::Unknown
    }

    fn works_again(&mut self) {
        self.health.works(Source::Lease);
        if self.last_problem.take().is_some() {
            info!(lease = %self.place.lease, "lease can be used again");
        }
    }

    fn failed(&mut self, problem: String) {
        metrics::lease_failed();
        self.health.failed(Source::Lease, &problem);
        if self.last_problem.as_ref() != Some(&problem) {
            let Place {
                namespace, lease, ..
            } = &self.place;
            warn!(%namespace, %lease, error = %problem, "lease cannot be used, retrying");
            self.last_problem = Some(problem);
        }
    }

    fn publish(&mut self) {
        let standing = self.candidate.standing((self.now)());
        let lead = match &standing {
            Standing::Leader(lead) => Some(*lead),
            Standing::Standby { .. } => None,
        };
        metrics::leads(lead.is_some());
        let before = self.lead.send_replace(lead);
        match (before, lead) {
            (None, Some(lead)) => {
                self.leads_since = (self.now)();
                metrics::became_leader();
                info!(term = lead.term, identity = %self.place.identity, "leading");
            }
            (Some(before), None) => {
                warn!(term = before.term, "not leading any more");
            }
            _ => {}
        }
        self.standing
            .send_if_modified(|known| replace_if_different(known, standing));
    }

    async fn hand_back(&mut self, api: &Api<Lease>) {
        // Before anything is sent: whatever becomes of the request, we do not lead any more.
        self.lead.send_replace(None);
        metrics::leads(false);
        let Some(record) = self.candidate.release() else {
            return;
        };
        match self.carry_out(api, &Step::Replace(record)).await {
            Answer::Is(_) => info!("lease handed back"),
            answer => warn!(?answer, "lease not handed back; it ends by itself"),
        }
    }
}

/// A renewal changes the deadline only, which nobody but [`crate::apply::Leadership`] asks for.
fn replace_if_different(known: &mut Standing, new: Standing) -> bool {
    let same = match (&*known, &new) {
        (Standing::Leader(known), Standing::Leader(new)) => known.term == new.term,
        (known, new) => known == new,
    };
    if !same {
        *known = new;
    }
    !same
}

/// Between four fifths and six fifths, so that standbys do not look in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_no_news() {
        let leader = |term, until| {
            Standing::Leader(Lead {
                term,
                until: Timestamp::from_secs(until),
            })
        };
        let mut known = leader(1, 3);
        assert!(!replace_if_different(&mut known, leader(1, 4)));
        assert!(replace_if_different(&mut known, leader(2, 4)));
    }
}
