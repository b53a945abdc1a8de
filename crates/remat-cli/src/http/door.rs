//! Whom the listener answers: what was typed, and what is meant.
//!
//! Law: closed by default. Who wants a listener without login gets one for this machine alone, and a listener that others
//! reach is refused at the start, not at the first request.

use std::net::SocketAddr;

use clap::Args;
use remat::{
    error::{Error, ErrorKind},
    project::ServeSettings,
};

use super::{attempts::Attempts, host::Hosts, room::Room};

/// Who is let in, as it is typed.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DoorOptions {
    /// Let everybody on this machine in as admin, without a token. Refused unless the address is a loopback one.
    #[arg(long, conflicts_with_all = ["no_web", "allow_host", "behind_proxy"])]
    no_auth: bool,
    /// A name under which others ask for this listener, such as remat.example.org; repeat it for more.
    #[arg(long, value_name = "NAME", conflicts_with = "no_web")]
    allow_host: Vec<String>,
    /// The path under which a proxy shows the pages, such as /remat.
    #[arg(long, value_name = "PATH", value_parser = base_path, conflicts_with = "no_web")]
    base_path: Option<String>,
    /// Believe X-Forwarded-For and X-Forwarded-Proto: only where every request comes through a proxy that sets them.
    #[arg(long, conflicts_with = "no_web")]
    behind_proxy: bool,
}

/// Whom the listener answers.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) hosts: Hosts,
    /// Whether everybody on this machine is let in.
    pub(crate) no_auth: bool,
    /// Whether a proxy's word counts for where a request comes from.
    pub(crate) behind_proxy: bool,
    pub(crate) attempts: Attempts,
    /// How many are inside at once.
    pub(crate) room: Room,
}

impl DoorOptions {
    /// The path under which all is shown: that of the flag, else of `remat.toml`.
    pub(crate) fn base(&self, written: &ServeSettings) -> String {
        self.base_path.clone().unwrap_or_else(|| written.base_path.clone())
    }

    /// The door of a listener at this address.
    pub(crate) fn resolve(&self, listen: SocketAddr, written: &ServeSettings) -> Result<Door, Error> {
        if self.no_auth && !listen.ip().is_loopback() {
            return Err(Error::new(ErrorKind::InvalidSettings, "--no-auth is for a loopback address alone")
                .with_detail(format!("Other machines could reach {listen} and do everything."))
                .with_hint("Listen on 127.0.0.1, or give tokens with `remat token create`."));
        }
        let names: Vec<String> = self.allow_host.iter().chain(&written.allow_hosts).cloned().collect();
        let hosts = if self.no_auth { Hosts::loopback(listen) } else { Hosts::new(listen, &names) };
        let behind_proxy = !self.no_auth && (self.behind_proxy || written.behind_proxy);
        Ok(Door {
            hosts,
            no_auth: self.no_auth,
            behind_proxy,
            attempts: Attempts::default(),
            room: Room::default(),
        })
    }
}

/// A base path as it is typed: with a slash before and none behind, or nothing.
fn base_path(typed: &str) -> Result<String, String> {
    remat::project::base_path(typed).map_err(|error| error.complaint().primary.clone())
}
