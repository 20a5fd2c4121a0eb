//! From hooks to metrics: which hooks each metric needs, and what it is when some are missing. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::hook::Hook;
use super::{Metric, Settings, Support, SupportTable};

/// Why each hook does not work, if it does not.
pub(super) type Verdicts = BTreeMap<Hook, Result<(), String>>;

/// One way to measure a metric.
struct Way {
    hooks: &'static [Hook],
    /// How it differs from what is documented; empty if it does not.
    differs: &'static str,
}

/// Packets in place of calls.
const ON_THE_WIRE: &str =
    "bytes of packets, headers and retransmissions included, instead of payload";

/// What user page faults cost least with: what threads had is read when they leave a CPU, and faults in
/// kernel mode are left out.
const AT_SWITCHES: &[Hook] = &[Hook::SchedSwitch, Hook::PageFaultKernel];

/// The metrics in the order of the protocol, each with its ways, the best first.
#[rustfmt::skip]
const METRICS: [(Metric, &[Way]); 15] = [
    (Metric::OnCpuTime, &[Way { hooks: &[Hook::SchedSwitch], differs: "" }]),
    (Metric::OffCpuTime, &[Way { hooks: &[Hook::SchedSwitch], differs: "" }]),
    (Metric::RunqLatency, &[Way { hooks: &[Hook::SchedSwitch], differs: "" }]),
    (Metric::PageCacheHitRatio, &[Way {
        hooks: &[Hook::FilemapGetPages, Hook::FilemapFault, Hook::FilemapMapPages, Hook::FilemapAdd, Hook::DirtyFolio],
        differs: "",
    }]),
    (Metric::KernelPageFaults, &[Way { hooks: &[Hook::PageFaultKernel], differs: "" }]),
    (Metric::UserPageFaults, &[
        Way { hooks: AT_SWITCHES, differs: "" },
        Way { hooks: &[Hook::PageFaultUser], differs: "" },
        Way { hooks: &[Hook::SchedSwitch], differs: "faults that the kernel takes count, too" },
    ]),
    (Metric::TlbFlushes, &[Way { hooks: &[Hook::TlbFlush], differs: "" }]),
    (Metric::DiskIoSize, &[Way { hooks: &[Hook::BlockIssue, Hook::BlockRequeue], differs: "" }]),
    (Metric::DiskIoLatency, &[Way { hooks: &[Hook::BlockIssue, Hook::BlockRequeue, Hook::BlockComplete], differs: "" }]),
    (Metric::SentBytes, &[
        Way { hooks: &[Hook::SockSendLength], differs: "" },
        Way { hooks: &[Hook::CgroupEgress], differs: ON_THE_WIRE },
    ]),
    (Metric::ReceivedBytes, &[
        Way { hooks: &[Hook::SockRecvLength], differs: "" },
        Way { hooks: &[Hook::CgroupIngress], differs: ON_THE_WIRE },
    ]),
    (Metric::TcpRetransmits, &[Way { hooks: &[Hook::TcpRetransmit], differs: "" }]),
    (Metric::TcpSynackRetransmits, &[Way { hooks: &[Hook::TcpSynack], differs: "" }]),
    (Metric::TcpDrops, &[Way { hooks: &[Hook::FreePacket], differs: "" }]),
    (Metric::DnsLatency, &[Way { hooks: &[Hook::CgroupEgress, Hook::CgroupIngress], differs: "" }]),
];

/// The hooks that measure each metric here; metrics that cannot be measured are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways(BTreeMap<Metric, &'static [Hook]>);

/// The best way for each metric, given which hooks work. `remarks` says how a metric differs for
/// another reason than a missing hook.
pub(super) fn choose(verdicts: &Verdicts, remarks: &[(Metric, String)]) -> (SupportTable, Ways) {
    let (mut support, mut chosen) = (SupportTable::default(), Ways::default());
    for (metric, ways) in METRICS {
        let mut obstacles = Vec::new();
        let way = ways.iter().find(|way| {
            let before = obstacles.len();
            obstacles.extend(
                way.hooks
                    .iter()
                    .filter_map(|hook| obstacle(verdicts, *hook)),
            );
            obstacles.len() == before
        });
        support.set(metric, level(metric, way, &obstacles, remarks));
        if let Some(way) = way {
            chosen.0.insert(metric, way.hooks);
        }
    }
    (support, chosen)
}

fn obstacle(verdicts: &Verdicts, hook: Hook) -> Option<String> {
    let why = match verdicts.get(&hook) {
        Some(Ok(())) => return None,
        Some(Err(why)) => why.as_str(),
        None => "not tried",
    };
    Some(format!("hook {}: {why}", hook.name()))
}

