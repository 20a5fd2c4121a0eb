//! The command line of `loadtest compare`, as given.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use comparison::Autoscaler;

use crate::local::DEFAULT_PARENT;

/// The most trials that anybody waits for.
const MOST_TRIALS: u32 = 1000;

/// Options of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Built-in scenarios (see --list) or YAML files
    #[arg(value_name = "SCENARIO", required_unless_present = "list")]
    pub scenarios: Vec<String>,
    /// Show the built-in scenarios and stop
    #[arg(long)]
    pub list: bool,
    /// Make no trials: judge and draw anew those that --out holds, whichever version made them
    #[arg(long, conflicts_with = "list")]
    pub report_only: bool,
    /// Trials of each autoscaler [default: what the scenario says]
    #[arg(long, env = "VIPERSCALE_TRIALS", value_parser = trials)]
    pub trials: Option<u32>,
    /// One trial each of a shortened scenario: two minutes, to see that everything works
    #[arg(long, env = "VIPERSCALE_QUICK")]
    pub quick: bool,
    /// Where trials and reports go, one folder per scenario; the same command with the same folder
    /// goes on where it was interrupted
    #[arg(long, env = "VIPERSCALE_OUT", default_value = "comparison")]
    pub out: PathBuf,
    /// Source of the users' choices [default: what the scenario says]
    #[arg(long, env = "VIPERSCALE_SEED")]
    pub seed: Option<u64>,
    /// Make only the trials of these
    #[arg(
        long,
        env = "VIPERSCALE_AUTOSCALERS",
        value_delimiter = ',',
        default_values_t = [AutoscalerArg::Hpa, AutoscalerArg::Viperscale],
    )]
    pub autoscalers: Vec<AutoscalerArg>,
    /// Compare on this cluster, whose own HPA controller decides, instead of a local one
    #[arg(long, env = "VIPERSCALE_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, env = "VIPERSCALE_CONTEXT", requires = "kubeconfig")]
    pub context: Option<String>,
    /// Scale the Deployments that the cluster has, such as Online Boutique's, instead of a demo shop that is
    /// created for the run
    #[arg(long, env = "VIPERSCALE_EXISTING", requires = "kubeconfig")]
    pub existing: bool,
    /// Namespace of the shop [default: what the scenario says]
    #[arg(long, env = "VIPERSCALE_NAMESPACE", requires = "existing")]
    pub namespace: Option<String>,
    /// URL of the frontend, where its Service's address cannot be reached from here
    #[arg(
        long,
        env = "VIPERSCALE_HOST",
        value_name = "URL",
        requires = "kubeconfig"
    )]
    pub host: Option<String>,
    /// Who measures on the nodes of the cluster
    #[arg(long, env = "VIPERSCALE_AGENTS", value_enum, default_value_t = AgentsArg::Local, requires = "kubeconfig")]
    pub agents: AgentsArg,
    /// Port of this machine that existing agents report to
    #[arg(long, env = "VIPERSCALE_AGENTS_PORT", default_value_t = 9100)]
    pub agents_port: u16,
    /// Where logs and state go while it runs
    #[arg(long, env = "VIPERSCALE_DIR", default_value_os_t = PathBuf::from(DEFAULT_PARENT).join("compare"))]
    pub dir: PathBuf,
}

/// An autoscaler on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum AutoscalerArg {
    /// Kubernetes' HorizontalPodAutoscaler
    Hpa,
    /// Ours
    Viperscale,
}

/// Who measures on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentsArg {
    /// An agent that is started here, beside the `loadtest node` of this machine that joined the cluster
    Local,
    /// Agents that run on the nodes already and report to this machine
    Existing,
}

impl From<AutoscalerArg> for Autoscaler {
    fn from(arg: AutoscalerArg) -> Self {
        match arg {
            AutoscalerArg::Hpa => Self::Hpa,
            AutoscalerArg::Viperscale => Self::Viperscale,
        }
    }
}

impl std::fmt::Display for AutoscalerArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Autoscaler::from(*self).slug())
    }
}

fn trials(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err(format!(
            "no trials, no comparison; give 1 to {MOST_TRIALS} (5 are the fewest that can name a winner)"
        )),
        Ok(trials) if trials <= MOST_TRIALS => Ok(trials),
        _ => Err(format!("expected a number from 1 to {MOST_TRIALS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_are_some() {
        assert_eq!(trials("5"), Ok(5));
        assert!(trials("0").unwrap_err().contains("give 1 to 1000"));
        assert!(trials("1001").is_err() && trials("-1").is_err() && trials("x").is_err());
    }
}
