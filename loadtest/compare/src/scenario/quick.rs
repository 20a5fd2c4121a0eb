//! A scenario cut short, to see that everything works.

use super::{Scenario, Shape, Users};

/// Seconds before the step at most: enough requests for the check of equal load to mean something.
const BEFORE: u32 = 14;
/// Seconds from the step to the end at most. With some ten seconds of starting each, two such trials
/// end within two minutes.
const AFTER: u32 = 26;

impl Scenario {
    /// The same load in a fraction of the time, one trial each: both autoscalers within two minutes. Its numbers
    /// are for a first look, and its name ends in `-quick`, so that they are not taken for the real ones.
    #[must_use]
    pub fn quick(&self) -> Self {
        let mut quick = self.clone();
        quick.name.truncate(57);
        quick.name.push_str("-quick");
        quick.trials = 1;
        let step = self.load.step_second();
        let before = Shrink::new(step, BEFORE);
        let after = Shrink::new(self.load.seconds() - step, AFTER);
        let mut shrink = before;
        for phase in &mut quick.load.phases {
            if phase.name == self.load.step {
                shrink = after;
            }
            phase.seconds = shrink.seconds(phase.seconds, 1);
            if let Users::Shaped(shape) = &mut phase.users {
                shrink.shape(shape);
            }
        }
        quick
    }
}

/// Multiplies lengths so that `whole` becomes at most `most`.
#[derive(Clone, Copy)]
struct Shrink {
    whole: u32,
    most: u32,
}

impl Shrink {
    fn new(whole: u32, most: u32) -> Self {
        Self {
            whole: whole.max(1),
            most: most.min(whole.max(1)),
        }
    }

    fn seconds(self, seconds: u32, least: u32) -> u32 {
        // `most <= whole`, so that the quotient fits.
        let scaled = u64::from(seconds) * u64::from(self.most) / u64::from(self.whole);
        (scaled as u32).max(least)
    }
    /// Shortens the lengths within a shape; a ramp has that of its phase.
    fn shape(self, shape: &mut Shape) {
        match shape {
            Shape::Ramp { .. } => {}
            Shape::Sine { period_seconds, .. } => {
                *period_seconds = self.seconds(*period_seconds, 2);
            }
            Shape::Decay {
                half_life_seconds, ..
            } => *half_life_seconds = self.seconds(*half_life_seconds, 1),
            Shape::Bursts {
                every_seconds,
                for_seconds,
                ..
            } => {
                *every_seconds = self.seconds(*every_seconds, 2);
                *for_seconds = self.seconds(*for_seconds, 1).min(*every_seconds - 1);
            }
        }
    }
}
