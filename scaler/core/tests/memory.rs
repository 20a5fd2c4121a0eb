//! What an autoscaler remembers survives being written down.

mod common;

use common::{observe, pods, policy, sample, throttled};
use proptest::collection::vec;
use proptest::prelude::*;
use scaler_core::{Autoscaler, Memory, Timestamp, Windows};

proptest! {
    /// One autoscaler goes on, another is written down and read back: they decide alike.
    #[test]
    fn an_autoscaler_read_back_decides_alike(
        before in vec((0u64..5000, 0u64..300, 0u64..60_000_000), 1..60),
        after in vec((0u64..5000, 0u64..300, 0u64..60_000_000), 1..60),
    ) {
        let policy = policy(
            "{name: runqLatency, threshold: 2ms}, {name: userPageFaults, threshold: 900}",
            "maxReplicas: 40",
        );
        let mut first = Autoscaler::new(policy.clone());
        let mut windows = Windows::default();
        let (mut current, mut second) = (2, 1000);
        let mut live = |autoscaler: &mut Autoscaler, twin: Option<&mut Autoscaler>, load: (u64, u64, u64)| {
            second += 1;
            let now = Timestamp::from_secs(second);
            for pod in pods(current as usize) {
                let mut sample = sample(now, load.0, load.1, load.2);
                sample.scheduling = Some(throttled());
                windows.record(&pod.uid, "server", sample);
            }
            let observation = observe(current, pods(current as usize), &windows);
            let decision = autoscaler.decide(&observation, now);
            let twins = twin.map(|twin| {
                let other = twin.decide(&observation, now);
                twin.scaled(current, decision.desired, now);
                other
            });
            autoscaler.scaled(current, decision.desired, now);
            current = decision.desired;
            (decision, twins)
        };
        for load in before {
            live(&mut first, None, load);
        }
        let written = serde_json::to_string(&first.memory()).unwrap();
        let memory: Memory = serde_json::from_str(&written).unwrap();
        let mut twin = Autoscaler::with_memory(policy, memory);
        for load in after {
            let (decision, twins) = live(&mut first, Some(&mut twin), load);
            prop_assert_eq!(Some(decision), twins);
        }
    }
}
