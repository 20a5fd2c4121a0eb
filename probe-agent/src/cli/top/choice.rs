//! What `--metrics` names.

use std::str::FromStr;

use crate::kernel::{Metric, SamplingRate, Settings};
use crate::{metric_name, metrics, parse_metric};

/// What the table has shown from the beginning: what policies are usually made of.
const CORE: [Metric; 4] = [
    Metric::OnCpuTime,
    Metric::RunqLatency,
    Metric::UserPageFaults,
    Metric::SentBytes,
];

/// One word of `--metrics`: some metrics at a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Choice {
    metrics: Vec<Metric>,
    rate: SamplingRate,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, rate) = match text.split_once('=') {
            Some((name, rate)) => {
                let rate = rate.parse::<f64>().map_err(|error| error.to_string())?;
                let rate = SamplingRate::try_new(rate).map_err(|error| error.to_string())?;
                (name, rate)
            }
            None => (text, SamplingRate::ALL),
        };
        let metrics = match name {
            "core" => CORE.to_vec(),
            "all" => metrics().collect(),
            name => vec![parse_metric(name).ok_or_else(unknown)?],
        };
        let choice = Self { metrics, rate };
        // Refuses what cannot be sampled.
        choice.add_to(&mut Settings::default())?;
        Ok(choice)
    }
}

impl Choice {
    /// Adds it to `settings`; of two rates for a metric the later one counts. Of several metrics at one
    /// rate, those that cannot be sampled are recorded whole.
    pub(super) fn add_to(&self, settings: &mut Settings) -> Result<(), String> {
        for &metric in &self.metrics {
            let refused = match settings.set(metric, self.rate) {
                Err(_) if self.metrics.len() > 1 => settings.set(metric, SamplingRate::ALL),
                outcome => outcome,
            };
            refused.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The value of `--metrics-of`: metrics of some containers, `CONTAINER:METRIC[=RATE],...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ChoiceOf {
    container: String,
    settings: Settings,
}

impl FromStr for ChoiceOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (container, metrics) = text
            .rsplit_once(':')
            .filter(|(container, metrics)| !container.is_empty() && !metrics.is_empty())
            .ok_or("expected CONTAINER:METRIC[=RATE],... as in 3f2a:runqLatency,sentBytes=0.1")?;
        let mut settings = Settings::default();
        for word in metrics.split(',') {
            word.parse::<Choice>()?.add_to(&mut settings)?;
        }
        Ok(Self {
            container: container.to_owned(),
            settings,
        })
    }
}

impl From<ChoiceOf> for (String, Settings) {
    fn from(choice: ChoiceOf) -> Self {
        (choice.container, choice.settings)
    }
}

fn unknown() -> String {
    let names: Vec<String> = metrics().map(metric_name).collect();
    format!("expected core, all, or one of {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for word in words {
            let choice: Choice = word.parse().expect("a choice");
            choice.add_to(&mut settings).expect("a setting");
        }
        settings
    }

    #[test]
    fn metrics_are_named_alone_or_together() {
        assert_eq!(settings(&["all"]).iter().count(), 15);
        let mixed = settings(&["core", "sentBytes=0.1", "tcpDrops"]);
        assert_eq!(mixed.iter().count(), 5);
        let rate = mixed.get(Metric::SentBytes).expect("set").probability();
        assert!((rate - 0.1).abs() < 1e-6);
    }

    #[test]
    fn together_what_cannot_be_sampled_is_whole() {
        let all = settings(&["all=0.1"]);
        assert_eq!(all.get(Metric::OffCpuTime), Some(SamplingRate::ALL));
        assert_ne!(all.get(Metric::TcpDrops), Some(SamplingRate::ALL));
    }

    #[test]
    fn some_containers_have_metrics_of_their_own() {
        let choice: ChoiceOf = "3f2a:core,tcpDrops=0.5".parse().expect("a choice");
        let (container, own) = choice.into();
        assert_eq!(container, "3f2a");
        assert_eq!(own, settings(&["core", "tcpDrops=0.5"]));
        for bad in ["core", ":core", "3f2a:", "3f2a:onCpuTime=0.5"] {
            assert!(bad.parse::<ChoiceOf>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "sentbytes",
            "",
            "sentBytes=0",
            "sentBytes=often",
            "onCpuTime=0.5",
        ] {
            assert!(bad.parse::<Choice>().is_err(), "{bad}");
        }
        let error = "nonsense".parse::<Choice>().expect_err("unknown");
        assert!(error.contains("dnsLatency"), "{error}");
    }
}
