//! What is measured of the shop, as policies that change no replica.

use demo_shop::Role;
use serde::Serialize;

use crate::bench::policies::{CORE, measuring};

/// Who measures how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::bench::probes) enum State {
    /// Nobody: there is no policy, so nothing is attached.
    None,
    /// We do, what decisions rest on.
    Core,
    /// We do, every metric there is.
    All,
    /// Nobody of ours; tools of libbpf-tools run.
    LibbpfTools,
    /// Nobody of ours; a bpftrace script runs.
    Bpftrace,
}

impl State {
    /// Those that need no other tool.
    pub(super) const OWN: [Self; 3] = [Self::None, Self::Core, Self::All];

    /// For people.
    pub(in crate::bench::probes) fn words(self) -> &'static str {
        match self {
            Self::None => "no metric",
            Self::Core => "the three core metrics",
            Self::All => "all metrics",
            Self::LibbpfTools => "libbpf-tools",
            Self::Bpftrace => "bpftrace",
        }
    }

    /// The policies as one YAML stream; `None` when there are none.
    pub(super) fn policies(self, replicas: u32) -> Option<String> {
        let metrics = match self {
            Self::None | Self::LibbpfTools | Self::Bpftrace => return None,
            Self::Core => CORE.to_vec(),
            Self::All => probe_agent::metrics().collect(),
        };
        let documents = Role::ALL.map(|role| {
            let policy = measuring(role, metrics.clone(), (1, replicas.max(1)));
            serde_yaml::to_string(&policy).expect("JSON is YAML")
        });
        Some(documents.join("---\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_what_the_scaler_reads() {
        assert_eq!(State::None.policies(2), None);
        for (state, count) in [(State::Core, 3), (State::All, 15)] {
            let text = state.policies(2).unwrap();
            let policies = scaler_core::policy::load(&text, "built-in").unwrap();
            assert_eq!(policies.len(), Role::ALL.len());
            scaler_core::policy::check_set(&policies).unwrap();
            for policy in policies {
                assert_eq!(policy.metrics.len(), count);
                assert_eq!(policy.mode, scaler_core::policy::Mode::DryRun);
            }
        }
    }
}
