//! The HTTP server: hyper, and what makes it fit to stand alone on an open network.
//!
//! Belongs here: which path means what, replies and their headers, the shelf from which requests are
//! answered, the embedded page, limits on what a client may cost. Does not: how a playlist is written, what
//! the status says, or anything that changes the appliance: requests only read, but for markers (`api`).

mod access;
mod api;
mod aside;
mod bind;
mod board;
mod body;
mod certificate;
mod clip;
mod connection;
mod conversation;
mod handler;
mod hold;
mod listeners;
mod live;
mod negotiate;
mod page;
mod parcel;
mod playlists;
mod rendition;
mod reply;
mod route;
mod server;
mod shown;
mod snapshot;
mod station;
mod stats;
mod text;
mod texts;
mod tls;

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

pub use access::{Access, Pass, Token};
pub use api::Writers;
pub use board::{Board, is_origin};
pub use certificate::{CertificateError, Identity};
pub use rendition::Rendition;
pub use route::{RESERVED, is_rendition_name, is_stream_name};
pub use server::{BindError, Server, Site};
pub use snapshot::{Photos, Snapshots};
pub use station::{Lineup, MultivariantRenderer, Station};
pub use stats::{Class, Kind, ServeStats};

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where it listens; port 0 takes any free one. `[::]` hears IPv4 too.
    pub listen: SocketAddr,
    /// HTTPS beside that.
    pub https: Option<Https>,
    /// Which web pages may read media and status: an origin such as `https://example.org`, or `*` for all.
    pub allowed_origin: String,
    /// Who may write by the API.
    pub writers: Writers,
    /// Connections open at the same time. Beyond it the longest idle one makes room, or a reader of events.
    pub max_connections: usize,
    /// How long a client may take.
    pub patience: Patience,
}

/// HTTP/1.1 and HTTP/2 over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Where it listens; port 0 takes any free one. `[::]` hears IPv4 too.
    pub listen: SocketAddr,
    /// What certificate it shows.
    pub identity: Identity,
}

/// How long a client may take before its connection is closed.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the end of one reply, or from connecting, to the end of the next request's header block: it
    /// bounds idle connections and headers sent drop by drop alike.
    pub request: Duration,
    /// Without taking a single byte of a reply.
    pub stall: Duration,
    /// To finish once the server has been told to stop.
    pub shutdown: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)),
            https: None,
            allowed_origin: "*".to_owned(),
            writers: Writers::default(),
            max_connections: 1000,
            patience: Patience::default(),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            shutdown: Duration::from_secs(2),
        }
    }
}

/// Whether the appliance does what it is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ok,
    /// It does not, and why.
    Degraded(String),
}

/// What the server tells about the appliance but does not know itself.
pub trait Report: Send + Sync {
    /// `/api/v1/status`, as JSON.
    fn status(&self) -> String;

    /// The recent levels of a stream, as JSON; `None` if it has none to show.
    fn levels(&self, stream: &str) -> Option<String>;

    /// `/metrics`, in OpenMetrics text.
    fn metrics(&self) -> String;

    /// `/healthz`.
    fn health(&self) -> Health;
}
