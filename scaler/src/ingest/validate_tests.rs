use super::super::testing::shop_index;
use super::*;

const NOW: Timestamp = Timestamp::from_secs(100);

fn container(pod: &str, name: &str, metrics: Vec<wire::MetricSample>) -> wire::ContainerSample {
    wire::ContainerSample {
        pod_uid: pod.into(),
        container_name: name.into(),
        metrics,
        scheduling: None,
    }
}

fn runq(sampling: f64, buckets: usize) -> wire::MetricSample {
    wire::MetricSample {
        metric: wire::Metric::RunqLatency as i32,
        count: 1,
        sum: 4,
        log2_buckets: vec![1; buckets],
        sampling,
        relative_error: 0.0,
    }
}

/// What a report of a node with so many CPUs amounts to.
fn checked(cpus: u32, wire: wire::Report) -> Result<(NodeReport, Counts), Invalid> {
    let (node, index) = ("n1".into(), shop_index());
    report(&node, cpus, wire, NOW, &index, &mut Familiar::default())
}

fn check(containers: Vec<wire::ContainerSample>) -> (NodeReport, Counts) {
    let wire = wire::Report {
        interval_ns: 1_000_000_000,
        containers,
        ..wire::Report::default()
    };
    checked(4, wire).unwrap()
}

#[test]
fn only_pods_of_that_node_are_believed() {
    let (report, counts) = check(vec![
        container("web-1", "server", vec![runq(1.0, 3)]),
        container("web-2", "server", vec![runq(1.0, 3)]), // lives on n2
        container("nobody", "server", vec![]),
        container("web-1", "other", vec![]),
        container("stray-1", "server", vec![]), // no Deployment owns it
        container("web-1", "server", vec![runq(1.0, 3)]),
    ]);
    let expected = Counts {
        accepted: 1,
        foreign_pod: 1,
        unknown_pod: 1,
        not_a_target: 2,
        duplicate: 1,
        invalid_metric: 0,
        implausible: 0,
    };
    assert_eq!(counts, expected);
    let sample = &report.containers[0];
    assert_eq!(
        (sample.pod.as_str(), &*sample.deployment.name),
        ("web-1", "web")
    );
    assert_eq!(sample.sample.received_at, NOW);
    assert_eq!(
        sample.sample.metrics[&scaler_core::Metric::RunqLatency].sum,
        4
    );
}

#[test]
fn senseless_numbers_and_unknown_metrics_are_left_out() {
    let unknown = wire::MetricSample {
        metric: 77,
        sampling: 1.0,
        ..wire::MetricSample::default()
    };
    let error = |relative_error| wire::MetricSample {
        relative_error,
        ..runq(0.5, 1)
    };
    let bad = [
        error(-0.1),
        error(f64::NAN),
        runq(1.5, 1),
        runq(f64::NAN, 1),
        runq(-1.0, 1),
        runq(1.0, 65),
    ];
    let metrics: Vec<_> = bad.into_iter().chain([unknown]).collect();
    let (report, counts) = check(vec![container("web-1", "server", metrics)]);
    assert_eq!((counts.accepted, counts.invalid_metric), (1, 7));
    assert!(report.containers[0].sample.metrics.is_empty());
}

#[test]
fn a_metric_without_a_rate_was_recorded_whole() {
    let (report, _) = check(vec![container("web-1", "server", vec![runq(0.0, 1)])]);
    let metrics = &report.containers[0].sample.metrics;
    assert_eq!(metrics[&scaler_core::Metric::RunqLatency].sampling, 1.0);
}

#[test]
fn an_estimate_that_nothing_is_known_of_is_believed() {
    let unsure = wire::MetricSample {
        relative_error: f64::INFINITY,
        ..runq(0.1, 1)
    };
    let (report, counts) = check(vec![container("web-1", "server", vec![unsure])]);
    assert_eq!(counts.invalid_metric, 0);
    let metrics = &report.containers[0].sample.metrics;
    assert_eq!(
        metrics[&scaler_core::Metric::RunqLatency].relative_error,
        f64::INFINITY
    );
}

#[test]
fn a_report_that_no_agent_sends_is_refused() {
    let refused = |wire: wire::Report| checked(4, wire).unwrap_err();
    let second = 1_000_000_000;
    let slow = wire::Report {
        interval_ns: 601 * second,
        ..wire::Report::default()
    };
    assert_eq!(refused(slow), Invalid::Interval(601 * second));
    let huge = wire::Report {
        interval_ns: second,
        containers: vec![wire::ContainerSample::default(); MAX_CONTAINERS + 1],
        ..wire::Report::default()
    };
    assert_eq!(
        refused(huge),
        Invalid::TooManyContainers(MAX_CONTAINERS + 1)
    );
    let no_cpus = wire::Report {
        interval_ns: second,
        node: Some(wire::NodeSample::default()),
        ..wire::Report::default()
    };
    assert_eq!(refused(no_cpus), Invalid::Cpus(0));
}

