//! Trials that cannot be compared.

use crate::Autoscaler;

/// Trials that do not belong together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CompareError {
    /// There is nothing to compare.
    #[error("there is no trial to compare")]
    NoTrials,
    /// A trial was made by one autoscaler only, or twice by one.
    #[error("trial {trial} was not made exactly once by each autoscaler: resume the comparison")]
    Unpaired {
        /// Which.
        trial: u32,
    },
    /// A trial is not of this scenario.
    #[error(
        "trial {trial} of {autoscaler} is of scenario {found}, not of this version of {expected}"
    )]
    OtherScenario {
        /// Which.
        trial: u32,
        /// Whose.
        autoscaler: Autoscaler,
        /// Its scenario.
        found: String,
        /// The scenario that is compared.
        expected: String,
    },
    /// The trial's users made other choices.
    #[error("trial {trial} of {autoscaler} was driven with seed {found} instead of {expected}")]
    OtherSeed {
        /// Which.
        trial: u32,
        /// Whose.
        autoscaler: Autoscaler,
        /// Its seed.
        found: u64,
        /// The scenario's for this trial.
        expected: u64,
    },
    /// The trials ran on different machines.
    #[error(
        "trial {trial} of {autoscaler} ran on another machine ({found}) than the first ({expected})"
    )]
    OtherMachine {
        /// Which.
        trial: u32,
        /// Whose.
        autoscaler: Autoscaler,
        /// Its machine.
        found: String,
        /// That of the first trial.
        expected: String,
    },
    /// The load of a trial was not driven to its end.
    #[error("the load of trial {trial} of {autoscaler} ended early: make the trial again")]
    LoadIncomplete {
        /// Which.
        trial: u32,
        /// Whose.
        autoscaler: Autoscaler,
    },
}
