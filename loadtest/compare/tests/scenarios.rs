//! Scenarios: those that are built in, and what is refused.

use comparison::Scenario;
use proptest::prelude::*;

/// A scenario in which every line can be spoiled. Line numbers of the tests count from 1 here.
const TEXT: &str = "\
name: mine
description: Mine.
namespace: shop
shop:
  work:
    recommendationservice: {cpuMicroseconds: 18000}
deployments:
  - name: frontend
    hpa:
      minReplicas: 1
      maxReplicas: 20
      metrics:
        - type: Resource
          resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
    viperscale:
      maxReplicas: 20
      metrics:
        - name: runqLatency
          statistic: p95
          threshold: 5ms
          response: Queueing
  - name: cartservice
load:
  waitScale: 0.2
  step: rush
  phases:
    - name: base
      seconds: 20
      users: 5
    - name: rush
      seconds: 100
      users: {ramp: {from: 5, to: 28}}
trials: 5
";

fn refused(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "{from:?} is not in the text");
    let text = TEXT.replacen(from, to, 1);
    Scenario::parse(&text, "mine.yaml")
        .expect_err("refused")
        .to_string()
}

#[test]
fn the_text_is_a_scenario() {
    let scenario = Scenario::parse(TEXT, "mine.yaml").unwrap();
    assert_eq!(scenario.load.seconds(), 120);
    assert_eq!(scenario.load.step_second(), 20);
    assert_eq!(scenario.load.step_stage(), 1);
    let users = scenario.load.users_per_second();
    assert_eq!(
        (users.len(), users[19], users[20], users[119]),
        (120, 5, 5, 28)
    );
    // The cart's policies are the defaults.
    let hpa = &scenario.hpa_objects()[1];
    assert_eq!(hpa["metadata"]["name"], "cartservice");
    assert_eq!(hpa["spec"]["metrics"].as_array().unwrap().len(), 2);
    assert_eq!(hpa["spec"]["scaleTargetRef"]["name"], "cartservice");
    let (file, policy) = &scenario.policies()[1];
    assert_eq!(file, "cartservice.yaml");
    let policies = scaler_core::policy::load(policy, file).unwrap();
    assert_eq!(policies[0].deployment, "cartservice");
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_was_expected() {
    let cases = [
        (
            "trials: 5",
            "trials: 0",
            33,
            "trials: expected a whole number from 1 to 1000",
        ),
        (
            "trials: 5",
            "trails: 5",
            33,
            "unknown field `trails`, expected one of",
        ),
        // The line is that of the field, not that of the map below it.
        (
            "    viperscale:\n      maxReplicas: 20",
            "    viperscale:\n      minReplicas: 2",
            15,
            "deployments[0].viperscale: field `maxReplicas` is missing",
        ),
        ("trials: 5", "trials: -1", 33, "trials: "),
        ("trials: 5", "trials: many", 33, "trials: "),
        (
            "name: mine",
            "name: Mine",
            1,
            "name: expected at most 63 lower-case",
        ),
        ("name: mine", "name: ../../etc", 1, "name: expected"),
        (
            "recommendationservice:",
            "recommendation:",
            6,
            "shop.work.recommendation: expected one of",
        ),
        (
            "cpuMicroseconds",
            "cpu",
            6,
            "unknown field `cpu`, expected one of `cpuMicroseconds`",
        ),
        (
            "maxReplicas: 20",
            "maxReplicas: 0",
            11,
            "deployments[0].hpa.maxReplicas: expected 1 <=",
        ),
        (
            "minReplicas: 1",
            "minReplica: 1",
            10,
            "deployments[0].hpa.minReplica: autoscaling/v2 has no such field",
        ),
        (
            "averageUtilization",
            "averageUtilisation",
            14,
            "target.averageUtilisation: autoscaling/v2 has no",
        ),
        (
            "      maxReplicas: 20",
            "      maxReplicas: lots",
            11,
            "deployments[0].hpa.maxReplicas: invalid type",
        ),
        (
            "    hpa:\n",
            "    hpa:\n      scaleTargetRef: {}\n",
            10,
            "hpa.scaleTargetRef: the target is",
        ),
        (
            "threshold: 5ms",
            "threshold: 5",
            20,
            "deployments[0].viperscale.metrics[0].threshold",
        ),
        (
            "name: runqLatency",
            "name: runq",
            18,
            "deployments[0].viperscale.metrics[0].name",
        ),
        (
            "- name: cartservice",
            "- name: frontend",
            22,
            "deployments[1].name: `frontend` is named twice",
        ),
        (
            "- name: cartservice",
            "- name: web",
            22,
            "deployments[1].viperscale: there is no built-in policy `web`",
        ),
        (
            "waitScale: 0.2",
            "waitScale: 0",
            24,
            "load.waitScale: expected a number above 0",
        ),
        (
            "waitScale: 0.2",
            "waitscale: 0.2",
            24,
            "unknown field `waitscale`",
        ),
        (
            "step: rush",
            "step: base",
            25,
            "load.step: expected the name of a phase after the first",
        ),
        ("step: rush", "step: rash", 25, "(base, rush), found `rash`"),
        (
            "seconds: 20",
            "seconds: 0",
            28,
            "load.phases[0].seconds: expected a whole number from 1",
        ),
        (
            "users: 5",
            "users: 0",
            29,
            "load.phases[0].users: expected a whole number from 1",
        ),
        (
            "users: 5",
            "users: lots",
            29,
            "expected a number of users, or one of ramp",
        ),
        ("users: 5", "users: 5000000000", 29, "too many"),
        (
            "name: rush",
            "name: base",
            30,
            "load.phases[1].name: `base` is named twice",
        ),
        (
            "ramp: {from: 5",
            "ramp: {from: 0",
            32,
            "load.phases[1].users.ramp.from: expected",
        ),
        (
            "ramp: {from: 5",
            "rump: {from: 5",
            32,
            "unknown variant `rump`, expected one of",
        ),
        (
            "ramp: {from: 5",
            "ramp: {form: 5",
            32,
            "unknown field `form`, expected `from` or `to`",
        ),
        (
            "{ramp: {from: 5, to: 28}}",
            "{bursts: {base: 5, peak: 9, everySeconds: 9, forSeconds: 9}}",
            32,
            "bursts.forSeconds: expected a whole number from 1 to 8",
        ),
    ];
    for (from, to, line, message) in cases {
        let error = refused(from, to);
        assert!(
            error.starts_with(&format!("mine.yaml:{line}: ")),
            "{to}: {error}"
        );
        assert!(error.contains(message), "{to}: {error}");
    }
}

#[test]
fn what_is_not_a_scenario_at_all_is_refused() {
    for text in [
        "",
        "[]",
        "name",
        "name: [",
        "name: mine",
        "a: b: c",
        "---\n---\n",
    ] {
        assert!(Scenario::parse(text, "mine.yaml").is_err(), "{text:?}");
    }
    let error = Scenario::load("nothing-of-that-name")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("bottleneck, diurnal, flash-crowd, spike, step"),
        "{error}"
    );
}

