//! Programs pass the verifier on every kernel that the loader can pretend to run on.
//!
//! Read-only globals switch code off, and the verifier checks what is left: each combination is
//! another program. Opening the kernel side tries every program once, and what is refused is said in
//! the table of support.

use std::collections::BTreeSet;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Feature, Features, Kernel, Metric, Support, SupportTable};

use crate::{all_of, alone, options, trees};

/// What the kernel side makes of a machine with `features`; everything that works is attached at once,
/// and read.
fn support(tree: Tree, features: Features) -> SupportTable {
    let mut options = options(tree);
    (options.features, options.max_containers) = (features, 4);
    let mut kernel = Kernel::open(options).expect("the kernel side opens");
    let table = kernel.support().clone();
    let slot = kernel
        .add(&[1], &all_of(&Vec::from_iter(measured(&table))))
        .expect("what is supported is attached");
    kernel.read().expect("cells are readable");
    kernel.remove(slot).expect("it can be removed");
    table
}

/// The features without those whose bit is set in `missing`.
fn without(missing: usize) -> Features {
    Feature::ALL
        .into_iter()
        .enumerate()
        .filter(|(place, _)| missing & (1 << place) != 0)
        .fold(Features::all(), |left, (_, feature)| left.without(feature))
}

/// Fails when a program was refused for what it is, instead of passed over for what is missing.
#[track_caller]
fn assert_accepted(what: &str, table: &SupportTable) {
    for (metric, support) in table.iter() {
        assert!(
            !support.detail().contains("verifier") && !support.detail().contains("refused"),
            "{what}: {metric:?} is {support}"
        );
    }
}

fn measured(table: &SupportTable) -> BTreeSet<Metric> {
    let found = table.iter().filter(|(_, support)| support.is_measured());
    found.map(|(metric, _)| metric).collect()
}

/// Which features are missing, run by run: sets of which any three features see all their eight
/// combinations. The verifier looks at one program at a time, and no program asks for more than three
/// features, so these sixteen runs show it every program that there can be.
///
/// They are the words of the Reed-Muller code RM(1, 3), whose dual has distance 4: an orthogonal array of
/// strength 3 (A. S. Hedayat, N. J. A. Sloane, J. Stufken, "Orthogonal Arrays", 1999, chapter 4).
fn combinations() -> Vec<usize> {
    const ROWS: [usize; 4] = [0b1111_1111, 0b0101_0101, 0b0011_0011, 0b0000_1111];
    const FEATURES: usize = Feature::ALL.len();
    const { assert!(FEATURES <= 8, "a larger code is needed") };
    (0..1_usize << ROWS.len())
        .map(|word| {
            let chosen = (0..ROWS.len()).filter(|row| word & (1 << row) != 0);
            chosen.fold(0, |sum, row| sum ^ ROWS[row]) & ((1 << FEATURES) - 1)
        })
        .collect()
}

#[test]
fn any_three_features_come_in_every_combination() {
    let runs = combinations();
    let triples = (0..Feature::ALL.len())
        .flat_map(|a| (0..a).flat_map(move |b| (0..b).map(move |c| [a, b, c])));
    for [a, b, c] in triples {
        let bits = |run: &usize| [a, b, c].map(|place| (run >> place) & 1);
        let seen: BTreeSet<[usize; 3]> = runs.iter().map(bits).collect();
        assert_eq!(seen.len(), 8, "features {a}, {b} and {c}");
    }
}

/// All combinations with `VIPERSCALE_ALL_COMBINATIONS=1`, which takes minutes.
#[test]
fn every_combination_of_features_loads() {
    let _alone = alone();
    let best = measured(&support(Tree::V2, Features::all()));
    let every = std::env::var_os("VIPERSCALE_ALL_COMBINATIONS").is_some();
    let runs = match every {
        true => (0..1_usize << Feature::ALL.len()).collect(),
        false => combinations(),
    };
    for missing in runs {
        let table = support(Tree::V2, without(missing));
        assert_accepted(&format!("without {missing:#b}"), &table);
        assert_eq!(
            measured(&table),
            best,
            "each of these features has something to fall back to, without {missing:#b}"
        );
    }
}

#[test]
fn features_matter_alike_for_either_tree() {
    let _alone = alone();
    for tree in trees() {
        let everything = (1 << Feature::ALL.len()) - 1;
        let singles = (0..Feature::ALL.len()).map(|place| 1 << place);
        for missing in singles.chain([everything]) {
            assert_accepted(
                &format!("{tree:?} without {missing:#b}"),
                &support(tree, without(missing)),
            );
        }
    }
}

/// Each tracepoint, the metrics that cannot do without it, and those that become worse.
const TRACEPOINTS: [(&str, &[Metric], &[Metric]); 17] = [
    (
        "sched_switch",
        &[Metric::OnCpuTime, Metric::OffCpuTime, Metric::RunqLatency],
        &[],
    ),
    ("page_fault_user", &[], &[]),
    ("page_fault_kernel", &[Metric::KernelPageFaults], &[]),
    ("tlb_flush", &[Metric::TlbFlushes], &[]),
    ("mm_filemap_get_pages", &[Metric::PageCacheHitRatio], &[]),
    ("mm_filemap_fault", &[Metric::PageCacheHitRatio], &[]),
    ("mm_filemap_map_pages", &[Metric::PageCacheHitRatio], &[]),
    (
        "mm_filemap_add_to_page_cache",
        &[Metric::PageCacheHitRatio],
        &[],
    ),
    ("writeback_dirty_folio", &[Metric::PageCacheHitRatio], &[]),
    (
        "block_rq_issue",
        &[Metric::DiskIoSize, Metric::DiskIoLatency],
        &[],
    ),
    (
        "block_rq_requeue",
        &[Metric::DiskIoSize, Metric::DiskIoLatency],
        &[],
    ),
    ("block_rq_complete", &[Metric::DiskIoLatency], &[]),
    ("sock_send_length", &[], &[Metric::SentBytes]),
    ("sock_recv_length", &[], &[Metric::ReceivedBytes]),
    ("tcp_retransmit_skb", &[Metric::TcpRetransmits], &[]),
    (
        "tcp_retransmit_synack",
        &[Metric::TcpSynackRetransmits],
        &[],
    ),
    ("kfree_skb", &[Metric::TcpDrops], &[]),
];

#[test]
fn a_missing_tracepoint_costs_its_own_metrics_and_is_named() {
    let _alone = alone();
    let best = support(Tree::V2, Features::all());
    for (name, lost, worse) in TRACEPOINTS {
        let table = support(Tree::V2, Features::all().without_tracepoint(name));
        assert_accepted(&format!("without {name}"), &table);
        for (metric, support) in table.iter() {
            if best.get(metric) == support {
                assert!(!lost.contains(&metric), "{metric:?} without {name}");
                continue;
            }
            assert!(
                lost.contains(&metric) || worse.contains(&metric),
                "{name} is none of {metric:?}'s business, which is {support}"
            );
            assert_eq!(
                matches!(support, Support::Unsupported(_)),
                lost.contains(&metric),
                "{metric:?} is {support}"
            );
            assert!(
                support.detail().contains(name),
                "{metric:?} is {support}, without a word of {name}"
            );
        }
    }
}
