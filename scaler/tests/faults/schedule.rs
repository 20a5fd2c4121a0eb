//! Random schedules of faults, and how they get smaller.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::faults::{Fault, Kind, NODES, RESOURCES, SCALERS};
use crate::kubelet::DEPLOYMENTS;

/// No fault begins later.
pub(crate) const HORIZON_MS: u64 = 50_000;
/// Or lasts longer. So everything is healed at [`HORIZON_MS`] and this.
pub(crate) const LONGEST_MS: u64 = 20_000;

/// What goes wrong in one simulation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule(pub(crate) Vec<Fault>);

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|fault| format!("  {fault}")).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

/// One to ten faults. They shrink to fewer, earlier and shorter ones.
pub(crate) fn schedules() -> impl Strategy<Value = Schedule> {
    vec(fault(), 1..=10).prop_map(Schedule)
}

fn fault() -> impl Strategy<Value = Fault> {
    (0..HORIZON_MS, 0..LONGEST_MS, kind()).prop_map(|(at_ms, lasts_ms, kind)| Fault {
        at_ms,
        lasts_ms,
        kind,
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    let scaler = || 0..SCALERS;
    let node = || 0..NODES;
    let resource = || 0..RESOURCES.len();
    let deployment = || 0..DEPLOYMENTS.len();
    let code = prop::sample::select(vec![409u16, 410, 429, 500, 503, 504]);
    // Kills and what belongs to the moment of a write come more often.
    prop_oneof![
        3 => scaler().prop_map(|scaler| Kind::KillScaler { scaler }),
        2 => scaler().prop_map(|scaler| Kind::FreezeScaler { scaler }),
        2 => node().prop_map(|node| Kind::KillAgent { node }),
        1 => node().prop_map(|node| Kind::CutAgent { node }),
        1 => node().prop_map(|node| Kind::StallAgent { node }),
        1 => Just(Kind::ApiDown),
        2 => (code, 10u8..=100).prop_map(|(code, percent)| Kind::ApiErrors { code, percent }),
        2 => (10u8..=100).prop_map(|percent| Kind::LostAnswers { percent }),
        2 => (50u64..3_000).prop_map(|up_to_ms| Kind::SlowApi { up_to_ms }),
        1 => scaler().prop_map(|scaler| Kind::HalfOpenApi { scaler }),
        2 => (scaler(), resource())
            .prop_map(|(scaler, resource)| Kind::LateWatch { scaler, resource }),
        1 => resource().prop_map(|resource| Kind::ExpiredWatch { resource }),
        1 => resource().prop_map(|resource| Kind::BrokenWatch { resource }),
        1 => Just(Kind::StaleLists),
        1 => (scaler(), -7_200i64..7_200)
            .prop_map(|(scaler, seconds)| Kind::WallJump { scaler, seconds }),
        2 => (deployment(), 1u32..30)
            .prop_map(|(deployment, replicas)| Kind::Human { deployment, replicas }),
        1 => deployment().prop_map(|deployment| Kind::Recreate { deployment }),
        3 => (5u32..110).prop_map(|tenths_of_pods| Kind::Load { tenths_of_pods }),
    ]
}
