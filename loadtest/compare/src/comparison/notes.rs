//! What a fair reader has to know about a comparison.

use std::collections::BTreeMap;

use super::{LoadCheck, Pair, TrialView};
use crate::measure::{Trial, UTILISATION};
use crate::statistics::FEWEST_TRIALS;
use crate::{Autoscaler, Scenario};

/// Seconds by which the load steps of a pair may differ without a word.
const STEP_TOLERANCE: f64 = 1.0;

/// The notes, those about these trials first, then those about the method.
pub(super) fn notes(
    scenario: &Scenario,
    pairs: &[Pair<Trial<'_>>],
    views: &[Pair<TrialView>],
    load: &LoadCheck,
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(few_trials(pairs.len()));
    notes.extend(not_at_rest(views));
    notes.extend(late_steps(pairs));
    notes.extend(versions_differ(pairs));
    notes.push(equal_load(load));
    notes.push(
        "Users are closed-loop: who waits for a page asks for nothing else meanwhile. The slower side is asked less, \
         which hides some of its failures; the row of answered requests shows how much."
            .to_owned(),
    );
    notes.push(
        "Latency is that of the pages that users got; a page that failed counts as a failure and not as a latency."
            .to_owned(),
    );
    notes.extend(own_cost(views));
    notes.push(format!(
        "Replica-seconds count what is asked for (spec.replicas) of the {} scaled deployments, from the begin of the \
         load to its end, {} s. What an autoscaler would release only later is not charged.",
        scenario.deployments.len(),
        scenario.load.seconds()
    ));
    notes.push(format!(
        "The optimum knows the load beforehand, starts pods in no time and loads each up to {:.0} % of its CPU limit, \
         with the CPU per request that these trials measured. Nobody reaches it.",
        UTILISATION * 100.0
    ));
    notes.push(
        "The thesis' numbers are from another machine, another shop and 1,800 users: the shape can be compared, the \
         size cannot."
            .to_owned(),
    );
    notes
}

/// What an autoscaler costs, where only one side's cost could be measured.
fn own_cost(views: &[Pair<TrialView>]) -> Option<String> {
    let seconds = Pair::from_fn(|autoscaler| -> Option<Vec<f64>> {
        let of = |pair: &Pair<TrialView>| pair.of(autoscaler).measures.overhead_cpu_seconds;
        views.iter().map(of).collect()
    });
    let Pair {
        hpa: None,
        viperscale: Some(own),
    } = seconds
    else {
        return None;
    };
    Some(format!(
        "Viperscale's scaler and agent used {:.1} s of CPU time per trial (mean). The HPA decides inside the control \
         plane and its metrics are gathered by the node, so what it costs could not be told apart.",
        own.iter().sum::<f64>() / own.len() as f64
    ))
}

fn equal_load(load: &LoadCheck) -> String {
    let LoadCheck {
        requests: Pair { hpa, viperscale },
        by,
        limit,
        ..
    } = load;
    let (by, limit) = (by * 100.0, limit * 100.0);
    if load.equal {
        format!(
            "Before the load step both saw the same load: {hpa} requests with the HPA and {viperscale} with Viperscale over \
             all trials, {by:.1} % apart."
        )
    } else {
        format!(
            "Before the load step the load differed by {by:.1} % ({hpa} requests with the HPA, {viperscale} with \
             Viperscale; allowed are {limit:.1} %). No verdict is given."
        )
    }
}

fn few_trials(trials: usize) -> Option<String> {
    // Sign test: all trials lie on one side of the true median with probability 2 * 0.5^n.
    let exponent = i32::try_from(trials).unwrap_or(i32::MAX);
    let coverage = 100.0 * (1.0 - 2.0 * 0.5_f64.powi(exponent));
    if trials < FEWEST_TRIALS as usize {
        return Some(format!(
            "With {trials} {} of each autoscaler no difference can be told from chance: no winner is named.",
            if trials == 1 { "trial" } else { "trials" }
        ));
    }
    (trials < 8).then(|| {
        format!(
            "With {trials} trials each, the bootstrap interval of a median is about the range of the trials, which \
             contains the true median in {coverage:.1} % of all comparisons rather than 95 %."
        )
    })
}

fn not_at_rest(views: &[Pair<TrialView>]) -> Option<String> {
    let restless: Vec<String> = views
        .iter()
        .flat_map(Pair::both)
        .filter(|view| !view.at_rest)
        .map(|view| format!("{} {}", view.key.autoscaler, view.key.trial))
        .collect();
    (!restless.is_empty()).then(|| {
        format!(
            "Not at rest: in {} of {} trials replicas changed before the load step ({}). There the first patch after it \
             may answer something else.",
            restless.len(),
            views.len() * 2,
            restless.join(", ")
        )
    })
}

fn late_steps(pairs: &[Pair<Trial<'_>>]) -> Option<String> {
    let step = |trial: &Trial<'_>| trial.record.metadata.step_at_seconds;
    let apart = pairs
        .iter()
        .map(|pair| (step(&pair.hpa) - step(&pair.viperscale)).abs());
    let most = apart.fold(0.0, f64::max);
    (most > STEP_TOLERANCE).then(|| {
        format!("The load steps of a pair of trials came up to {most:.1} s apart; each is measured from its own.")
    })
}

fn versions_differ(pairs: &[Pair<Trial<'_>>]) -> Option<String> {
    let mut versions: BTreeMap<&str, &str> = BTreeMap::new();
    for pair in pairs {
        for autoscaler in Autoscaler::ALL {
            for (program, version) in &pair.of(autoscaler).record.metadata.versions {
                let first = *versions.entry(program).or_insert(version);
                if first != version {
                    return Some(format!(
                        "Trials were made with different versions of {program}: {first} and {version}."
                    ));
                }
            }
        }
    }
    None
}