#[test]
fn every_built_in_scenario_is_one() {
    let names = Scenario::builtin_names();
    assert_eq!(
        names,
        ["bottleneck", "diurnal", "flash-crowd", "spike", "step"]
    );
    for name in names {
        let scenario = Scenario::load(&name).unwrap();
        assert_eq!(scenario.name, name);
        assert_eq!(scenario.policies().len(), scenario.deployments.len());
        let text = serde_yaml::to_string(&scenario).unwrap();
        assert_eq!(
            Scenario::parse(&text, "again").unwrap(),
            scenario,
            "written and read"
        );
        let json = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
    }
}

#[test]
fn a_quick_scenario_is_short_and_still_one() {
    for name in Scenario::builtin_names() {
        let whole = Scenario::load(&name).unwrap();
        let quick = whole.quick();
        assert!(
            quick.load.seconds() <= 44,
            "{name}: {}",
            quick.load.seconds()
        );
        assert!(quick.load.step_second() >= 10, "{name}");
        assert_eq!((quick.trials, quick.name), (1, format!("{name}-quick")));
        let most = |scenario: &Scenario| scenario.load.users_per_second().into_iter().max();
        let (least, wanted) = (
            most(&whole).unwrap() * 9 / 10,
            most(&whole.quick()).unwrap(),
        );
        assert!(wanted >= least, "{name} still reaches its peak: {wanted}");
        let text = serde_yaml::to_string(&whole.quick()).unwrap();
        Scenario::parse(&text, "quick").unwrap();
    }
}

#[test]
fn the_hash_stands_for_what_decides_the_outcome() {
    let scenario = Scenario::parse(TEXT, "mine.yaml").unwrap();
    let mut other = scenario.clone();
    other.trials = 9;
    other.description = "Other words.".into();
    assert_eq!(other.hash(), scenario.hash());
    other.load.wait_scale = 0.3;
    assert_ne!(other.hash(), scenario.hash());
    assert_ne!(scenario.quick().hash(), scenario.hash());
}

proptest! {
    #[test]
    fn stages_are_the_load(
        shapes in prop::collection::vec((1u32..90, 0u8..5, 1u32..60, 1u32..60, 2u32..40), 2..6),
    ) {
        let users = |&(_, shape, a, b, period): &(u32, u8, u32, u32, u32)| match shape {
            0 => format!("{a}"),
            1 => format!("{{ramp: {{from: {a}, to: {b}}}}}"),
            2 => format!("{{sine: {{low: {a}, high: {b}, periodSeconds: {period}}}}}"),
            3 => format!("{{decay: {{from: {a}, to: {b}, halfLifeSeconds: {period}}}}}"),
            _ => format!("{{bursts: {{base: {a}, peak: {b}, everySeconds: {period}, forSeconds: 1}}}}"),
        };
        let phases: Vec<String> = shapes.iter().enumerate().map(|(index, shape)| {
            format!("    - {{name: p{index}, seconds: {}, users: {}}}\n", shape.0, users(shape))
        }).collect();
        let text = format!(
            "name: mine\ndescription: d\ndeployments:\n  - name: frontend\nload:\n  step: p1\n  phases:\n{}",
            phases.concat()
        );
        let load = Scenario::parse(&text, "mine.yaml").unwrap().load;
        let seconds = load.users_per_second();
        prop_assert_eq!(seconds.len(), load.seconds() as usize);
        let expanded: Vec<u32> = load.stages().iter()
            .flat_map(|stage| std::iter::repeat_n(stage.users, stage.seconds as usize))
            .collect();
        prop_assert_eq!(&expanded, &seconds);
        let before: u32 = load.stages()[..load.step_stage()].iter().map(|stage| stage.seconds).sum();
        prop_assert_eq!(before, load.step_second());
        let most = shapes.iter().map(|shape| shape.2.max(shape.3)).max().unwrap();
        prop_assert!(seconds.iter().all(|users| (1..=most).contains(users)));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z:\\- \\n\\[\\]{},0-9&*!|>]{0,120}") {
        let _ = Scenario::parse(&text, "mine.yaml");
        let _ = Scenario::parse(&format!("{TEXT}{text}"), "mine.yaml");
    }
}
