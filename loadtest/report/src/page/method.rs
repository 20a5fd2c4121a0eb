//! How it was measured, on what, and with which versions.

use comparison::Comparison;
use maud::{Markup, html};

use super::figure::scrolling;
use crate::chart::scale::number;
use crate::text::{bytes, printable};

pub(super) fn section(comparison: &Comparison) -> Markup {
    let machine = &comparison.machine;
    html! {
        section id="method" aria-labelledby="method-title" {
            h2 id="method-title" { "How it was measured" }
            ul class="method" {
                li { "Locust's users drive the shop through its frontend with the same seeds for both; trial by trial the autoscalers alternate, and so does who is first." }
                li { "All measures count from the begin of the load to its planned end, the same for both." }
                li { "Medians over trials; intervals are bootstrap 95 % intervals of the median, differences within pairs of trials of the same seed. A difference whose interval contains none is a tie." }
                li { "What did not come before the end of the load counts as the time until then, and is marked \u{2265} where it decides the median." }
                li {
                    "The offline optimum is the least number of replicas that keeps every pod below "
                    (number(comparison.optimum.utilisation * 100.0)) " % of its CPU limit, computed from the CPU time per page that all trials together needed and the load that was planned. It needs "
                    (number(comparison.optimum.replica_seconds)) " replica-seconds."
                }
            }
            h3 { "Machine and versions" }
            dl class="pairs" {
                dt { "Cluster" } dd { (printable(&machine.cluster)) }
                dt { "CPUs" } dd { (machine.cpus) @if !machine.cpu_model.is_empty() { ", " (printable(&machine.cpu_model)) } }
                dt { "Memory" } dd { (bytes(machine.memory_bytes)) }
                @if !machine.kernel.is_empty() { dt { "Kernel" } dd { (printable(&machine.kernel)) } }
                @for (program, version) in &comparison.versions { dt { (printable(program)) } dd { (printable(version)) } }
                dt { "Scenario" } dd { (printable(&comparison.scenario.name)) ", " code class="hash" { (printable(&comparison.scenario_hash)) } }
            }
            @if !comparison.optimum.demand.is_empty() {
                details class="values" {
                    summary { "What a page costs each deployment" }
                    (scrolling("Demand by deployment", &demand(comparison)))
                }
            }
        }
    }
}

fn demand(comparison: &Comparison) -> Markup {
    html! {
        table {
            caption { "CPU demand as measured over all trials; the optimum is computed from it" }
            thead { tr {
                th scope="col" { "Deployment" } th scope="col" class="number" { "CPU per page, ms" }
                th scope="col" class="number" { "idle, cores" } th scope="col" class="number" { "cores of a pod" }
            } }
            tbody { @for (name, demand) in &comparison.optimum.demand { tr {
                th scope="row" { (printable(name)) }
                td class="number" { (number(demand.cpu_seconds_per_request * 1000.0)) }
                td class="number" { (number(demand.idle_cores)) }
                td class="number" { (number(demand.pod_cores)) }
            } } }
        }
    }
}
