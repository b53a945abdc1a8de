//! A job back end of one's own: wake-ups over UDP.
//!
//! UDP loses, doubles and reorders datagrams, and remembers nothing. That is enough: the run is a row in the database,
//! a hint only says that it is time to look, and a worker looks from time to time anyway. Any transport that an
//! application has already will do as well.

use std::net::SocketAddr;

use futures_util::future::{BoxFuture, FutureExt as _};
use remat::{
    backend::{Ear, Heard, Hint, JobBackend},
    error::{Error, ErrorKind},
};
use tokio::net::UdpSocket;

/// Sends hints to one worker, or is the end at which that worker hears them.
pub struct UdpBackend {
    socket: UdpSocket,
    worker: SocketAddr,
}

impl UdpBackend {
    /// The worker's end; whoever enqueues sends to [`Self::address`].
    pub async fn of_worker() -> Result<Self, Error> {
        let socket = bind().await?;
        let worker = socket.local_addr().map_err(|error| broken(&error))?;
        Ok(Self { socket, worker })
    }

    /// The end of whoever enqueues.
    pub async fn to(worker: SocketAddr) -> Result<Self, Error> {
        Ok(Self { socket: bind().await?, worker })
    }

    /// Where the worker hears.
    pub fn address(&self) -> SocketAddr {
        self.worker
    }

    async fn receive(&self, ear: &Ear) -> Result<(), Error> {
        let mut datagram = [0; 1024];
        ear.is_reached();
        // False when the worker stops.
        while ear.ready().await {
            let length = tokio::select! {
                () = ear.closed() => return Ok(()),
                received = self.socket.recv(&mut datagram) => received.map_err(|error| broken(&error))?,
            };
            // Whoever sends something else is none of ours.
            if let Ok(hint) = serde_json::from_slice::<Hint>(&datagram[..length]) {
                ear.hear(Heard::Hint(hint)).await?;
            }
        }
        Ok(())
    }
}

impl JobBackend for UdpBackend {
    fn kind(&self) -> &'static str {
        "udp"
    }

    fn announce<'a>(&'a self, hints: &'a [Hint]) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            for hint in hints {
                let datagram = serde_json::to_vec(hint).map_err(|error| broken(&error))?;
                self.socket.send_to(&datagram, self.worker).await.map_err(|error| broken(&error))?;
            }
            Ok(())
        }
        .boxed()
    }

    fn listen<'a>(&'a self, _queues: &'a [String], ear: &'a Ear) -> BoxFuture<'a, Result<(), Error>> {
        self.receive(ear).boxed()
    }
}

async fn bind() -> Result<UdpSocket, Error> {
    UdpSocket::bind("127.0.0.1:0").await.map_err(|error| broken(&error))
}

fn broken(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Connection, "the socket cannot be used").with_detail(format!("{error}."))
}
