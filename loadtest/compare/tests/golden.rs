//! Every number of a comparison of small trials, computed on paper.

mod support;

use comparison::comparison::{Judgement, Metric, Pair, VerdictRow, Winner};
use comparison::measure::{FirstPatch, Measures};
use comparison::{Autoscaler, CompareError, Comparison, TrialRecord, compare};
use support::{records, scenario};

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

fn measures(comparison: &Comparison, autoscaler: Autoscaler) -> &Measures {
    let first = comparison.trial(1, autoscaler);
    &first.expect("one of each autoscaler").measures
}

fn row(comparison: &Comparison, metric: Metric) -> &VerdictRow {
    comparison
        .rows()
        .iter()
        .find(|row| row.metric == metric)
        .expect("a verdict with every metric")
}

#[test]
fn the_measures_of_a_trial() {
    let scenario = scenario(5);
    let comparison = compare(&scenario, &records(&scenario)).unwrap();
    let hpa = measures(&comparison, Autoscaler::Hpa);
    // 10 s x 2 + 10 s x 8 requests; from 10 s to 17 s, half of 8 fail.
    assert_eq!((hpa.requests, hpa.failed_requests), (100, 28));
    // Users 1 and 5 ask for the cart: 1 x 10, then 2 x 10, all of which fail for 7 s.
    let cart = &hpa.routes["GET /cart"];
    assert_eq!((cart.requests, cart.failed_requests), (30, 14));
    assert_eq!(cart.bins.len(), 4);
    assert_eq!(
        cart.bins[2].latency, None,
        "nobody got a cart from 10 s to 15 s"
    );
    assert_eq!(cart.latency.unwrap().p99_ms, 20.0);
    // 1 replica for 16 s, then 3 for 4 s.
    assert!(near(hpa.replica_seconds, 28.0));
    assert!(
        near(hpa.cpu_seconds, (72.0 + 2.0 * 28.0) * 0.02 + 0.1),
        "redis-cart included"
    );
    assert!(near(hpa.deployments["frontend"].cpu_seconds, 2.56));
    assert!(near(hpa.overhead_cpu_seconds.unwrap(), 0.25));
    assert_eq!(hpa.deployments["frontend"].peak_replicas, 3);
    assert_eq!(hpa.direction_changes, 0);
    assert_eq!(hpa.reaction.patches_before_step, 0);
    assert_eq!(
        hpa.reaction.first_patch,
        Some(FirstPatch {
            after_step_seconds: 6.0,
            deployment: "frontend".into(),
            from: 1,
            to: 3
        })
    );
    // The last failure is at 16.07 s, and less than the quiet 5 s before the end.
    assert_eq!(hpa.reaction.recovery_seconds, None);
    let viperscale = measures(&comparison, Autoscaler::Viperscale);
    assert_eq!(viperscale.failed_requests, 8);
    assert_eq!(viperscale.reaction.recovery_seconds, Some(2.0));
    // 1 replica for 11 s, then 3 for 9 s.
    assert!(near(viperscale.replica_seconds, 38.0));
}

#[test]
fn the_optimum_and_what_it_finds() {
    let scenario = scenario(5);
    let comparison = compare(&scenario, &records(&scenario)).unwrap();
    let optimum = &comparison.optimum;
    // 20 requests of 2 users in 10 s.
    assert!(near(optimum.requests_per_user_second, 1.0));
    // What failed pages cost is not what pages cost.
    let demand = optimum.demand["frontend"];
    assert!(near(demand.cpu_seconds_per_request, 0.02), "{demand:?}");
    assert!(near(demand.idle_cores, 0.0), "{demand:?}");
    // 8 requests/s x 20 ms = 0.16 cores = 2 pods of 0.1 cores at 0.8.
    let points: Vec<_> = optimum.replicas["frontend"]
        .iter()
        .map(|point| (point.at, point.replicas))
        .collect();
    assert_eq!(points, [(0.0, 1), (10.0, 2)]);
    assert!(near(optimum.replica_seconds, 30.0));
    // The HPA asks for 1 too many for 4 s, and has 1 too few from 10 s to 17 s.
    let hpa = measures(&comparison, Autoscaler::Hpa);
    assert!(near(hpa.over_replica_seconds, 4.0), "{hpa:?}");
    assert!(near(hpa.under_replica_seconds, 7.0), "{hpa:?}");
    // Viperscale for 9 s, and from 10 s to 12 s.
    let viperscale = measures(&comparison, Autoscaler::Viperscale);
    assert!(near(viperscale.over_replica_seconds, 9.0));
    assert!(near(viperscale.under_replica_seconds, 2.0));
}

#[test]
fn the_verdict() {
    let scenario = scenario(5);
    let comparison = compare(&scenario, &records(&scenario)).unwrap();
    let failed = row(&comparison, Metric::FailedRequests);
    let medians = Pair::from_fn(|side| failed.estimates.of(side).median);
    assert_eq!(
        medians,
        Pair {
            hpa: 28.0,
            viperscale: 8.0
        }
    );
    assert_eq!(failed.difference.median, -20.0);
    assert!(near(failed.ratio.unwrap().median, 8.0 / 28.0));
    assert_eq!(failed.winner, Winner::Viperscale);
    assert_eq!(failed.goals[0].reached, "71.4 % fewer");
    assert_eq!(
        (failed.goals[0].met, failed.goals[1].met),
        (Some(true), Some(false))
    );
    // If a metric favours the HPA, it says so.
    let replicas = row(&comparison, Metric::ReplicaSeconds);
    assert_eq!(
        (replicas.winner, replicas.goals[0].met),
        (Winner::Hpa, Some(false))
    );
    let patch = row(&comparison, Metric::FirstPatch);
    assert_eq!(patch.goals[0].met, Some(false), "6 times sooner are not 10");
    assert_eq!(patch.goals[1].met, Some(true));
    let recovery = row(&comparison, Metric::Recovery).estimates.hpa;
    assert_eq!(
        (recovery.median, recovery.at_least),
        (10.0, 5),
        "not within the trial"
    );
    assert_eq!(row(&comparison, Metric::LatencyP95).winner, Winner::Tie);
    let thesis = comparison.peaks[0].thesis.unwrap();
    assert_eq!((thesis.viperprobe, thesis.hpa), (4, 20));
}

