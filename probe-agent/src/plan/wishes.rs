//! What a person asks for on a command line: metrics for all containers, and others for some.

use std::collections::BTreeSet;

use crate::kernel::{Metric, Settings};

/// Settings by container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    everyone: Settings,
    /// The first one that fits a container is its own.
    particular: Vec<(String, Settings)>,
}

impl Wishes {
    /// `everyone` for all containers but those that `particular` names: by the beginning of their id, or
    /// by a part of their cgroup's path.
    pub fn new(everyone: Settings, particular: Vec<(String, Settings)>) -> Self {
        Self {
            everyone,
            particular,
        }
    }

    /// What to measure of the container with this id, empty if it has none, and this cgroup.
    pub fn of(&self, id: &str, path: &str) -> &Settings {
        let fits = |name: &str| id.starts_with(name) || path.contains(name);
        self.particular
            .iter()
            .find(|(name, _)| fits(name))
            .map_or(&self.everyone, |(_, settings)| settings)
    }

    /// Every metric that some container may be measured for, in the order of the protocol.
    pub fn metrics(&self) -> BTreeSet<Metric> {
        let particular = self.particular.iter().map(|(_, settings)| settings);
        std::iter::once(&self.everyone)
            .chain(particular)
            .flat_map(|settings| settings.iter().map(|(metric, _)| metric))
            .collect()
    }
}

impl From<Settings> for Wishes {
    fn from(everyone: Settings) -> Self {
        Self::new(everyone, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SamplingRate;

    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

    fn only(metric: Metric) -> Settings {
        let mut settings = Settings::default();
        settings.set(metric, SamplingRate::ALL).expect("a setting");
        settings
    }

    #[test]
    fn containers_are_told_by_the_beginning_of_their_id_or_a_part_of_their_path() {
        let wishes = Wishes::new(
            only(Metric::RunqLatency),
            vec![
                ("c0ffee".to_owned(), only(Metric::SentBytes)),
                ("/system.slice".to_owned(), only(Metric::TcpDrops)),
            ],
        );
        assert_eq!(wishes.of(ID, "/kubepods/x"), &only(Metric::SentBytes));
        let by_path = wishes.of("", "/system.slice/cron.service");
        assert_eq!(by_path, &only(Metric::TcpDrops));
        let other = wishes.of("beef", "/kubepods/beef");
        assert_eq!(other, &only(Metric::RunqLatency));
        assert_eq!(
            Vec::from_iter(wishes.metrics()),
            [Metric::RunqLatency, Metric::SentBytes, Metric::TcpDrops]
        );
    }
}
