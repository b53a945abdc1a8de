//! Under which names the listener may be asked for.
//!
//! Law: a page of another site can make a browser ask an address of its choice, but only under a name of its own (DNS
//! rebinding). So a name that nobody allowed is refused before anything else. An IP address is no name that anybody could
//! point elsewhere.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};

/// The names and addresses that are answered.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    listen: IpAddr,
    names: Vec<String>,
    loopback_only: bool,
}

impl Hosts {
    /// Loopback names, the address that is listened on (any address where that is all of them), and these names.
    pub(crate) fn new(listen: SocketAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| normal(name)).collect();
        Self { listen: listen.ip(), names, loopback_only: false }
    }

    /// Loopback names alone.
    pub(crate) fn loopback(listen: SocketAddr) -> Self {
        Self { listen: listen.ip(), names: Vec::new(), loopback_only: true }
    }

    /// Whether a request under this host is answered. The port is not looked at.
    pub(crate) fn allow(&self, host: &str) -> bool {
        let name = normal(without_port(host));
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_loopback = name == "localhost" || address.is_some_and(|address| address.is_loopback());
        if is_loopback || self.loopback_only {
            return is_loopback;
        }
        self.names.contains(&name)
            || address.is_some_and(|address| self.listen.is_unspecified() || address == self.listen)
    }
}

/// The host that a request names, with its port; none if it names none, or more than one.
pub(crate) fn named<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut given = headers.get_all(header::HOST).iter();
    let host = given.next().and_then(|host| host.to_str().ok());
    if given.next().is_some() {
        return None;
    }
    uri.authority().map(axum::http::uri::Authority::as_str).or(host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => {
            // `::1` without brackets has colons of its own.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, names: &[&str]) -> Hosts {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(listen.parse().unwrap(), &names)
    }

    #[test]
    fn loopback_names_are_always_allowed_and_foreign_ones_never() {
        let hosts = hosts("127.0.0.1:8080", &[]);
        for host in
            ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "::1"]
        {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "",
            "192.0.2.1",
            "127.0.0.1@evil",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn a_name_that_was_allowed_is_answered_whatever_its_port_and_case() {
        let hosts = hosts("192.0.2.7:80", &["Remat.Example.org"]);
        assert!(hosts.allow("remat.example.org:8443") && hosts.allow("192.0.2.7"));
        assert!(!hosts.allow("192.0.2.8") && !hosts.allow("other.example.org"));
    }

    #[test]
    fn who_listens_everywhere_is_asked_by_any_address_but_not_by_any_name() {
        let hosts = hosts("0.0.0.0:80", &[]);
        assert!(hosts.allow("10.0.0.3:80") && hosts.allow("[2001:db8::1]:80"));
        assert!(!hosts.allow("intranet"));
    }

    #[test]
    fn without_login_nothing_but_loopback_is_answered() {
        let hosts = Hosts::loopback("127.0.0.1:80".parse().unwrap());
        assert!(
            hosts.allow("localhost:80") && !hosts.allow("192.0.2.1") && !hosts.allow("remat.example.org")
        );
    }
}
