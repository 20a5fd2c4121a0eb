//! Command line and environment: first as given ([`Arguments`]), then checked ([`Settings`]).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use http::uri::Authority;

use crate::role::{Concurrency, Role};
use crate::work::Work;

/// Plays one role of the demo shop over HTTP/1.1 until SIGTERM.
#[derive(Clone, Debug, Parser)]
#[command(name = "demo-shop", version, after_long_help = role_table())]
pub struct Arguments {
    /// Role to play.
    #[arg(value_enum)]
    pub role: Role,
    /// Address to listen on.
    #[arg(long, env = "POD_IP", default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// Port to listen on [default: the role's own; 0 takes any free one].
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
    /// CPU time of one request in microseconds [default: the role's own].
    #[arg(long, env = "SHOP_CPU_US")]
    pub cpu_us: Option<u64>,
    /// Fresh memory touched by one request in KiB; 4 KiB are one page fault [default: the role's own].
    #[arg(long, env = "SHOP_FRESH_KIB")]
    pub fresh_kib: Option<usize>,
    /// Least bytes of an answer [default: the role's own].
    #[arg(long, env = "SHOP_RESPONSE_BYTES")]
    pub response_bytes: Option<usize>,
    /// Factor on the CPU time and on the fresh memory of a request.
    #[arg(long, env = "SHOP_WORK_SCALE", default_value_t = 1.0)]
    pub work_scale: f64,
    /// Threads that do the work [default: the role's own; an event loop has none].
    #[arg(long, env = "SHOP_WORKERS")]
    pub workers: Option<usize>,
    /// Requests in flight, waiting ones included; more are answered 503 at once.
    #[arg(long, env = "SHOP_MAX_IN_FLIGHT", default_value_t = 128)]
    pub max_in_flight: usize,
    /// Milliseconds after which a call to another role has failed.
    ///
    /// The real frontend sets no deadline of its own except for ads; users leave after about a second.
    #[arg(long, env = "SHOP_CALL_TIMEOUT_MS", default_value_t = 1_000)]
    pub call_timeout_ms: u64,
    /// Milliseconds after which a page goes without ads, as in the real frontend.
    #[arg(long, env = "SHOP_AD_TIMEOUT_MS", default_value_t = 100)]
    pub ad_timeout_ms: u64,
    /// Milliseconds of serving on after SIGTERM, so that nobody connects to a closed port before the change of
    /// endpoints has reached every proxy (what a preStop sleep does for other programs).
    #[arg(long, env = "SHOP_LINGER_MS", default_value_t = 500)]
    pub linger_ms: u64,
}

/// What a role runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) role: Role,
    pub(crate) listen: SocketAddr,
    pub(crate) work: Work,
    pub(crate) concurrency: Concurrency,
    pub(crate) max_in_flight: usize,
    pub(crate) call_timeout: Duration,
    pub(crate) ad_timeout: Duration,
    pub(crate) linger: Duration,
    pub(crate) addresses: BTreeMap<Role, Authority>,
}

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A role that this one calls has no address.
    #[error("{role} calls {callee}: set {variable} to its host:port")]
    NoAddress {
        /// The role to play.
        role: Role,
        /// Whom it calls.
        callee: Role,
        /// Where the address belongs.
        variable: &'static str,
    },
    /// An address is not `host:port`.
    #[error("{variable} is {value:?}: expected host:port, such as 10.0.0.7:8080")]
    BadAddress {
        /// The environment variable.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// A factor that is negative, infinite or no number.
    #[error("the work scale is {0}: expected a number from 0 to 1000")]
    BadScale(f64),
    /// A count of threads or requests that is zero.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
}

impl Settings {
    /// Checks `arguments` and takes the callees' addresses from the environment.
    ///
    /// # Errors
    /// Names the setting that is missing or wrong.
    pub fn from_environment(arguments: Arguments) -> Result<Self, SettingsError> {
        Self::with_lookup(arguments, |variable| std::env::var(variable).ok())
    }

    /// As [`Settings::from_environment`], with the callees' addresses from elsewhere.
    ///
    /// # Errors
    /// As there.
    pub fn with_lookup(
        arguments: Arguments,
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let role = arguments.role;
        let scale = arguments.work_scale;
        if !(0.0..=1000.0).contains(&scale) {
            return Err(SettingsError::BadScale(scale));
        }
        if arguments.max_in_flight == 0 {
            return Err(SettingsError::Zero("SHOP_MAX_IN_FLIGHT"));
        }
        let own = role.work();
        let work = Work {
            cpu: arguments.cpu_us.map_or(own.cpu, Duration::from_micros),
            fresh_bytes: arguments.fresh_kib.map_or(own.fresh_bytes, |kib| kib << 10),
            response_bytes: arguments.response_bytes.unwrap_or(own.response_bytes),
        };
        let concurrency = match (role.concurrency(), arguments.workers) {
            (_, Some(0)) => return Err(SettingsError::Zero("SHOP_WORKERS")),
            (Concurrency::Threads(_), Some(workers)) => Concurrency::Threads(workers),
            (Concurrency::Interpreter(_), Some(workers)) => Concurrency::Interpreter(workers),
            (own, _) => own,
        };
        Ok(Self {
            role,
            listen: SocketAddr::new(arguments.address, arguments.port.unwrap_or(role.port())),
            work: work.scaled(scale),
            concurrency,
            max_in_flight: arguments.max_in_flight,
            call_timeout: Duration::from_millis(arguments.call_timeout_ms),
            ad_timeout: Duration::from_millis(arguments.ad_timeout_ms),
            linger: Duration::from_millis(arguments.linger_ms),
            addresses: addresses(role, lookup)?,
        })
    }

