//! A core that is recorded while it decides, and the recording played again.

mod life;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use scaler_core::ScalingPolicy;

use super::writer::{Block, Writer, segments};
use super::{Entry, Recording};
use crate::replay::{Player, Reproduced};
use life::{Controller, Second, Write, any_second, policy};

/// How many decisions came out exactly, otherwise, and could not be made again.
fn replayed(directory: &Path) -> (u64, u64, u64) {
    let (mut exactly, mut otherwise) = (0, 0);
    let mut player = Player::new([]);
    for entry in Recording::open(directory).unwrap() {
        player.play(entry, &mut |replayed| match replayed.reproduced {
            Reproduced::Exactly => exactly += 1,
            Reproduced::Differently => otherwise += 1,
        });
    }
    (exactly, otherwise, player.unknown())
}

/// Records `life`, with a block every few seconds and a start every `start` seconds; `split` gives
/// each start a segment of its own. Returns the number of decisions.
fn record(directory: &Path, life: &[Second], start: usize, split: bool) -> u64 {
    const ROOM: u64 = 1 << 30;
    let mut controller = Controller::new(policy(0, 5));
    let mut writer = Writer::new(directory, ROOM).unwrap();
    let (mut starts, mut number) = (true, 0);
    for (index, second) in life.iter().enumerate() {
        controller.live(second);
        let start_is_due = index % start == start - 1;
        if index % 3 == 2 || start_is_due {
            let raw = controller.encoder.take();
            writer.write(&Block { raw, starts }).unwrap();
            starts = false;
        }
        if start_is_due {
            if split {
                writer = Writer::new(directory, ROOM).unwrap();
            }
            number += 1;
            controller.start(number);
            starts = true;
        }
    }
    let raw = controller.encoder.take();
    if !raw.is_empty() {
        writer.write(&Block { raw, starts }).unwrap();
    }
    writer.close();
    controller.decisions
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The promise of recordings.
    #[test]
    fn the_recorded_policies_give_exactly_the_recorded_decisions(
        life in prop::collection::vec(any_second(), 1..250), start in 10usize..100, split: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let decisions = record(directory.path(), &life, start, split);
        prop_assert_eq!(replayed(directory.path()), (decisions, 0, 0));
    }

    /// Asking the policy that was in force what it would have done gives what it did.
    #[test]
    fn the_same_policy_would_have_done_the_same(
        mut life in prop::collection::vec(any_second(), 1..120),
    ) {
        for second in &mut life {
            second.policy = None;
            second.write = Write::AtOnce;
        }
        let directory = tempfile::tempdir().unwrap();
        record(directory.path(), &life, 50, true);
        let mut player = Player::new([ScalingPolicy::clone(&policy(0, 5))]);
        let mut differences = Vec::new();
        for entry in Recording::open(directory.path()).unwrap() {
            player.play(entry, &mut |replayed| {
                let would_be = serde_json::to_string(&replayed.would_be).unwrap();
                if would_be != replayed.recorded.decision {
                    differences.push((would_be, replayed.recorded.decision.clone()));
                }
            });
        }
        prop_assert!(differences.is_empty(), "{:#?}", differences.first());
    }

    /// Without its beginning, a recording still tells everything after a while, and nothing wrong before.
    #[test]
    fn a_recording_without_its_beginning_is_exact_after_a_while(
        life in prop::collection::vec(any_second(), 200..300),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let decisions = record(directory.path(), &life, 40, true);
        let first = segments(directory.path()).unwrap().remove(0).1;
        fs::remove_file(first).unwrap();
        let (exactly, otherwise, unknown) = replayed(directory.path());
        prop_assert_eq!(otherwise, 0);
        prop_assert!(exactly > 0 && exactly + unknown < decisions, "{} {}", exactly, unknown);
    }

    /// Cut anywhere: what is read is a beginning of what was written, and it is exact.
    #[test]
    fn a_damaged_recording_is_exact_up_to_the_damage(
        life in prop::collection::vec(any_second(), 20..60), cut: prop::sample::Index,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let decisions = record(directory.path(), &life, 1000, false);
        let file = segments(directory.path()).unwrap().remove(0).1;
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..cut.index(bytes.len())]).unwrap();
        let (exactly, otherwise, unknown) = replayed(directory.path());
        prop_assert!(otherwise == 0 && unknown == 0 && exactly < decisions);
        let mut recording = Recording::open(&file).unwrap();
        let entries = recording.by_ref().filter(|entry| matches!(entry, Entry::Decision(_)));
        prop_assert_eq!(entries.count() as u64, exactly);
    }
}

#[test]
fn something_else_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0000000001.vsr");
    let error = |contents: &str| {
        fs::write(&path, contents).unwrap();
        Recording::open(&path).unwrap_err().to_string()
    };
    assert!(error("kind: ScalingPolicy\n").contains("not a recording"));
    assert!(error("viperscale-recording 2\n").contains("a recording in format 2"));
    fs::remove_file(&path).unwrap();
    let empty = Recording::open(directory.path()).unwrap_err().to_string();
    assert!(empty.contains("no recording in it"), "{empty}");
}
