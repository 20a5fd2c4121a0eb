//! The checks on their corpora, on mutations of these, and on any bytes: what fuzzing does, without
//! the feedback of coverage, on every toolchain.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fuzz_checks::CHECKS;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use scaler_core::policy;
use viperscale_proto::{frugal, v1 as wire};

/// No input of this size may take longer, in a debug build on a busy machine. What is quadratic
/// takes minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    /// A number that is often too much, in either byte order.
    Number(Index, u32, bool),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    let number = prop::sample::select(vec![0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX]);
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (place(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (place(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (place(), 1usize..40).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (place(), 1usize..80, 1usize..60)
            .prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        (place(), number, any::<bool>())
            .prop_map(|(at, value, big)| Mutation::Number(at, value, big)),
        place().prop_map(Mutation::Cut),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |at: &Index| at.index(length + 1);
        let end = |at: usize, count: usize| (at + count).min(length);
        match self {
            Mutation::Set(at, byte) => {
                if let Some(old) = bytes.get_mut(place(at)) {
                    *old = *byte;
                }
            }
            Mutation::Flip(at, bit) => {
                if let Some(old) = bytes.get_mut(place(at)) {
                    *old ^= 1 << bit;
                }
            }
            Mutation::Insert(at, new) => {
                bytes.splice(place(at)..place(at), new.iter().copied());
            }
            Mutation::Remove(at, count) => {
                bytes.drain(place(at)..end(place(at), *count));
            }
            Mutation::Repeat(at, count, times) => {
                let piece = bytes[place(at)..end(place(at), *count)].repeat(*times);
                bytes.splice(place(at)..place(at), piece);
            }
            Mutation::Number(at, value, big) => {
                let new = if *big {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                for (old, new) in bytes.iter_mut().skip(place(at)).zip(new) {
                    *old = new;
                }
            }
            Mutation::Cut(at) => bytes.truncate(place(at)),
        }
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn in_time(name: &str, check: fn(&[u8]), bytes: &[u8]) {
    let begin = Instant::now();
    check(bytes);
    let took = begin.elapsed();
    assert!(
        took < PATIENCE,
        "{name}: {} bytes took {took:?}",
        bytes.len()
    );
}

#[test]
fn the_corpora_hold() {
    for (name, check) in CHECKS {
        for bytes in corpus(name) {
            in_time(name, check, &bytes);
        }
    }
}

/// Inputs that are refused at the door teach nothing about the rooms behind it.
#[test]
fn the_good_ones_are_accepted() {
    let file = |name: &str| {
        fs::read(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../corpus")
                .join(name),
        )
        .unwrap()
    };
    let offsets = probe_agent::kernel::offsets_in(&file("btf/small"));
    assert!(offsets.is_ok(), "{offsets:?}");
    let cycles = probe_agent::kernel::offsets_in(&file("btf/cycles"));
    assert!(cycles.is_err(), "a type that is itself has no offsets");
    for name in [
        "agent_message/report",
        "agent_message/foreign",
        "agent_message/absurd",
    ] {
        let bytes = file(name);
        assert!(
            frugal::weigh::<wire::AgentMessage>(&bytes).is_ok(),
            "{name}"
        );
        wire::AgentMessage::decode(&*bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let shop = String::from_utf8(file("policy_yaml/shop.yaml")).unwrap();
    assert_eq!(policy::load(&shop, "shop.yaml").unwrap().len(), 1);
}

#[test]
fn every_target_is_a_check() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets");
    let mut found: Vec<String> = fs::read_dir(targets)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    found.sort();
    let mut expected = CHECKS.map(|(name, _)| name);
    expected.sort_unstable();
    assert_eq!(found, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn mutations_of_the_corpora_hold(
        check in 0..CHECKS.len(),
        seed in any::<Index>(),
        other in any::<Index>(),
        splice in any::<bool>(),
        mutations in prop::collection::vec(mutation(), 1..8),
    ) {
        let (name, check) = CHECKS[check];
        let corpus = corpus(name);
        let mut bytes = seed.get(&corpus).clone();
        if splice {
            let other = other.get(&corpus);
            bytes.truncate(bytes.len() / 2);
            bytes.extend(&other[other.len() / 2..]);
        }
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        bytes.truncate(64 * 1024);
        in_time(name, check, &bytes);
    }

    #[test]
    fn any_bytes_hold(check in 0..CHECKS.len(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (name, check) = CHECKS[check];
        in_time(name, check, &bytes);
    }
}