    /// The threads of the role: one for I/O, and its workers as tokio's blocking threads.
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub fn runtime(&self) -> std::io::Result<tokio::runtime::Runtime> {
        let (mut builder, workers) = match self.concurrency {
            Concurrency::EventLoop => (tokio::runtime::Builder::new_current_thread(), 1),
            Concurrency::Threads(workers) | Concurrency::Interpreter(workers) => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(1);
                (builder, workers)
            }
        };
        builder
            .max_blocking_threads(workers)
            // A service's pool keeps its threads; tokio's default lets them go after 10 s without work.
            .thread_keep_alive(Duration::from_secs(3600))
            .thread_name(self.role.name())
            .enable_all()
            .build()
    }
}

fn addresses(
    role: Role,
    lookup: impl Fn(&'static str) -> Option<String>,
) -> Result<BTreeMap<Role, Authority>, SettingsError> {
    role.callees()
        .iter()
        .map(|&callee| {
            let variable = callee.address_variable();
            let value = lookup(variable).ok_or(SettingsError::NoAddress {
                role,
                callee,
                variable,
            })?;
            match value.parse::<Authority>() {
                Ok(address) if address.port_u16().is_some() => Ok((callee, address)),
                _ => Err(SettingsError::BadAddress { variable, value }),
            }
        })
        .collect()
}

/// The roles with their defaults, for `--help`.
fn role_table() -> String {
    let mut table = format!(
        "Roles and the work of one request:\n  {:<22}{:>6}{:>9}{:>10}{:>10}  calls\n",
        "role", "port", "CPU us", "fresh KiB", "answer B"
    );
    for role in Role::ALL {
        let work = role.work();
        let callees: Vec<_> = role
            .callees()
            .iter()
            .map(|role| role.address_variable())
            .collect();
        table += &format!(
            "  {:<22}{:>6}{:>9}{:>10}{:>10}  {}\n",
            role.name(),
            role.port(),
            work.cpu.as_micros(),
            work.fresh_bytes >> 10,
            work.response_bytes,
            callees.join(" "),
        );
    }
    table + "Each variable under `calls` must hold the host:port of that service."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::try_parse_from(line.split(' ')).expect("a valid line")
    }

    #[test]
    fn overrides_replace_and_then_scale_the_work_of_the_role() {
        let line = "demo-shop adservice --cpu-us 2000 --fresh-kib 8 --work-scale 0.5 --workers 3";
        let settings = Settings::with_lookup(arguments(line), |_| None).expect("valid");
        assert_eq!(settings.work.cpu, Duration::from_millis(1));
        assert_eq!(settings.work.fresh_bytes, 4096);
        assert_eq!(settings.work.response_bytes, Role::Ad.work().response_bytes);
        assert_eq!(settings.concurrency, Concurrency::Threads(3));
    }

    #[test]
    fn a_missing_address_is_named() {
        let error = Settings::with_lookup(arguments("demo-shop cartservice"), |_| None)
            .expect_err("no address");
        assert_eq!(
            error.to_string(),
            "cartservice calls redis-cart: set REDIS_ADDR to its host:port"
        );
    }

    #[test]
    fn an_address_needs_a_port() {
        for value in ["redis", "", "redis:many", "a b:1"] {
            let error = Settings::with_lookup(arguments("demo-shop cartservice"), |_| {
                Some(value.to_owned())
            })
            .expect_err("no port");
            assert!(
                matches!(error, SettingsError::BadAddress { .. }),
                "{value:?}: {error}"
            );
        }
    }

    #[test]
    fn an_unknown_role_lists_the_roles() {
        let error = Arguments::try_parse_from(["demo-shop", "mailservice"]).expect_err("unknown");
        for role in Role::ALL {
            assert!(error.to_string().contains(role.name()), "{error}");
        }
    }

    #[test]
    fn senseless_numbers_are_refused() {
        for line in [
            "demo-shop adservice --work-scale=-1",
            "demo-shop adservice --work-scale=NaN",
            "demo-shop adservice --workers=0",
            "demo-shop adservice --max-in-flight=0",
        ] {
            assert!(
                Settings::with_lookup(arguments(line), |_| None).is_err(),
                "{line}"
            );
        }
    }
}