#[test]
fn few_trials_name_no_winner() {
    let scenario = scenario(4);
    let comparison = compare(&scenario, &records(&scenario)).unwrap();
    assert!(
        comparison
            .rows()
            .iter()
            .all(|row| row.winner == Winner::TooFewTrials)
    );
    assert!(
        comparison.notes[0].starts_with("With 4 trials"),
        "{:?}",
        comparison.notes
    );
}

#[test]
fn a_patch_before_the_step_is_flagged() {
    let scenario = scenario(5);
    let mut records = records(&scenario);
    records[0].replicas[1].at = 9.0;
    let comparison = compare(&scenario, &records).unwrap();
    let view = comparison.trial(1, Autoscaler::Hpa).unwrap();
    assert!(!view.at_rest);
    assert_eq!(view.measures.reaction.first_patch, None);
    assert!(
        comparison.notes[1].contains("1 of 10 trials"),
        "{:?}",
        comparison.notes
    );
    assert!(
        comparison.notes[1].contains("(HPA 1)"),
        "{:?}",
        comparison.notes
    );
}

#[test]
fn unequal_load_gets_no_verdict() {
    let scenario = scenario(5);
    let mut records = records(&scenario);
    // 100 requests before the step over the trials of each; 3 of Viperscale's missing.
    let ours = records
        .iter_mut()
        .find(|r| r.metadata.autoscaler == Autoscaler::Viperscale);
    ours.unwrap().requests.drain(..3);
    let comparison = compare(&scenario, &records).unwrap();
    assert_eq!(comparison.judgement, Judgement::LoadDiffers { by: 0.03 });
    assert_eq!(
        comparison.load_check.requests,
        Pair {
            hpa: 100,
            viperscale: 97
        }
    );
    assert!(comparison.rows().is_empty());
    assert!(
        comparison
            .notes
            .iter()
            .any(|note| note.contains("differed by 3.0 %"))
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    type Spoil = fn(&mut Vec<TrialRecord>);
    let cases: [(Spoil, &str); 7] = [
        (|records| records.clear(), "no trial"),
        (
            |records| drop(records.pop()),
            "trial 5 was not made exactly once by each",
        ),
        (
            |records| records.push(records[0].clone()),
            "trial 1 was not made exactly once",
        ),
        (
            |records| records[3].metadata.scenario_hash = "x".into(),
            "trial 2 of HPA is of scenario small x",
        ),
        (
            |records| records[2].metadata.seed = 77,
            "trial 2 of Viperscale was driven with seed 77",
        ),
        (
            |records| records[1].metadata.machine.cpus = 64,
            "another machine (local cluster, 64 CPUs",
        ),
        (
            |records| records[0].metadata.load_complete = false,
            "the load of trial 1 of HPA ended early",
        ),
    ];
    let scenario = scenario(5);
    for (spoil, message) in cases {
        let mut records = records(&scenario);
        spoil(&mut records);
        let error: CompareError = compare(&scenario, &records).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn the_files_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(5);
    let comparison = compare(&scenario, &records(&scenario)).unwrap();
    let files = comparison.write(dir.path()).unwrap();
    // Floating-point numbers may come back a last digit off.
    let read = Comparison::read(&files[0]).unwrap();
    assert_eq!(read.scenario, comparison.scenario);
    assert_eq!(
        (&read.notes, &read.versions),
        (&comparison.notes, &comparison.versions)
    );
    let told = |comparison: &Comparison| -> Vec<_> {
        let rows = comparison.rows().iter();
        rows.map(|row| (row.metric, row.winner, row.goals.clone()))
            .collect()
    };
    assert_eq!(told(&read), told(&comparison));
    assert_eq!(read.trials.len(), comparison.trials.len());

    let mut measures = csv::Reader::from_path(&files[1]).unwrap();
    let rows: Vec<csv::StringRecord> = measures.records().map(Result::unwrap).collect();
    let find = |trial: &str, autoscaler: &str, measure: &str, of: &str| {
        let row = rows
            .iter()
            .find(|row| [&row[1], &row[2], &row[4], &row[5]] == [trial, autoscaler, measure, of]);
        row.map(|row| (row[7].to_owned(), row[8].to_owned()))
            .unwrap()
    };
    let told = |value: &str, at_least: &str| (value.to_owned(), at_least.to_owned());
    assert_eq!(
        find("3", "hpa", "failed_requests", "all"),
        told("28", "false")
    );
    assert_eq!(
        find("3", "hpa", "failed_requests", "GET /cart"),
        told("14", "false")
    );
    assert_eq!(find("5", "hpa", "recovery", "all"), told("10", "true"));
    assert_eq!(
        find("1", "viperscale", "peak_replicas", "frontend"),
        told("3", "false")
    );
    let mut series = csv::Reader::from_path(&files[2]).unwrap();
    let failed: f64 = series
        .records()
        .map(Result::unwrap)
        .filter(|row| &row[1] == "hpa" && &row[2] == "failed_requests")
        .map(|row| row[5].parse::<f64>().unwrap())
        .sum();
    assert!(near(failed, 5.0 * 28.0));
}
