//! The roles and the facts about each: names, ports, callees, resources, work.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use crate::work::Work;

/// A service of the shop. Its name is that of its Deployment and of its Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// Pages; the only role that users reach.
    #[value(name = "frontend")]
    Frontend,
    /// Which products fit these; the bottleneck under load.
    #[value(name = "recommendationservice")]
    Recommendation,
    /// The nine products.
    #[value(name = "productcatalogservice")]
    ProductCatalog,
    /// Conversion between currencies.
    #[value(name = "currencyservice")]
    Currency,
    /// Carts, kept in `redis-cart`.
    #[value(name = "cartservice")]
    Cart,
    /// The key-value store of carts.
    #[value(name = "redis-cart")]
    RedisCart,
    /// Orders; calls six services.
    #[value(name = "checkoutservice")]
    Checkout,
    /// Quotes and shipments.
    #[value(name = "shippingservice")]
    Shipping,
    /// Charges.
    #[value(name = "paymentservice")]
    Payment,
    /// Confirmations.
    #[value(name = "emailservice")]
    Email,
    /// Advertisements; a page does without them when they are late.
    #[value(name = "adservice")]
    Ad,
}

/// How a role's request work shares its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// That many worker threads run work in parallel (Go, C#, Java).
    Threads(usize),
    /// That many worker threads, of which one at a time holds the interpreter (Python).
    Interpreter(usize),
    /// All work runs on the one thread that also does the I/O (Node.js).
    EventLoop,
}

