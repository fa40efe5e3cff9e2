//! The addresses of a scope: the lowest that is free is given out, at once again when it is given back.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::fake_vic::containers::Address;

/// A network of IPv4 with the addresses that are taken in it.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    first: u32,
    prefix_length: u8,
    gateway: u32,
    taken: BTreeSet<u32>,
}

impl Pool {
    /// Reads `172.16.0.0/16`. Without a gateway it is the first address.
    pub(super) fn parse(subnet: &str, gateway: &str) -> Option<Self> {
        let (base, length) = subnet.split_once('/')?;
        let prefix_length = length.parse().ok().filter(|length| (1..=30).contains(length))?;
        let first = u32::from(base.parse::<Ipv4Addr>().ok()?) & mask(prefix_length);
        let gateway = gateway.split('/').next().filter(|gateway| !gateway.is_empty());
        let gateway = gateway.map_or(Some(first + 1), |text| text.parse::<Ipv4Addr>().ok().map(u32::from))?;
        (gateway & mask(prefix_length) == first).then(|| Self {
            first,
            prefix_length,
            gateway,
            taken: BTreeSet::from([first, gateway, first | !mask(prefix_length)]),
        })
    }

    /// Takes the address that is wanted, or the lowest that is free.
    pub(super) fn take(&mut self, wanted: &str) -> Result<Address, String> {
        let free = |pool: &Self, address: u32| !pool.taken.contains(&address);
        let address = match wanted.split('/').next().filter(|wanted| !wanted.is_empty()) {
            None => (self.first..=self.first | !mask(self.prefix_length))
                .find(|address| free(self, *address))
                .ok_or_else(|| "no available addresses".to_owned())?,
            Some(wanted) => wanted
                .parse::<Ipv4Addr>()
                .ok()
                .map(u32::from)
                .filter(|address| address & mask(self.prefix_length) == self.first && free(self, *address))
                .ok_or_else(|| format!("address {wanted} is not available"))?,
        };
        self.taken.insert(address);
        Ok(self.address(address))
    }

    pub(super) fn give_back(&mut self, address: Address) {
        self.taken.remove(&u32::from(address.ip));
    }

    pub(super) fn subnet(&self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.first), self.prefix_length)
    }

    pub(super) fn gateway(&self) -> Ipv4Addr {
        self.gateway.into()
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let shorter = mask(self.prefix_length.min(other.prefix_length));
        self.first & shorter == other.first & shorter
    }

    fn address(&self, ip: u32) -> Address {
        Address { ip: ip.into(), gateway: self.gateway.into(), prefix_length: self.prefix_length }
    }
}

fn mask(prefix_length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_address_is_next() {
        let mut pool = Pool::parse("172.16.0.0/16", "").unwrap();
        let [first, second] = [pool.take("").unwrap(), pool.take("").unwrap()];
        assert_eq!((first.ip.to_string(), second.ip.to_string()), ("172.16.0.2".into(), "172.16.0.3".into()));
        assert_eq!((first.gateway.to_string(), first.prefix_length), ("172.16.0.1".into(), 16));
        pool.give_back(first);
        assert_eq!(pool.take("").unwrap(), first);
        assert!(pool.take("172.16.0.3").unwrap_err().contains("not available"));
        assert!(pool.take("10.0.0.1").is_err());
        assert_eq!(pool.take("172.16.9.9").unwrap().ip.to_string(), "172.16.9.9");
    }

    #[test]
    fn a_pool_ends() {
        let mut pool = Pool::parse("10.0.0.0/30", "10.0.0.2").unwrap();
        assert_eq!(pool.take("").unwrap().ip.to_string(), "10.0.0.1");
        assert_eq!(pool.take("").unwrap_err(), "no available addresses");
        for nonsense in ["10.0.0.0", "10.0.0.0/33", "x/16", "10.0.0.0/31"] {
            assert!(Pool::parse(nonsense, "").is_none(), "{nonsense}");
        }
        assert!(Pool::parse("10.0.0.0/24", "10.0.1.1").is_none());
    }

    #[test]
    fn networks_overlap() {
        let pool = |subnet: &str| Pool::parse(subnet, "").unwrap();
        assert!(pool("172.16.0.0/12").overlaps(&pool("172.17.0.0/16")));
        assert!(!pool("172.16.0.0/16").overlaps(&pool("172.17.0.0/16")));
    }
}
