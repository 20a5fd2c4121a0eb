//! The directory of trials: written whole, resumed where it stopped.

mod support;

use std::fs;

use comparison::record::{RecordError, Trials};
use comparison::{Autoscaler, TrialKey};
use support::{records, scenario};

#[test]
fn trials_alternate_in_both_orders() {
    let order: Vec<String> = TrialKey::schedule(3)
        .into_iter()
        .map(TrialKey::directory)
        .collect();
    assert_eq!(
        order,
        [
            "trial-1-hpa",
            "trial-1-viperscale",
            "trial-2-viperscale",
            "trial-2-hpa",
            "trial-3-hpa",
            "trial-3-viperscale",
        ]
    );
}

#[test]
fn what_is_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(2);
    let trials = Trials::new(dir.path(), &scenario);
    let mut records = records(&scenario);
    assert_eq!(trials.pending().unwrap(), TrialKey::schedule(2));
    for record in &records {
        trials.write(record).unwrap();
    }
    assert_eq!(trials.pending().unwrap(), []);
    for record in &mut records {
        record.metadata.complete = true;
    }
    assert_eq!(trials.read().unwrap(), records);
    let error = trials.write(&records[0]).unwrap_err();
    assert!(
        matches!(error, RecordError::AlreadyComplete { .. }),
        "{error}"
    );
}

#[test]
fn an_interrupted_trial_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(1);
    let trials = Trials::new(dir.path(), &scenario);
    let records = records(&scenario);
    trials.write(&records[0]).unwrap();
    // Killed amid the second: some files, no mark; and some of the directory that is written before it gets its name.
    let second = trials.path().join(records[1].key().directory());
    fs::create_dir_all(&second).unwrap();
    fs::write(second.join("requests.jsonl"), "{\"at\": 1.0, \"rou").unwrap();
    let partial = second.with_extension("partial");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join("left.over"), "").unwrap();

    assert_eq!(trials.pending().unwrap(), [records[1].key()]);
    let error = trials.read().unwrap_err();
    assert!(matches!(error, RecordError::Incomplete { .. }), "{error}");
    trials.write(&records[1]).unwrap();
    assert_eq!(trials.pending().unwrap(), []);
    assert!(!partial.exists());
    assert_eq!(trials.read().unwrap().len(), 2);
}

#[test]
fn more_trials_can_be_asked_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let one = scenario(1);
    for record in &records(&one) {
        Trials::new(dir.path(), &one).write(record).unwrap();
    }
    let pending = Trials::new(dir.path(), &scenario(2)).pending().unwrap();
    let second = [Autoscaler::Viperscale, Autoscaler::Hpa].map(|autoscaler| TrialKey {
        trial: 2,
        autoscaler,
    });
    assert_eq!(pending, second);
}

#[test]
fn trials_of_another_version_of_the_scenario_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut scenario = scenario(1);
    Trials::new(dir.path(), &scenario)
        .write(&records(&scenario)[0])
        .unwrap();
    scenario.load.wait_scale = 0.5;
    let error = Trials::new(dir.path(), &scenario).pending().unwrap_err();
    assert!(
        matches!(error, RecordError::OtherScenario { .. }),
        "{error}"
    );
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(1);
    let trials = Trials::new(dir.path(), &scenario);
    for record in &records(&scenario) {
        trials.write(record).unwrap();
    }
    let file = trials.path().join("trial-1-hpa/users.jsonl");
    fs::write(&file, "{\"at\":0.0,\"users\":2}\n{\"at\":1.0}\n").unwrap();
    let error = trials.read().unwrap_err().to_string();
    assert!(
        error.contains("users.jsonl:2: missing field `users`"),
        "{error}"
    );

    let file = trials.path().join("trial-1-hpa/trial.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("\"schema_version\": 1", "\"schema_version\": 9"),
    )
    .unwrap();
    let error = trials.pending().unwrap_err();
    assert!(
        matches!(error, RecordError::OtherVersion { found: 9, .. }),
        "{error}"
    );
}
