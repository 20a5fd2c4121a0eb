use proptest::prelude::*;

use super::super::testing::{pod, shop_index};
use super::*;

fn sample(pod: &str, container: &str) -> wire::ContainerSample {
    wire::ContainerSample {
        pod_uid: pod.into(),
        container_name: container.into(),
        ..wire::ContainerSample::default()
    }
}

/// Pods and containers that are accepted, and what became of the others.
fn recognize(
    familiar: &mut Familiar,
    index: &Index,
    samples: &[(&str, &str)],
) -> (Vec<(String, String)>, Counts) {
    let mut samples: Vec<_> = samples
        .iter()
        .map(|(pod, name)| sample(pod, name))
        .collect();
    let mut counts = Counts::default();
    let targets = familiar.recognize("n1", index, &mut samples, &mut counts);
    assert_eq!(targets.len(), samples.len(), "one target each");
    let named = targets.iter().zip(&samples).map(|(target, sample)| {
        let named = (target.pod.as_str().to_owned(), target.container.to_string());
        assert_eq!(
            named,
            (sample.pod_uid.clone(), sample.container_name.clone())
        );
        named
    });
    (named.collect(), counts)
}

const BOTH: [(&str, &str); 2] = [("web-1", "server"), ("web-1", "proxy")];

#[test]
fn what_is_familiar_is_recognized_without_a_look() {
    let (mut familiar, index) = (Familiar::default(), shop_index());
    assert_eq!(recognize(&mut familiar, &index, &BOTH).0.len(), 2);
    let as_before = familiar.targets.as_ptr();
    let (again, counts) = recognize(&mut familiar, &index, &BOTH);
    assert_eq!((again.len(), counts), (2, Counts::default()));
    assert_eq!(familiar.targets.as_ptr(), as_before, "the same list");
    let (fewer, _) = recognize(&mut familiar, &index, &BOTH[..1]);
    assert_eq!(fewer.len(), 1, "another report");
}

#[test]
fn a_pod_that_is_gone_moved_or_disowned_is_familiar_no_more() {
    let changes: [fn(&mut Index); 5] = [
        |index| index.remove_pod("web-1"),
        |index| index.put_pod(pod("web-1", Some("r1"), "n2")),
        |index| index.put_pod(pod("web-1", None, "n1")),
        |index| index.remove_replica_set("r1"),
        |index| index.remove_deployment("d1"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (mut familiar, mut index) = (Familiar::default(), shop_index());
        assert_eq!(recognize(&mut familiar, &index, &BOTH).0.len(), 2);
        change(&mut index);
        let (accepted, counts) = recognize(&mut familiar, &index, &BOTH);
        assert!(accepted.is_empty(), "{number}: {accepted:?}");
        assert_ne!(counts, Counts::default(), "{number}: counted");
    }
}

#[test]
fn a_limit_that_changes_while_the_pod_runs_is_the_new_one() {
    let (mut familiar, mut index) = (Familiar::default(), shop_index());
    assert_eq!(recognize(&mut familiar, &index, &BOTH).0.len(), 2);
    let mut resized = pod("web-1", Some("r1"), "n1");
    resized.containers[0].cpu_limit_cores = Some(3.0);
    index.put_pod(resized);
    assert_eq!(recognize(&mut familiar, &index, &BOTH).0.len(), 2);
    assert_eq!(familiar.targets[0].cpu_limit, Some(3.0));
}

proptest! {
    /// Whatever an agent says, and whatever happens meanwhile: what it is told of last time's report is
    /// what a first look would tell.
    #[test]
    fn memory_changes_no_answer(
        reports in prop::collection::vec(
            (
                prop::collection::vec((0..4usize, 0..3usize), 0..6),
                prop::option::of(0..5usize),
            ),
            1..12,
        ),
    ) {
        let (mut familiar, mut index) = (Familiar::default(), shop_index());
        for (said, change) in reports {
            match change {
                Some(0) => index.remove_pod("web-1"),
                Some(1) => index.put_pod(pod("web-1", Some("r1"), "n1")),
                Some(2) => index.put_pod(pod("web-2", Some("r1"), "n1")),
                Some(3) => index.put_pod(pod("web-2", Some("r1"), "n2")),
                Some(_) => index.put_pod(pod("stray-1", Some("r1"), "n1")),
                None => {}
            }
            let samples: Vec<(&str, &str)> = said
                .iter()
                .map(|(pod, container)| {
                    (
                        ["web-1", "web-2", "stray-1", "nobody"][*pod],
                        ["server", "proxy", "other"][*container],
                    )
                })
                .collect();
            let remembered = recognize(&mut familiar, &index, &samples);
            let looked_up = recognize(&mut Familiar::default(), &index, &samples);
            prop_assert_eq!(remembered, looked_up);
        }
    }
}
