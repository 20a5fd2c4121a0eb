//! Pod addresses: one loopback address per pod, out of a bounded range, reused as late as possible.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// A range of IPv4 addresses in CIDR notation, such as `127.10.0.0/16`.
///
/// Linux routes all of 127.0.0.0/8 to the loopback device without set-up; for other ranges a node
/// adds a route. Kubernetes takes no loopback addresses for endpoints, the local cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: u32,
    prefix: u8,
}

/// Why a range was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    /// Not `A.B.C.D/N`.
    #[error("{0:?} is not an IPv4 range; expected e.g. 127.10.0.0/16")]
    Syntax(String),
    /// A range with fewer than two usable addresses, or a network with host bits set.
    #[error("{0:?} has host bits set or is smaller than a /30; expected e.g. 127.10.0.0/16")]
    Shape(String),
    /// Addresses that can belong to neither pods nor services.
    #[error(
        "{0:?} holds addresses of no single host; expected a private range, e.g. 10.127.0.0/24"
    )]
    Special(String),
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let syntax = || InvalidCidr::Syntax(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(syntax)?;
        let address: Ipv4Addr = address.parse().map_err(|_| syntax())?;
        let prefix: u8 = prefix.parse().map_err(|_| syntax())?;
        let network = u32::from(address);
        if !(8..=30).contains(&prefix) || network & (u32::MAX >> prefix) != 0 {
            return Err(InvalidCidr::Shape(text.to_owned()));
        }
        // Below 8 bits of prefix there is nothing, so the first address speaks for all but the
        // link-local ones.
        let link_local = network >> 16 == u32::from(Ipv4Addr::new(169, 254, 0, 0)) >> 16;
        if address.octets()[0] == 0 || address.octets()[0] >= 224 || link_local {
            return Err(InvalidCidr::Special(text.to_owned()));
        }
        Ok(Self { network, prefix })
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.network), self.prefix)
    }
}

impl Cidr {
    /// Where a node's pods live if nothing else is said: `127.10.0.0/16`.
    pub const PODS: Self = Self {
        network: u32::from_be_bytes([127, 10, 0, 0]),
        prefix: 16,
    };

    /// Whether an address is in the range.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == self.network
    }

    /// Whether two ranges have an address in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let mask = self.mask() & other.mask();
        self.network & mask == other.network & mask
    }

    /// Whether the kernel routes the range to the loopback device by itself.
    pub(crate) fn is_loopback(self) -> bool {
        Ipv4Addr::from(self.network).is_loopback()
    }

    /// A range as the kernel lists it, which may be as narrow as one address.
    pub(crate) fn of_route(network: u32, mask: u32) -> Self {
        let prefix = u8::try_from(mask.leading_ones()).unwrap_or(32);
        Self { network, prefix }
    }

    fn mask(self) -> u32 {
        u32::MAX
            .checked_shl(32 - u32::from(self.prefix))
            .unwrap_or(0)
    }

    /// Addresses that pods can get: all but the first (network) and the last (broadcast).
    fn usable(self) -> u32 {
        (1 << (32 - self.prefix)) - 2
    }
}

/// Every address of the range is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no free pod address in {0}: all are in use; use a larger range or fewer pods")]
pub(crate) struct Exhausted(Cidr);

/// Hands out addresses round-robin, so that a freed address comes back as late as possible and a
/// client that still knows the old pod does not reach a new one.
#[derive(Debug)]
pub(crate) struct Allocator {
    cidr: Cidr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Offset, from the first usable address, of the next candidate.
    next: u32,
    /// Offsets in use; bounded by the size of the range.
    used: BTreeSet<u32>,
}

impl Allocator {
    /// An allocator over the whole range, nothing taken.
    pub(crate) fn new(cidr: Cidr) -> Self {
        Self {
            cidr,
            state: Mutex::default(),
        }
    }

    /// The next free address, or an error when all are taken.
    pub(crate) fn allocate(&self) -> Result<Ipv4Addr, Exhausted> {
        let mut state = self.lock();
        let usable = self.cidr.usable();
        let offset = (0..usable)
            .map(|step| (state.next + step) % usable)
            .find(|offset| !state.used.contains(offset))
            .ok_or(Exhausted(self.cidr))?;
        state.used.insert(offset);
        state.next = (offset + 1) % usable;
        Ok(Ipv4Addr::from(self.cidr.network + 1 + offset))
    }

    /// Gives an address back. One that was not handed out is ignored.
    pub(crate) fn release(&self, address: Ipv4Addr) {
        if let Some(offset) = u32::from(address).checked_sub(self.cidr.network + 1) {
            self.lock().used.remove(&offset);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is valid after every statement, so a panicking holder leaves nothing broken.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_freed_address_is_reused_last() {
        let pool = Allocator::new("127.10.0.0/29".parse().unwrap());
        let first = pool.allocate().unwrap();
        assert_eq!(first, Ipv4Addr::new(127, 10, 0, 1));
        pool.release(first);
        let others: Vec<_> = (0..5).map(|_| pool.allocate().unwrap()).collect();
        assert!(!others.contains(&first));
        assert_eq!(pool.allocate(), Ok(first));
        assert!(pool.allocate().is_err(), "six usable addresses in a /29");
    }

    #[test]
    fn refuses_ranges_that_cannot_work() {
        for text in [
            "127.10.0.0",
            "127.10.0.0/33",
            "127.10.0.1/16",
            "127.10.0.0/31",
            "224.0.0.0/8",
            "169.254.16.0/24",
            "0.0.0.0/8",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        assert_eq!("127.10.0.0/16".parse::<Cidr>().unwrap(), Cidr::PODS);
        assert!(!"10.127.0.0/24".parse::<Cidr>().unwrap().is_loopback());
    }

    #[test]
    fn ranges_know_what_is_in_them() {
        let range = |text: &str| text.parse::<Cidr>().unwrap();
        let pods = range("10.127.0.0/24");
        assert!(pods.contains(Ipv4Addr::new(10, 127, 0, 255)));
        assert!(!pods.contains(Ipv4Addr::new(10, 127, 1, 0)));
        assert!(pods.overlaps(range("10.0.0.0/8")) && range("10.0.0.0/8").overlaps(pods));
        assert!(!pods.overlaps(range("10.127.1.0/24")));
        let host = Cidr::of_route(u32::from_be_bytes([10, 127, 0, 9]), u32::MAX);
        assert!(host.overlaps(pods) && !host.overlaps(range("10.128.0.0/24")));
    }

    proptest! {
        #[test]
        fn never_hands_out_an_address_twice(steps in proptest::collection::vec(any::<Option<u8>>(), 0..200)) {
            let pool = Allocator::new("127.10.0.0/27".parse().unwrap());
            let mut held = Vec::new();
            for step in steps {
                match step {
                    Some(index) if !held.is_empty() => {
                        let address = held.swap_remove(usize::from(index) % held.len());
                        pool.release(address);
                    }
                    _ => match pool.allocate() {
                        Ok(address) => {
                            prop_assert!(!held.contains(&address));
                            held.push(address);
                        }
                        Err(_) => prop_assert_eq!(held.len(), 30),
                    },
                }
            }
        }
    }
}
