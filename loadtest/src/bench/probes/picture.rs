//! The shop's overhead as the thesis drew its own in figures 9 to 11: CPU, median latency, tail latency;
//! its numbers beside ours.

use std::path::Path;

use anyhow::{Context, Result};
use comparison::statistics::Estimate;
use comparison_report::chart::Side;
use comparison_report::chart::bars::{Bar, BarChart, Group};
use comparison_report::chart::frame::Width;
use comparison_report::picture::{Part, Sheet, column_width};

use super::shop::policies::State;
use super::shop::{Overhead, ShopReport};
use super::thesis;
use crate::json_file;

/// Charts side by side.
const COLUMNS: usize = 3;

/// Draws it as PNG.
///
/// # Errors
/// What the file system said; drawing fails only by a bug.
pub(super) fn write(shop: &ShopReport, file: &Path) -> Result<()> {
    let png = sheet(shop).png().context("cannot draw the picture")?;
    json_file::write_bytes(file, &png)
}

fn sheet(shop: &ShopReport) -> Sheet {
    let charts = [
        chart(
            shop,
            "CPU",
            "% more CPU per page, the shop's pods",
            thesis::CPU,
            |of| of.cpu_percent,
        ),
        chart(
            shop,
            "Median latency",
            "% more median latency of pages",
            thesis::MEDIAN_LATENCY,
            |of| of.p50_percent,
        ),
        chart(
            shop,
            "Tail latency",
            "% more latency of the slowest page in 100",
            thesis::TAIL_LATENCY,
            |of| of.p99_percent,
        ),
    ];
    let parts = charts.iter().enumerate().map(|(column, chart)| Part {
        svg: chart.svg(Width::Fixed(column_width(COLUMNS))),
        column: (column, COLUMNS),
        height: chart.outer_height(),
    });
    let sides: &[Side] = match shop.has_peers() {
        true => &[Side::Viperscale, Side::OtherTools, Side::Thesis],
        false => &[Side::Viperscale, Side::Thesis],
    };
    Sheet {
        sides,
        title: "What measuring costs the shop".to_owned(),
        caption: caption(shop),
        rows: vec![parts.collect()],
    }
}

fn chart(
    shop: &ShopReport,
    name: &str,
    axis: &str,
    published: (f64, f64),
    of: fn(&Overhead) -> Estimate,
) -> BarChart {
    let groups = shop.overheads.iter().map(|overhead| {
        let estimate = of(overhead);
        let measured = Bar {
            side: match overhead.state {
                State::LibbpfTools | State::Bpftrace => Side::OtherTools,
                State::None | State::Core | State::All => Side::Viperscale,
            },
            value: estimate.median,
            interval: Some((estimate.low, estimate.high)),
            published: None,
        };
        // It measured with all metrics on, and with none.
        let theirs = (overhead.state == State::All).then(|| Bar {
            side: Side::Thesis,
            value: f64::midpoint(published.0, published.1),
            interval: Some(published),
            published: None,
        });
        Group {
            label: format!("{name}, {}", overhead.state.words()),
            // Of what lies below zero, the bars show nothing.
            remark: format!("{:.1} to {:.1}", estimate.low, estimate.high),
            bars: [Some(measured), theirs].into_iter().flatten().collect(),
        }
    });
    BarChart {
        description: format!("{name}: overhead of the core metrics, of all, and the thesis'"),
        axis: axis.to_owned(),
        groups: groups.collect(),
        whole: false,
    }
}

fn caption(shop: &ShopReport) -> String {
    format!(
        "Medians over {} rounds of {} s with bootstrap 95 % intervals, each round against its own turn \
         without metrics; the same users' pages in every turn ({} users, {:.0} pages a second). What is \
         below zero is drawn as zero; the intervals stand behind the names. {} Its whiskers are the \
         ranges that it gives; of the tail it says: negligible.",
        shop.rounds,
        shop.seconds,
        shop.users,
        shop.pages_per_second,
        thesis::WHERE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(median: f64) -> Estimate {
        Estimate {
            median,
            low: median - 0.5,
            high: median + 0.5,
            trials: 12,
            at_least: 0,
        }
    }

    fn shop() -> ShopReport {
        let overhead = |state, cpu: f64| Overhead {
            state,
            cpu_percent: estimate(cpu),
            machine_cpu_percent: estimate(cpu),
            p50_percent: estimate(2.0 * cpu),
            p99_percent: estimate(-0.1),
            cpu_goal_percent: Some(2.0),
            p50_goal_percent: Some(3.0),
            verdict: None,
        };
        ShopReport {
            rounds: 12,
            seconds: 20,
            users: 8,
            replicas: 2,
            pages_per_second: 14.0,
            failed_pages: 0,
            unsupported: Vec::new(),
            tools: Vec::new(),
            states: Vec::new(),
            overheads: vec![
                overhead(State::Core, 0.2),
                overhead(State::All, 1.4),
                overhead(State::LibbpfTools, 6.0),
            ],
            accounts: Vec::new(),
            turns: Vec::new(),
        }
    }

    #[test]
    fn the_thesis_stands_beside_all_metrics_only() {
        let sheet = sheet(&shop());
        assert_eq!(sheet.rows[0].len(), 3);
        let svg = sheet.svg();
        assert!(
            svg.contains("CPU, all metrics") && svg.contains("12.5"),
            "{svg}"
        );
        assert!(svg.contains("ViperProbe (thesis)"), "{svg}");
        assert!(svg.contains("-0.6 to 0.4"), "below zero, in words: {svg}");
        let chart = chart(&shop(), "CPU", "%", thesis::CPU, |of| of.cpu_percent);
        let bars: Vec<usize> = chart.groups.iter().map(|group| group.bars.len()).collect();
        assert_eq!(bars, [1, 2, 1]);
        assert_eq!(chart.groups[2].bars[0].side, Side::OtherTools);
    }

    #[test]
    fn it_is_written_as_a_picture() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("overhead.png");
        write(&shop(), &file).unwrap();
        let png = std::fs::read(file).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
    }
}
