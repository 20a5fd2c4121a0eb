//! Whether a write may happen, asked right before each attempt.

use std::sync::Arc;
use std::time::Duration;

use scaler_core::Rival;
use tokio_util::sync::CancellationToken;

use super::Leadership;
use crate::rivals::Rivals;
use crate::workloads::DeploymentKey;

/// Something that may forbid a write at the last moment.
pub trait Gate {
    /// Whether a write that takes up to `time` may begin now.
    ///
    /// # Errors
    /// Why it may not.
    fn check(&self, time: Duration) -> Result<(), Denied>;
}

/// Why a write is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Another scaler leads.
    NotLeader,
    /// This one leads, and its lease may end before the write does; it may ask again once the lease
    /// was renewed.
    LeaseEnds,
    /// Another autoscaler has the Deployment for a target by now.
    Rival(Rival),
    /// The policy is gone, paused or in dry run by now.
    Withdrawn,
}

impl Gate for Leadership {
    fn check(&self, time: Duration) -> Result<(), Denied> {
        match self.is_leader() {
            true if self.lasts(time) => Ok(()),
            true => Err(Denied::LeaseEnds),
            false => Err(Denied::NotLeader),
        }
    }
}

/// Everything that must hold while one Deployment is written.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    pub(super) leadership: &'a Leadership,
    pub(super) rivals: &'a Arc<Rivals>,
    pub(super) deployment: &'a DeploymentKey,
    pub(super) withdrawn: &'a CancellationToken,
}

impl Gate for Permit<'_> {
    fn check(&self, time: Duration) -> Result<(), Denied> {
        self.leadership.check(time)?;
        if self.withdrawn.is_cancelled() {
            return Err(Denied::Withdrawn);
        }
        match self.rivals.first_of(self.deployment) {
            Some(rival) => Err(Denied::Rival(rival)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scaler_core::RivalKind;

    #[test]
    fn each_reason_alone_closes_the_gate() {
        let (leadership, rivals) = (Leadership::always(), Arc::new(Rivals::default()));
        let (deployment, withdrawn) = (DeploymentKey::new("shop", "web"), CancellationToken::new());
        let permit = Permit {
            leadership: &leadership,
            rivals: &rivals,
            deployment: &deployment,
            withdrawn: &withdrawn,
        };
        assert_eq!(permit.check(Duration::ZERO), Ok(()));
        let rival = Rival {
            kind: RivalKind::HorizontalPodAutoscaler,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        let source = (rival.kind, "u".into());
        rivals.put(source, Some((deployment.clone(), rival.clone())));
        assert_eq!(permit.check(Duration::ZERO), Err(Denied::Rival(rival)));
        rivals.remove(&(RivalKind::HorizontalPodAutoscaler, "u".into()));
        assert_eq!(permit.check(Duration::ZERO), Ok(()));
        withdrawn.cancel();
        assert_eq!(permit.check(Duration::ZERO), Err(Denied::Withdrawn));
    }
}
