use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::ContainerStateTerminated;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]},
    }))
    .unwrap()
}

fn waiting() -> ContainerView {
    ContainerView::new("ContainerCreating", None)
}

fn running(ready: bool) -> ContainerView {
    ContainerView {
        state: State::Running {
            started_at: Timestamp::UNIX_EPOCH,
        },
        container_id: Some("viperscale://1".to_owned()),
        started: true,
        ready,
        ..waiting()
    }
}

fn ended(exit_code: i32) -> ContainerView {
    let end = ContainerStateTerminated {
        exit_code,
        ..ContainerStateTerminated::default()
    };
    let state = State::Terminated(Box::new(end));
    ContainerView {
        state,
        started: false,
        ready: false,
        finished: true,
        ..running(false)
    }
}

fn view(containers: Vec<ContainerView>) -> PodView {
    PodView {
        seen_at: Timestamp::UNIX_EPOCH,
        pod_ip: Some(Ipv4Addr::new(127, 10, 0, 1).into()),
        host_ip: Ipv4Addr::LOCALHOST.into(),
        qos: Qos::Burstable,
        init: Vec::new(),
        containers,
        failed: None,
    }
}

fn status_of(view: &PodView) -> PodStatus {
    pod_status(&pod(), view, Timestamp::UNIX_EPOCH)
}

fn condition<'a>(status: &'a PodStatus, type_: &str) -> &'a PodCondition {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == type_)
        .unwrap()
}

#[test]
fn phases_follow_the_containers() {
    for (containers, phase) in [
        (vec![waiting(), waiting()], "Pending"),
        (vec![running(true), waiting()], "Pending"),
        (vec![running(true), running(false)], "Running"),
        (vec![running(true), ended(1)], "Running"),
        (vec![ended(0), ended(0)], "Succeeded"),
        (vec![ended(0), ended(3)], "Failed"),
    ] {
        assert_eq!(
            status_of(&view(containers.clone())).phase.unwrap(),
            phase,
            "{containers:?}"
        );
    }
    let init_failed = PodView {
        init: vec![ended(1)],
        ..view(vec![waiting(), waiting()])
    };
    assert_eq!(status_of(&init_failed).phase.unwrap(), "Failed");
    let given_up = PodView {
        failed: Some(("OutOfpods", "full".to_owned())),
        ..view(vec![waiting(), waiting()])
    };
    let status = status_of(&given_up);
    assert_eq!(
        (
            status.phase.unwrap().as_str(),
            status.reason.unwrap().as_str()
        ),
        ("Failed", "OutOfpods")
    );
}

#[test]
fn ready_needs_every_container_and_says_which_are_not() {
    let status = status_of(&view(vec![running(true), running(false)]));
    let ready = condition(&status, "Ready");
    assert_eq!(ready.status, "False");
    assert_eq!(ready.reason.as_deref(), Some("ContainersNotReady"));
    assert_eq!(
        ready.message.as_deref(),
        Some("containers with unready status: [b]")
    );
    let status = status_of(&view(vec![running(true), running(true)]));
    for type_ in OWNED {
        assert_eq!(condition(&status, type_).status, "True", "{type_}");
    }
}

#[test]
fn initialized_waits_for_init_containers_and_takes_a_started_sidecar() {
    let with_init = |init| PodView {
        init,
        ..view(vec![waiting(), waiting()])
    };
    for (init, expected) in [
        (vec![running(false), waiting()], "False"),
        (vec![ended(0), waiting()], "False"),
        (vec![ended(0), ended(0)], "True"),
        (vec![ended(0), running(true)], "True"),
    ] {
        let mut view = with_init(init.clone());
        // A plain init container never counts as started.
        for one in view
            .init
            .iter_mut()
            .filter(|view| view.running() && !view.ready)
        {
            one.started = false;
        }
        let status = status_of(&view);
        assert_eq!(
            condition(&status, "Initialized").status,
            expected,
            "{init:?}"
        );
    }
}

#[test]
fn transition_times_change_with_the_status_only_and_foreign_conditions_stay() {
    let foreign = PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        ..PodCondition::default()
    };
    let mut pod = pod();
    let mut first = status_of(&view(vec![running(true), running(false)]));
    first
        .conditions
        .get_or_insert_default()
        .push(foreign.clone());
    pod.status = Some(first);
    let later = Timestamp::from_second(100).unwrap();
    let status = pod_status(&pod, &view(vec![running(true), running(true)]), later);
    assert_eq!(
        condition(&status, "PodScheduled").last_transition_time,
        Some(Time(Timestamp::UNIX_EPOCH))
    );
    assert_eq!(
        condition(&status, "Ready").last_transition_time,
        Some(Time(later))
    );
    assert_eq!(condition(&status, "DisruptionTarget"), &foreign);
}

#[test]
fn readiness_gates_hold_ready_back() {
    let mut pod = pod();
    let gate = json!([{"conditionType": "example.com/gate"}]);
    pod.spec.as_mut().unwrap().readiness_gates = serde_json::from_value(gate).unwrap();
    let status = pod_status(
        &pod,
        &view(vec![running(true), running(true)]),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(condition(&status, "ContainersReady").status, "True");
    assert_eq!(
        condition(&status, "Ready").reason.as_deref(),
        Some("ReadinessGatesNotReady")
    );
}

#[test]
fn a_container_that_ran_under_an_earlier_node_counts_as_restarted() {
    let earlier = ContainerStatus {
        restart_count: 2,
        container_id: Some("viperscale://0".to_owned()),
        ..ContainerStatus::default()
    };
    assert_eq!(
        ContainerView::new("ContainerCreating", Some(&earlier)).restart_count,
        3
    );
    assert_eq!(waiting().restart_count, 0);
}

fn any_view() -> impl Strategy<Value = ContainerView> {
    prop_oneof![
        Just(waiting()),
        any::<bool>().prop_map(running),
        (0..3i32).prop_map(ended)
    ]
}

proptest! {
    #[test]
    fn ready_implies_running_with_every_container_ready(views in proptest::collection::vec(any_view(), 2)) {
        let status = status_of(&view(views.clone()));
        if condition(&status, "Ready").status == "True" {
            prop_assert_eq!(status.phase.as_deref(), Some("Running"));
            prop_assert!(views.iter().all(|view| view.ready));
        }
        prop_assert_eq!(status.container_statuses.unwrap().len(), 2);
    }
}
