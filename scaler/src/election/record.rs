//! What a Lease says about who leads.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp as WallTime;

/// The annotation that tells standbys, and through them agents, where the leader takes streams.
pub const AGENTS_ADDRESS: &str = "viperscale.dev/agents-address";
/// A longer address is none.
const MAX_ADDRESS: usize = 512;

/// A Lease, as far as leadership is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who leads; empty after a release.
    pub holder: String,
    /// How long the holder may go without renewing.
    pub duration: Duration,
    /// `leaseTransitions`: grows with each change of the holder. Which leadership this is.
    pub term: u64,
    /// Where the holder takes agents' streams, `HOST:PORT`; empty when it does not say.
    pub agents_address: String,
    /// When the holder got it, for people. Kept as it was through renewals.
    pub acquired: Option<WallTime>,
    /// The version that a change must name.
    pub version: String,
    /// `renewTime`, only to tell one renewal from the next; never compared with a clock.
    pub renewed: Option<WallTime>,
}

impl Record {
    /// Reads a Lease. One that somebody else filled with nonsense is read as free or as short as
    /// may be, never refused: a Lease that cannot be read would stop every scaler for ever.
    pub fn read(lease: Lease) -> Self {
        let spec = lease.spec.unwrap_or_default();
        let seconds = spec.lease_duration_seconds.unwrap_or(0);
        let address = lease
            .metadata
            .annotations
            .unwrap_or_default()
            .remove(AGENTS_ADDRESS)
            .filter(|address| address.len() <= MAX_ADDRESS);
        Record {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
            term: u64::try_from(spec.lease_transitions.unwrap_or(0)).unwrap_or(0),
            agents_address: address.unwrap_or_default(),
            acquired: spec.acquire_time.map(|time| time.0),
            version: lease.metadata.resource_version.unwrap_or_default(),
            renewed: spec.renew_time.map(|time| time.0),
        }
    }

    /// The object to write, renewed at this wall time.
    pub fn write(&self, namespace: &str, name: &str, now: WallTime) -> Lease {
        let version = (!self.version.is_empty()).then(|| self.version.clone());
        let address = (AGENTS_ADDRESS.to_owned(), self.agents_address.clone());
        Lease {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                resource_version: version,
                annotations: Some(BTreeMap::from([address])),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                // The API refuses 0; a released lease counts as free whatever this says.
                lease_duration_seconds: Some(
                    i32::try_from(self.duration.as_secs().max(1)).unwrap_or(i32::MAX),
                ),
                lease_transitions: Some(i32::try_from(self.term).unwrap_or(i32::MAX)),
                acquire_time: Some(MicroTime(self.acquired.unwrap_or(now))),
                renew_time: Some(MicroTime(now)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Whether nobody holds it.
    pub fn is_free(&self) -> bool {
        self.holder.is_empty()
    }

    /// Whether the holder has done something between the two, which starts its time anew. Any write
    /// counts, ours or a person's.
    pub fn differs(&self, other: &Record) -> bool {
        self.version != other.version || self.renewed != other.renewed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            holder: "a".to_owned(),
            duration: Duration::from_secs(3),
            term: 7,
            agents_address: "10.0.0.1:9100".to_owned(),
            acquired: Some(WallTime::UNIX_EPOCH),
            version: "12".to_owned(),
            renewed: Some(WallTime::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_lease_holds_what_the_record_says() {
        let lease = record().write("viperscale", "scaler", WallTime::UNIX_EPOCH);
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("12"));
        assert_eq!(Record::read(lease), record());
    }

    #[test]
    fn nonsense_is_read_as_a_lease_that_ends_at_once() {
        let lease = Lease {
            metadata: ObjectMeta::default(),
            spec: Some(LeaseSpec {
                holder_identity: Some("someone".to_owned()),
                lease_duration_seconds: Some(-5),
                lease_transitions: Some(-1),
                ..LeaseSpec::default()
            }),
        };
        let record = Record::read(lease);
        assert_eq!((record.duration, record.term), (Duration::ZERO, 0));
        assert!(!record.is_free());
        assert!(Record::read(Lease::default()).is_free());
    }
}