#[test]
fn an_interval_of_a_few_milliseconds_is_too_short() {
    let too_short = |interval_ns: u64| {
        is_too_short(&wire::Report {
            interval_ns,
            ..wire::Report::default()
        })
    };
    assert!(too_short(0) && too_short(9_999_999));
    assert!(!too_short(10_000_000));
}

#[test]
fn samples_are_as_old_as_the_agent_says() {
    let aged = |age_ns: u64| {
        let wire = wire::Report {
            interval_ns: 1_000_000_000,
            age_ns,
            node: Some(wire::NodeSample {
                cpus: 1,
                ..wire::NodeSample::default()
            }),
            containers: vec![container("web-1", "server", vec![])],
            ..wire::Report::default()
        };
        let (report, _) = checked(4, wire).unwrap();
        assert_eq!(report.received_at, NOW, "the report itself arrives now");
        let node = report.sample.unwrap().received_at;
        assert_eq!(report.containers[0].sample.received_at, node);
        (node.since_start().as_secs(), is_outdated(&report))
    };
    assert_eq!(aged(0), (100, false));
    assert_eq!(aged(30_000_000_000), (70, false));
    assert_eq!(aged(66_000_000_000), (34, true), "no window reaches so far");
    assert_eq!(aged(u64::MAX), (0, true), "absurd, and harmless");
}

#[test]
fn a_node_needs_a_name() {
    let named = |name: &str| wire::Hello {
        node_name: name.into(),
        ..wire::Hello::default()
    };
    assert_eq!(node_name(&named("")), Err(Invalid::NodeName(0)));
    assert_eq!(
        node_name(&named(&"x".repeat(254))),
        Err(Invalid::NodeName(254))
    );
    for forged in ["N1", "n1\n2026 INFO all is well", "../n1", "n1 "] {
        let refused = Err(Invalid::NodeNameCharacters(forged.to_owned()));
        assert_eq!(node_name(&named(forged)), refused);
    }
    assert_eq!(
        node_name(&named("n1.example-2")).as_deref(),
        Ok("n1.example-2")
    );
    let instance = wire::Hello {
        instance: "x".repeat(65),
        ..named("n1")
    };
    assert_eq!(node_name(&instance), Err(Invalid::Instance(65)));
}

#[test]
fn what_a_pod_cannot_have_done_is_left_out_and_the_rest_is_kept() {
    let scheduling = |on_cpu_ns| {
        Some(wire::Scheduling {
            on_cpu_ns,
            ..wire::Scheduling::default()
        })
    };
    let sample = |on_cpu_ns| wire::ContainerSample {
        scheduling: scheduling(on_cpu_ns),
        ..container("web-1", "server", vec![runq(1.0, 3)])
    };
    // Its limit is 0.2 cores.
    let (report, counts) = check(vec![sample(210_000_000)]);
    assert_eq!((counts.accepted, counts.implausible), (1, 0));
    assert!(report.containers[0].sample.scheduling.is_some());
    let (report, counts) = check(vec![sample(60_000_000_000)]);
    assert_eq!((counts.accepted, counts.implausible), (1, 1));
    assert!(report.containers[0].sample.scheduling.is_none());
    assert_eq!(report.containers[0].sample.metrics.len(), 1);
}

#[test]
fn a_node_is_not_busier_than_its_cpus() {
    let check = |busy_ns| {
        let wire = wire::Report {
            interval_ns: 1_000_000_000,
            node: Some(wire::NodeSample {
                cpus: 2,
                busy_ns,
                ..wire::NodeSample::default()
            }),
            ..wire::Report::default()
        };
        let (report, counts) = checked(2, wire).unwrap();
        (report.sample.is_some(), counts.implausible)
    };
    assert_eq!(check(2_000_000_000), (true, 0));
    assert_eq!(check(3_000_000_000_000), (false, 1));
}

#[test]
fn a_report_of_many_intervals_says_nothing_about_now() {
    let long = |interval_ns| {
        let report = wire::Report {
            interval_ns,
            ..wire::Report::default()
        };
        is_too_long(&report, Duration::from_secs(1))
    };
    assert!(!long(10_000_000_000) && long(10_000_000_001));
}
