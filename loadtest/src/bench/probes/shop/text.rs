//! The report of the shop's part as text.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use comparison::statistics::Estimate;

use super::PART;
use super::overhead::ShopReport;
use super::verdict::Verdict;
use crate::bench::probes::thesis;

impl fmt::Display for ShopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "the demo shop: {} users, {:.1} pages a second, {} pods of each Deployment; medians of {} \
             rounds of {} s in parts of {} s, 95 % intervals",
            self.users,
            self.pages_per_second,
            self.replicas,
            self.rounds,
            self.seconds,
            PART.as_secs()
        )?;
        writeln!(f, "{}\n{}", self.states_table(), self.overheads_table())?;
        for account in &self.accounts {
            writeln!(f, "{account}")?;
        }
        if !self.unsupported.is_empty() {
            let names = self.unsupported.join(", ");
            writeln!(
                f,
                "not measured on this kernel, so without cost here: {names}"
            )?;
        }
        for tools in &self.tools {
            let name = tools.state.words();
            if !tools.ran.is_empty() {
                writeln!(f, "{name}: {}", tools.ran.join(", "))?;
            }
            for reason in &tools.missing {
                writeln!(f, "{name}, not measured: {reason}")?;
            }
        }
        if self.failed_pages > 0 {
            writeln!(f, "{} pages failed", self.failed_pages)?;
        }
        Ok(())
    }
}

impl ShopReport {
    fn states_table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "measured",
            "shop CPU, ms a page",
            "machine CPU, ms a page",
            "p50, ms",
            "p99, ms",
            "agent CPU, % of a core",
            "tools CPU",
            "tools memory, MiB",
        ]);
        for state in &self.states {
            let number = |estimate: &Estimate| format!("{:.2}", estimate.median);
            table.add_row([
                state.state.words().to_owned(),
                number(&state.shop_cpu_ms_per_page),
                number(&state.machine_cpu_ms_per_page),
                number(&state.p50_ms),
                number(&state.p99_ms),
                number(&state.agent_cpu_percent),
                number(&state.tools_cpu_percent),
                format!("{:.0}", state.tools_rss_bytes.median / f64::from(1 << 20)),
            ]);
        }
        aligned(table)
    }

    fn overheads_table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "overhead, %",
            "shop CPU",
            "goal",
            "machine CPU",
            "p50",
            "goal",
            "p99",
            "",
        ]);
        for overhead in &self.overheads {
            table.add_row([
                overhead.state.words().to_owned(),
                percent(&overhead.cpu_percent),
                goal(overhead.cpu_goal_percent),
                percent(&overhead.machine_cpu_percent),
                percent(&overhead.p50_percent),
                goal(overhead.p50_goal_percent),
                percent(&overhead.p99_percent),
                match overhead.verdict {
                    Some(Verdict::Met) => "met",
                    Some(Verdict::Missed) => "MISSED",
                    Some(Verdict::Open) => "open",
                    None => "",
                }
                .to_owned(),
            ]);
        }
        let range = |(from, to): (f64, f64)| format!("{from:.0} to {to:.0}");
        table.add_row([
            "the thesis, all metrics".to_owned(),
            range(thesis::CPU),
            String::new(),
            String::new(),
            range(thesis::MEDIAN_LATENCY),
            String::new(),
            "negligible".to_owned(),
            String::new(),
        ]);
        aligned(table)
    }
}

/// Numbers to the right.
fn aligned(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn goal(percent: Option<f64>) -> String {
    percent.map_or_else(String::new, |percent| format!("< {percent}"))
}

fn percent(estimate: &Estimate) -> String {
    format!(
        "{:.2} [{:.2}, {:.2}]",
        estimate.median, estimate.low, estimate.high
    )
}

#[cfg(test)]
mod tests {
    use super::super::overhead::tests::{args, turns};
    use super::super::policies::State;
    use super::super::tools::Tools;
    use super::*;

    #[test]
    fn the_tables_show_goals_intervals_and_the_thesis() {
        let unsupported = vec!["tlbFlushes".to_owned()];
        let tools = vec![Tools {
            state: State::Bpftrace,
            ran: Vec::new(),
            missing: vec!["bpftrace is not installed".to_owned()],
        }];
        let report =
            ShopReport::from_turns(&args(), unsupported, tools, &turns(), Vec::new()).unwrap();
        let text = report.to_string();
        let line = |start: &str| {
            let mut lines = text.lines().rev();
            lines
                .find(|line| line.trim_start().starts_with(start))
                .unwrap()
        };
        assert!(line("the three core").ends_with("met"), "{text}");
        assert!(line("all metrics").ends_with("MISSED"), "{text}");
        assert!(line("the thesis").contains("40 to 60"), "{text}");
        assert!(line("not measured").contains("tlbFlushes"), "{text}");
        assert!(line("bpftrace").contains("is not installed"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["overheads"][1]["state"], "all");
        assert!(json["overheads"][1]["cpu_percent"]["low"].is_number());
    }
}
