//! Networks: what one customer of a provider usually has at least, so that a stranger's further addresses count as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The /24 of an IPv4 address, or the /56 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::link) struct Network(IpAddr);

impl Network {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [first, second, third, _] = address.octets();
                Self(Ipv4Addr::new(first, second, third, 0).into())
            }
            IpAddr::V6(address) => {
                let mut octets = address.octets();
                octets[7..].fill(0);
                Self(Ipv6Addr::from(octets).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_network() {
        let network = |address: &str| Network::of(address.parse().unwrap());
        assert_eq!(network("192.0.2.1"), network("192.0.2.254"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.9"));
        assert_ne!(network("192.0.2.1"), network("192.0.3.1"));
        assert_eq!(network("2001:db8:0:1200::1"), network("2001:db8:0:12ff::9"));
        assert_ne!(network("2001:db8:0:1200::1"), network("2001:db8:0:1300::1"));
    }
}
