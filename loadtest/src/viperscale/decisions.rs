//! What the scaler says about its decisions, read from its HTTP endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::admin::AdminEndpoint;

/// How long one answer may take; the scaler is on this machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// The newest decision of each deployment.
pub type Decisions = BTreeMap<String, Decision>;

/// One decision, as far as the demo shows it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Decision {
    /// Replicas it found.
    pub current: u32,
    /// Replicas it wants.
    pub desired: u32,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// What each metric said.
    pub evidence: Vec<Evidence>,
    /// How old it was when the scaler told it.
    #[serde(default)]
    pub age_seconds: f64,
}

/// What one metric said.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Evidence {
    /// The metric's name.
    pub metric: String,
    /// Its value with its unit, `-` without data.
    pub value_text: String,
    /// Its value; none without data.
    pub value: Option<f64>,
    /// What it is compared with; none where it is only observed.
    pub threshold: Option<f64>,
    /// Replicas it asks for; none when it has nothing to say.
    pub proposal: Option<u32>,
    /// Cores that the work needs, where the response computes them.
    pub demand_cores: Option<f64>,
}

impl Evidence {
    /// Whether the value is above the threshold.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.threshold
            .is_some_and(|threshold| self.value > Some(threshold))
    }
}

impl Decision {
    /// The value of `metric` with its unit, `-` where it is not measured.
    pub fn value_of(&self, metric: &str) -> &str {
        let evidence = self
            .evidence
            .iter()
            .find(|evidence| evidence.metric == metric);
        evidence.map_or("-", |evidence| &evidence.value_text)
    }

    /// Whether any metric has been measured.
    pub fn is_informed(&self) -> bool {
        self.evidence
            .iter()
            .any(|evidence| evidence.value.is_some())
    }
}

/// A decision that changed a replica count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeDecision {
    /// Seconds since the run began.
    pub at: f64,
    /// The deployment.
    pub deployment: String,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// What each metric said.
    pub evidence: Vec<Evidence>,
}

/// A reader of the scaler's decisions.
#[derive(Debug, Clone)]
pub struct DecisionReader(AdminEndpoint);

#[derive(Deserialize)]
struct Answer<T> {
    policies: Vec<T>,
}

#[derive(Deserialize)]
struct PolicyState {
    deployment: String,
    decision: Option<Decision>,
    age_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct PolicyHistory {
    deployment: String,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    age_seconds: f64,
    from: u32,
    to: u32,
    decision: Decision,
}

impl DecisionReader {
    /// A reader of the scaler whose admin endpoint is at `address`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(address: std::net::SocketAddr) -> Result<Self> {
        AdminEndpoint::at(address, "scaler", ANSWER_DEADLINE).map(Self)
    }

    /// Whether the scaler says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.0.is_ready().await
    }

    /// The newest decision of every deployment with a policy.
    ///
    /// # Errors
    /// When the scaler does not answer, or not in the expected form.
    pub async fn newest(&self) -> Result<Decisions> {
        let states: Vec<PolicyState> = self.get("decisions").await?;
        let told = |state: PolicyState| {
            let decision = Decision {
                age_seconds: state.age_seconds.unwrap_or_default(),
                ..state.decision?
            };
            Some((state.deployment, decision))
        };
        Ok(states.into_iter().filter_map(told).collect())
    }

    /// The decisions that changed a replica count, in order of time; `now` is in seconds since the
    /// run began.
    ///
    /// # Errors
    /// As [`DecisionReader::newest`].
    pub async fn changes(&self, now: f64) -> Result<Vec<ChangeDecision>> {
        let histories: Vec<PolicyHistory> = self.get("decisions/history").await?;
        let mut changes: Vec<ChangeDecision> = histories
            .into_iter()
            .flat_map(
                |PolicyHistory {
                     deployment,
                     changes,
                 }| {
                    changes.into_iter().map(move |change| ChangeDecision {
                        at: now - change.age_seconds,
                        deployment: deployment.clone(),
                        from: change.from,
                        to: change.to,
                        reason: change.decision.reason,
                        message: change.decision.message,
                        evidence: change.decision.evidence,
                    })
                },
            )
            .collect();
        changes.sort_by(|a, b| a.at.total_cmp(&b.at));
        Ok(changes)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let answer: Answer<T> = self.0.json(path).await?;
        Ok(answer.policies)
    }
}
