//! Which addresses are out in the open.
//!
//! Law: an address is public when nothing says otherwise: no machine, network, cloud or translator of addresses that
//! belongs to us can be reached by it. One that carries another address within it is judged by that one, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// What the registry of special addresses keeps from the public ones, with the lengths of its prefixes.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // with the address at which clouds tell secrets
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // multicast, and what is reserved, with the broadcast
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    let within = |(prefix, length): &([u8; 4], u32)| {
        let mask = u32::MAX << (32 - length);
        bits & mask == u32::from(Ipv4Addr::from(*prefix)) & mask
    };
    !SPECIAL_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, ..] = address.segments();
    let embedded = |at: usize| {
        let octets = address.octets();
        Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3])
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match (a, b) {
        // Global unicast is 2000::/3; loopback, unique local, link local, multicast and NAT64 are outside of it. Within:
        // Teredo and the other protocols of 2001::/23, documentation.
        (0x2001, 0..=0x1ff | 0xdb8) => false,
        (0x3fff, _) => b >= 0x1000,
        // 6to4 carries an address of version 4.
        (0x2002, _) => is_public_v4(embedded(2)),
        // Direct delegation AS112 and what is not given out.
        (0x2620, 0x4f) => c != 0x8000,
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_the_open_network_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
        ] {
            assert!(public(text), "{text}");
        }
        for text in
            ["2606:4700::1111", "2a00:1450:4001::1", "2002:808:808::1", "::ffff:8.8.8.8", "3fff:1000::1"]
        {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn machines_networks_and_clouds_of_ours_are_not() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
        ] {
            assert!(!public(text), "{text}");
        }
        for text in [
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2001:0:1::1",
            "2001:db8::1",
            "3fff:1::1",
            "100::1",
            "fec0::1",
            "5f00::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }
}