/// Requests and limits of a role's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Requested CPU, in thousandths of a core.
    pub cpu_request_millicores: u32,
    /// CPU limit, in thousandths of a core.
    pub cpu_limit_millicores: u32,
    /// Requested memory, in MiB.
    pub memory_request_mib: u32,
    /// Memory limit, in MiB.
    pub memory_limit_mib: u32,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 11] = [
        Self::Frontend,
        Self::Recommendation,
        Self::ProductCatalog,
        Self::Currency,
        Self::Cart,
        Self::RedisCart,
        Self::Checkout,
        Self::Shipping,
        Self::Payment,
        Self::Email,
        Self::Ad,
    ];

    /// Name of the Deployment, of the Service, and the command-line argument.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Recommendation => "recommendationservice",
            Self::ProductCatalog => "productcatalogservice",
            Self::Currency => "currencyservice",
            Self::Cart => "cartservice",
            Self::RedisCart => "redis-cart",
            Self::Checkout => "checkoutservice",
            Self::Shipping => "shippingservice",
            Self::Payment => "paymentservice",
            Self::Email => "emailservice",
            Self::Ad => "adservice",
        }
    }

    /// Name of the container in the pod.
    #[must_use]
    pub const fn container(self) -> &'static str {
        match self {
            Self::RedisCart => "redis",
            _ => "server",
        }
    }

    /// Port that the container listens on unless `PORT` says otherwise.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Frontend | Self::Recommendation | Self::Email => 8080,
            Self::ProductCatalog => 3550,
            Self::Currency => 7000,
            Self::Cart => 7070,
            Self::RedisCart => 6379,
            Self::Checkout => 5050,
            Self::Shipping | Self::Payment => 50051,
            Self::Ad => 9555,
        }
    }

    /// Port of the role's Service.
    #[must_use]
    pub const fn service_port(self) -> u16 {
        match self {
            Self::Frontend => 80,
            Self::Email => 5000,
            other => other.port(),
        }
    }

    /// Environment variable in which callers find this role's `host:port`, as in Online Boutique.
    #[must_use]
    pub const fn address_variable(self) -> &'static str {
        match self {
            Self::Frontend => "FRONTEND_ADDR",
            Self::Recommendation => "RECOMMENDATION_SERVICE_ADDR",
            Self::ProductCatalog => "PRODUCT_CATALOG_SERVICE_ADDR",
            Self::Currency => "CURRENCY_SERVICE_ADDR",
            Self::Cart => "CART_SERVICE_ADDR",
            Self::RedisCart => "REDIS_ADDR",
            Self::Checkout => "CHECKOUT_SERVICE_ADDR",
            Self::Shipping => "SHIPPING_SERVICE_ADDR",
            Self::Payment => "PAYMENT_SERVICE_ADDR",
            Self::Email => "EMAIL_SERVICE_ADDR",
            Self::Ad => "AD_SERVICE_ADDR",
        }
    }

    /// The roles this one calls; the address of each must be in the environment.
    #[must_use]
    pub const fn callees(self) -> &'static [Self] {
        match self {
            Self::Frontend => &[
                Self::Currency,
                Self::ProductCatalog,
                Self::Cart,
                Self::Recommendation,
                Self::Shipping,
                Self::Checkout,
                Self::Ad,
            ],
            Self::Recommendation => &[Self::ProductCatalog],
            Self::Cart => &[Self::RedisCart],
            Self::Checkout => &[
                Self::Cart,
                Self::ProductCatalog,
                Self::Currency,
                Self::Shipping,
                Self::Payment,
                Self::Email,
            ],
            _ => &[],
        }
    }

    /// How the role's work shares its threads.
    #[must_use]
    pub const fn concurrency(self) -> Concurrency {
        match self {
            Self::Recommendation => Concurrency::Interpreter(10),
            Self::Currency => Concurrency::EventLoop,
            _ => Concurrency::Threads(4),
        }
    }

    /// Work of one request, before any override.
    ///
    /// Chosen so that under the demo's load step (about 70 page requests a second) one role alone, recommendation,
    /// needs more than one pod, while frontend and currency are busy, and the whole shop fits on two cores. A request
    /// is short beside the quota of a CPU period (20 ms at a limit of 200m), so that pods at rest are not throttled by
    /// requests that happen to come together.
    #[must_use]
    pub const fn work(self) -> Work {
        let (cpu_us, fresh_kib, response_bytes) = match self {
            Self::Frontend => (200, 64, 12_000),
            Self::Recommendation => (6_000, 320, 512),
            Self::ProductCatalog => (40, 32, 0),
            Self::Currency => (180, 32, 0),
            Self::Cart => (300, 64, 0),
            Self::RedisCart => (60, 16, 0),
            Self::Checkout => (1_000, 256, 1_024),
            Self::Shipping | Self::Payment => (300, 64, 256),
            Self::Email => (600, 128, 256),
            Self::Ad => (300, 128, 512),
        };
        Work {
            cpu: Duration::from_micros(cpu_us),
            fresh_bytes: fresh_kib * 1024,
            response_bytes,
        }
    }

    /// Requests and limits of the role's container, as in Online Boutique's manifests.
    #[must_use]
    pub const fn resources(self) -> Resources {
        let (cpu_request, cpu_limit, memory_request, memory_limit) = match self {
            Self::Recommendation => (100, 200, 220, 450),
            Self::Cart => (200, 300, 64, 128),
            Self::RedisCart => (70, 125, 200, 256),
            Self::Ad => (200, 300, 180, 300),
            _ => (100, 200, 64, 128),
        };
        Resources {
            cpu_request_millicores: cpu_request,
            cpu_limit_millicores: cpu_limit,
            memory_request_mib: memory_request,
            memory_limit_mib: memory_limit,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_of_a_role_is_its_name() {
        for role in Role::ALL {
            let value = role.to_possible_value().expect("no role is hidden");
            assert_eq!(value.get_name(), role.name());
        }
        assert_eq!(Role::ALL.len(), Role::value_variants().len());
    }

    #[test]
    fn no_role_calls_itself_by_way_of_others() {
        for role in Role::ALL {
            let mut reached = role.callees().to_vec();
            while let Some(callee) = reached.pop() {
                assert_ne!(callee, role);
                reached.extend(callee.callees());
            }
        }
    }

    #[test]
    fn limits_are_not_below_requests() {
        for role in Role::ALL {
            let resources = role.resources();
            assert!(
                resources.cpu_limit_millicores >= resources.cpu_request_millicores,
                "{role}"
            );
            assert!(
                resources.memory_limit_mib >= resources.memory_request_mib,
                "{role}"
            );
        }
    }
}
