//! What makes a scenario that is read well make sense as a whole.

use std::collections::BTreeSet;

use super::{Scenario, Shape, ShopSource, Users};

/// Longest load: a compressed day is minutes; beyond this somebody mistook the unit.
const MOST_SECONDS: u32 = 24 * 3600;
/// More users than one Locust process on one machine can play.
const MOST_USERS: u32 = 100_000;
/// More trials than anybody waits for.
const MOST_TRIALS: u32 = 1_000;
/// Roles of the demo shop, whose work can be set.
const ROLES: [&str; 11] = [
    "frontend",
    "recommendationservice",
    "productcatalogservice",
    "currencyservice",
    "cartservice",
    "redis-cart",
    "checkoutservice",
    "shippingservice",
    "paymentservice",
    "emailservice",
    "adservice",
];

/// Something that makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Such as `load.phases[1].seconds`.
    pub(super) field: String,
    /// What is wrong, and what was expected.
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// An error unless `holds`.
fn demand(
    holds: bool,
    field: impl Into<String>,
    message: impl Into<String>,
) -> Result<(), Problem> {
    if holds {
        Ok(())
    } else {
        Err(Problem::new(field, message))
    }
}

fn within(value: u32, least: u32, most: u32, field: String) -> Result<(), Problem> {
    let message = format!("expected a whole number from {least} to {most}, found {value}");
    demand((least..=most).contains(&value), field, message)
}

impl Scenario {
    /// The first thing that makes no sense.
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_name("name", &self.name)?;
        check_name("namespace", &self.namespace)?;
        within(self.trials, 1, MOST_TRIALS, "trials".into())?;
        self.check_shop()?;
        self.check_deployments()?;
        self.check_load()
    }

    fn check_shop(&self) -> Result<(), Problem> {
        let existing = self.shop.source == ShopSource::Existing;
        for role in self.shop.work.keys() {
            let field = format!("shop.work.{role}");
            demand(
                !existing,
                field.clone(),
                "the work of an existing shop cannot be set; expected `source: demo`",
            )?;
            let expected = ROLES.join(", ");
            demand(
                ROLES.contains(&role.as_str()),
                field,
                format!("expected one of {expected}"),
            )?;
        }
        let Some(frontend) = &self.shop.frontend else {
            return Ok(());
        };
        demand(
            existing,
            "shop.frontend",
            "only an existing shop has an address beforehand; expected `source: existing` beside it",
        )?;
        demand(
            frontend.starts_with("http://") || frontend.starts_with("https://"),
            "shop.frontend",
            format!("expected http://NAME:PORT, found `{frontend}`"),
        )
    }

    fn check_deployments(&self) -> Result<(), Problem> {
        demand(
            !self.deployments.is_empty(),
            "deployments",
            "expected at least one Deployment to scale",
        )?;
        let mut names = BTreeSet::new();
        for (index, deployment) in self.deployments.iter().enumerate() {
            let field = format!("deployments[{index}]");
            check_name(&format!("{field}.name"), &deployment.name)?;
            let message = format!("`{}` is named twice", deployment.name);
            demand(
                names.insert(&deployment.name),
                format!("{field}.name"),
                message,
            )?;
            deployment.check_hpa(&format!("{field}.hpa"))?;
            deployment.check_policy(&self.namespace, &format!("{field}.viperscale"))?;
        }
        Ok(())
    }

    fn check_load(&self) -> Result<(), Problem> {
        let load = &self.load;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        demand(
            positive(load.wait_scale),
            "load.waitScale",
            format!("expected a number above 0, found {}", load.wait_scale),
        )?;
        let timeout = load.page_timeout_seconds;
        demand(
            positive(timeout),
            "load.pageTimeoutSeconds",
            format!("expected seconds above 0, found {timeout}"),
        )?;
        let mut names = BTreeSet::new();
        let mut total: u32 = 0;
        for (index, phase) in load.phases.iter().enumerate() {
            let field = format!("load.phases[{index}]");
            check_name(&format!("{field}.name"), &phase.name)?;
            demand(
                names.insert(phase.name.as_str()),
                format!("{field}.name"),
                format!("`{}` is named twice", phase.name),
            )?;
            within(phase.seconds, 1, MOST_SECONDS, format!("{field}.seconds"))?;
            phase.users.check(&format!("{field}.users"))?;
            total = total.saturating_add(phase.seconds);
        }
        within(total, 1, MOST_SECONDS, "load.phases".into())?;
        let known: Vec<_> = load
            .phases
            .iter()
            .map(|phase| phase.name.as_str())
            .collect();
        let expected = format!(
            "expected the name of a phase after the first ({})",
            known.join(", ")
        );
        demand(
            known.iter().skip(1).any(|name| *name == load.step),
            "load.step",
            format!("{expected}, found `{}`", load.step),
        )
    }
}

impl Users {
    fn check(&self, field: &str) -> Result<(), Problem> {
        match self {
            Self::Constant(count) => within(*count, 1, MOST_USERS, field.to_owned()),
            Self::Shaped(shape) => shape.check(field),
        }
    }
}

impl Shape {
    fn check(&self, field: &str) -> Result<(), Problem> {
        let users = |name: &str, users| within(users, 1, MOST_USERS, format!("{field}.{name}"));
        let seconds = |name: &str, least, most, seconds| {
            within(seconds, least, most, format!("{field}.{name}"))
        };
        match *self {
            Self::Ramp { from, to } => {
                users("ramp.from", from)?;
                users("ramp.to", to)
            }
            Self::Sine {
                low,
                high,
                period_seconds,
            } => {
                users("sine.low", low)?;
                users("sine.high", high)?;
                seconds("sine.periodSeconds", 2, MOST_SECONDS, period_seconds)
            }
            Self::Decay {
                from,
                to,
                half_life_seconds,
            } => {
                users("decay.from", from)?;
                users("decay.to", to)?;
                seconds("decay.halfLifeSeconds", 1, MOST_SECONDS, half_life_seconds)
            }
            Self::Bursts {
                base,
                peak,
                every_seconds,
                for_seconds,
            } => {
                users("bursts.base", base)?;
                users("bursts.peak", peak)?;
                seconds("bursts.everySeconds", 2, MOST_SECONDS, every_seconds)?;
                seconds("bursts.forSeconds", 1, every_seconds - 1, for_seconds)
            }
        }
    }
}

/// A name that Kubernetes and file systems accept (RFC 1123 label).
fn check_name(field: &str, name: &str) -> Result<(), Problem> {
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = name.len() <= 63
        && outer(name.chars().next())
        && outer(name.chars().last())
        && name.chars().all(inner);
    demand(
        good,
        field,
        format!("expected at most 63 lower-case letters, digits and `-`, found `{name}`"),
    )
}