fn level(
    metric: Metric,
    way: Option<&Way>,
    obstacles: &[String],
    remarks: &[(Metric, String)],
) -> Support {
    let Some(way) = way else {
        return Support::Unsupported(obstacles.join("; "));
    };
    let mut how: Vec<String> = remarks
        .iter()
        .filter(|(of, _)| *of == metric)
        .map(|(_, remark)| remark.clone())
        .collect();
    if !way.differs.is_empty() {
        how.push(format!(
            "{}, because of {}",
            way.differs,
            obstacles.join("; ")
        ));
    }
    if how.is_empty() {
        Support::Supported
    } else {
        Support::Degraded(how.join("; "))
    }
}

impl Ways {
    /// The hooks that measure `metric`; none if it cannot be measured.
    pub(super) fn of(&self, metric: Metric) -> &'static [Hook] {
        self.0.get(&metric).copied().unwrap_or_default()
    }

    /// The hooks that some of `settings` need.
    pub(super) fn needed<'a>(
        &self,
        settings: impl Iterator<Item = &'a Settings>,
    ) -> BTreeSet<Hook> {
        settings
            .flat_map(Settings::iter)
            .flat_map(|(metric, _)| self.of(metric))
            .copied()
            .collect()
    }

    /// Whether `settings` need `hook`.
    pub(super) fn feeds(&self, hook: Hook, settings: &Settings) -> bool {
        settings
            .iter()
            .any(|(metric, _)| self.of(metric).contains(&hook))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SamplingRate;

    fn all_but(missing: &[Hook]) -> Verdicts {
        let verdict = |hook: &Hook| match missing.contains(hook) {
            true => Err("is not there".to_owned()),
            false => Ok(()),
        };
        Hook::ALL
            .iter()
            .map(|hook| (*hook, verdict(hook)))
            .collect()
    }

    #[test]
    fn with_every_hook_every_metric_is_supported() {
        let (support, ways) = choose(&all_but(&[]), &[]);
        assert!(
            support
                .iter()
                .all(|(_, support)| *support == Support::Supported)
        );
        assert_eq!(support.iter().count(), METRICS.len());
        assert_eq!(ways.of(Metric::SentBytes), [Hook::SockSendLength]);
    }

    #[test]
    fn a_missing_hook_makes_the_next_way_the_one_and_says_why() {
        let (support, ways) = choose(&all_but(&[Hook::SockSendLength]), &[]);
        let Support::Degraded(how) = support.get(Metric::SentBytes) else {
            panic!("{}", support.get(Metric::SentBytes));
        };
        assert!(
            how.contains("headers") && how.contains("hook sock_send_length: is not there"),
            "{how}"
        );
        assert_eq!(ways.of(Metric::SentBytes), [Hook::CgroupEgress]);
        assert_eq!(support.get(Metric::ReceivedBytes), &Support::Supported);
    }

    #[test]
    fn a_metric_without_a_way_names_every_obstacle() {
        let (support, ways) = choose(&all_but(&[Hook::SockSendLength, Hook::CgroupEgress]), &[]);
        let Support::Unsupported(why) = support.get(Metric::SentBytes) else {
            panic!("{}", support.get(Metric::SentBytes));
        };
        assert!(
            why.contains("sock_send_length") && why.contains("cgroup_egress"),
            "{why}"
        );
        assert!(ways.of(Metric::SentBytes).is_empty());
        assert!(!support.get(Metric::DnsLatency).is_measured());
    }

    #[test]
    fn metrics_share_hooks_and_nothing_else_is_needed() {
        let (_, ways) = choose(&all_but(&[]), &[]);
        let mut one = Settings::default();
        one.set(Metric::OnCpuTime, SamplingRate::ALL)
            .expect("may be set");
        one.set(Metric::RunqLatency, SamplingRate::ALL)
            .expect("may be set");
        let mut other = Settings::default();
        other
            .set(Metric::DiskIoSize, SamplingRate::ALL)
            .expect("may be set");
        let needed = ways.needed([&one, &other].into_iter());
        assert_eq!(
            needed,
            BTreeSet::from([Hook::SchedSwitch, Hook::BlockRequeue, Hook::BlockIssue])
        );
        assert!(ways.feeds(Hook::SchedSwitch, &one) && !ways.feeds(Hook::SchedSwitch, &other));
    }

    #[test]
    fn a_remark_degrades_what_would_be_supported() {
        let remark = (Metric::TcpDrops, "no reasons".to_owned());
        let (support, _) = choose(&all_but(&[]), &[remark]);
        assert_eq!(
            support.get(Metric::TcpDrops),
            &Support::Degraded("no reasons".to_owned())
        );
    }
}
