use scaler_core::policy;
use tokio::time::advance;

use super::super::{Entry, Recording as Reader};
use super::*;

fn policy() -> Arc<ScalingPolicy> {
    let text = "{apiVersion: viperscale.dev/v1alpha1, kind: ScalingPolicy, \
                metadata: {name: web, namespace: shop}, \
                spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3, \
                       metrics: [{name: runqLatency, threshold: 2ms}]}}";
    Arc::new(policy::load(text, "web.yaml").unwrap().remove(0))
}

fn entries(directory: &Path) -> Vec<Entry> {
    Reader::open(directory).unwrap().collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_force_is_told_though_it_came_while_blocks_were_lost() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut recorder = Recorder::start(directory.path(), 1 << 20, clock).unwrap();
    recorder.begin();
    recorder.0.as_ref().unwrap().shared.lose_one();
    recorder.policy(&DeploymentKey::new("shop", "web"), &policy());
    recorder.node_window(Duration::from_secs(5));
    advance(START_SPACING).await;
    recorder.pruned(clock.now());
    recorder.close();
    let entries = entries(directory.path());
    let [
        Entry::Start(start),
        Entry::NodeWindow(window),
        Entry::Policy { .. },
        ..,
    ] = &entries[..]
    else {
        panic!("{entries:?}");
    };
    assert_eq!((start.begins, start.lost_blocks), (false, 1));
    assert_eq!(*window, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn each_term_begins_with_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut recorder = Recorder::start(directory.path(), 1 << 20, clock).unwrap();
    recorder.begin();
    recorder.policy(&DeploymentKey::new("shop", "web"), &policy());
    recorder.end();
    recorder.begin();
    recorder.pruned(clock.now());
    recorder.close();
    let entries = entries(directory.path());
    let [
        Entry::Start(first),
        Entry::Policy { .. },
        Entry::Start(second),
        Entry::Pruned(_),
    ] = &entries[..]
    else {
        panic!("{entries:?}");
    };
    assert!(first.begins && second.begins);
    assert_eq!((first.number, second.number), (0, 1));
}
