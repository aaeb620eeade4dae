//! Listening, accepting, limiting, stopping.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::connection::{Activity, Busy, Io};
use super::handler::Handler;
use super::station::Station;
use super::stats::ServeStats;
use super::{Patience, Report, ServeConfig};
use crate::base::{Backoff, Clock};
use crate::sys::clock::RealClock;

/// Largest header block of a request, and the size of a connection's buffers when filled.
const HEADER_BLOCK: usize = 16 * 1024;
/// Connections the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a client is silent before its connection rests.
const REST: Duration = Duration::from_secs(1);
/// Unsent bytes the kernel takes per connection before a write has to wait: without it a stalled client is
/// given megabytes, and minutes go by before anybody notices.
const UNSENT: u32 = 256 * 1024;
/// How long a connection must have been idle to be closed when the server stops.
const SETTLING: Duration = Duration::from_millis(50);
/// Clients told at one time that there is no room; any more are just closed.
const FAREWELLS: usize = 32;
const FAREWELL_TIME: Duration = Duration::from_secs(1);
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain\r\n\
    Content-Length: 28\r\nConnection: close\r\n\r\nno room for one more client\n";

/// What the server serves.
pub struct Site {
    /// The streams.
    pub stations: Vec<Arc<Station>>,
    /// What it tells about the appliance.
    pub report: Arc<dyn Report>,
    /// Where it counts.
    pub stats: Arc<ServeStats>,
}

/// Why the server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {remedy}")]
    Address {
        /// As configured.
        address: SocketAddr,
        /// What helps.
        remedy: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// The allowed origin is none.
    #[error(
        "allowed_origin {0:?} is not an origin; write scheme and host, such as https://example.org, or * for all"
    )]
    Origin(String),
}

/// A server that listens, and serves once it [runs](Server::run).
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    handler: Handler,
    max_connections: usize,
    patience: Patience,
}

impl Server {
    /// Begins to listen; clients that come now wait until the server runs. Needs no runtime.
    ///
    /// # Errors
    /// If the address is taken, forbidden or not this machine's, or the allowed origin is none.
    pub fn bind(config: &ServeConfig, site: Site) -> Result<Self, BindError> {
        let origin = parse_origin(&config.allowed_origin)?;
        let listener = listen(config.listen).map_err(|source| BindError::Address {
            address: config.listen,
            remedy: remedy(&source, config.listen),
            source,
        })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let Site { stations, report, stats } = site;
        let handler = Handler { stations, report, stats, origin };
        let (max_connections, patience) = (config.max_connections, config.patience);
        Ok(Self { listener, address, handler, max_connections, patience })
    }

    /// Where it listens, with the port the kernel chose if the configuration left that open.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends; then lets requests finish for a moment, and closes what is left.
    ///
    /// # Errors
    /// If the runtime cannot watch the listening socket.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.patience.request)
            .max_header_size(HEADER_BLOCK)
            .max_buf_size(HEADER_BLOCK);
        let shared = Arc::new(Shared { handler: self.handler, http, patience: self.patience });
        let mut floor = Floor {
            shared: shared.clone(),
            max: self.max_connections.max(1),
            open: HashMap::new(),
            tasks: JoinSet::new(),
            farewells: JoinSet::new(),
        };
        floor.serve(listener, stop).await;
        shared.close();
        // The time limit itself is the only outcome worth waiting for: what is still open then is dropped.
        let _ = tokio::time::timeout(self.patience.shutdown, floor.empty()).await;
        floor.tasks.shutdown().await;
        Ok(())
    }
}

/// What all connections have in common.
struct Shared {
    handler: Handler,
    http: http1::Builder,
    patience: Patience,
}

impl Shared {
    fn close(&self) {
        for station in &self.handler.stations {
            station.close();
        }
    }

    /// Answers the requests of one connection until it ends.
    async fn converse(self: Arc<Self>, tcp: TcpStream, client: IpAddr, activity: Arc<Activity>) {
        let stats = &self.handler.stats;
        let mut io = Io::new(tcp, activity.clone(), stats.clone(), self.patience.stall);
        loop {
            io = match self.attend(io, client, &activity).await {
                Ok(None) => return,
                Ok(Some(io)) => io,
                // Clients that go away are no news.
                Err(error) if error.is_timeout() => return stats.slow_requests.increment(),
                Err(error) if error.is_parse() => return stats.malformed.increment(),
                Err(_) => return,
            };
            stats.rests.increment();
            let since = activity.idle(RealClock.now()).unwrap_or_default();
            let left = self.patience.request.saturating_sub(since);
            match tokio::time::timeout(left, io.readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return stats.slow_requests.increment(),
            }
        }
    }

    /// Answers requests until the connection ends, or gives it back when its client has been silent for a
    /// while: hyper keeps buffers of 16 KiB for each, and most listeners are silent most of the time.
    async fn attend(&self, io: Io, client: IpAddr, activity: &Arc<Activity>) -> hyper::Result<Option<Io>> {
        let service = service_fn(|request: Request<_>| {
            let busy = Busy::new(activity, RealClock.now());
            self.handler.answer(client, request, busy)
        });
        let mut connection = Box::new(self.http.serve_connection(TokioIo::new(io), service));
        loop {
            tokio::select! {
                ended = &mut *connection => return ended.map(|()| None),
                () = tokio::time::sleep(REST) => {}
            }
            if activity.silent(RealClock.now()).is_some_and(|since| since >= REST) {
                // Not a byte has come since the last request, so that nothing is read and not yet served.
                return Ok(Some(connection.into_parts().io.into_inner()));
            }
        }
    }
}

/// The connections that are open.
struct Floor {
    shared: Arc<Shared>,
    max: usize,
    open: HashMap<Id, (Arc<Activity>, AbortHandle)>,
    tasks: JoinSet<()>,
    farewells: JoinSet<()>,
}

impl Floor {
    async fn serve(&mut self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => return,
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.forget(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address)) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("connections are accepted again");
                        backoff.reset();
                    }
                    self.admit(tcp, address);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: an idle connection gives one back.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "cannot accept connections; raise the limit of open files (ulimit -n)");
                    }
                    self.displace();
                    tokio::select! {
                        () = &mut stop => return,
                        () = tokio::time::sleep(backoff.wait()) => {}
                    }
                }
            }
        }
    }

    fn admit(&mut self, tcp: TcpStream, address: SocketAddr) {
        if self.open.len() >= self.max && !self.displace() {
            self.turn_away(tcp);
            return;
        }
        prepare(&tcp, self.shared.patience.stall);
        let stats = &self.shared.handler.stats;
        stats.opened.increment();
        let activity = Arc::new(Activity::new(RealClock.now()));
        // An IPv4 client on a dual-stack socket is the same client as on an IPv4 one.
        let client = address.ip().to_canonical();
        let conversation = self.shared.clone().converse(tcp, client, activity.clone());
        let task = self.tasks.spawn(conversation);
        self.open.insert(task.id(), (activity, task));
    }

    /// Closes the connection that has been idle for longest: its client only has to connect again. Says whether
    /// there was one.
    fn displace(&mut self) -> bool {
        let now = RealClock.now();
        let idle = self.open.iter().filter_map(|(id, (activity, _))| Some((activity.idle(now)?, *id)));
        let longest = idle.max_by_key(|(since, _)| *since);
        let Some((_, task)) = longest.and_then(|(_, id)| self.open.remove(&id)) else { return false };
        task.abort();
        self.shared.handler.stats.displaced.increment();
        true
    }

    fn turn_away(&mut self, tcp: TcpStream) {
        self.shared.handler.stats.refused.increment();
        while self.farewells.try_join_next().is_some() {}
        if self.farewells.len() < FAREWELLS {
            self.farewells.spawn(async {
                // Whether the client hears it or not, the connection ends here.
                let _ = tokio::time::timeout(FAREWELL_TIME, farewell(tcp)).await;
            });
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a connection failed; please report this");
                }
                error.id()
            }
        };
        self.open.remove(&id);
        self.shared.handler.stats.closed.increment();
    }

    /// Closes what is idle, and the rest as it becomes so.
    async fn empty(&mut self) {
        while !self.tasks.is_empty() {
            let now = RealClock.now();
            for (activity, task) in self.open.values() {
                if activity.idle(now).is_some_and(|since| since > SETTLING) {
                    task.abort();
                }
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.forget(ended),
                () = tokio::time::sleep(SETTLING) => {}
            }
        }
    }
}

/// Says that there is no room, and reads what the client had to say: closing with that unread would make the
/// kernel send a reset, and take the answer back.
async fn farewell(mut tcp: TcpStream) -> io::Result<()> {
    tcp.write_all(NO_ROOM).await?;
    tcp.shutdown().await?;
    let mut heard = [0; 1024];
    let mut left = HEADER_BLOCK;
    while left > 0 {
        match tcp.read(&mut heard).await? {
            0 => break,
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}

/// A failure that concerns the connection in hand, not the listener (accept(2)).
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Options of an accepted socket. One that is refused (the client is gone) costs nothing but the benefit.
fn prepare(tcp: &TcpStream, stall: Duration) {
    let socket = SockRef::from(tcp);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    // Also ends what the kernel still sends after our close to a client that has vanished.
    let _ = socket.set_tcp_user_timeout(Some(stall));
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    match listen_on(address) {
        // A kernel without IPv6: all addresses are then all of IPv4.
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && is_without_ipv6(&error) => {
            listen_on(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        outcome => outcome,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn listen_on(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Start again at once, although connections of the last run still linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn remedy(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let other = port.checked_add(1).unwrap_or(8080);
            // Some shells take brackets for a pattern, and a port alone says the same.
            let other = match address.ip() {
                ip if ip.is_unspecified() && ip.is_ipv6() => other.to_string(),
                ip => SocketAddr::new(ip, other).to_string(),
            };
            format!(
                "another program has this port (`ss -ltnp 'sport = :{port}'` shows which); stop it, or listen elsewhere, \
             as with --listen {other}"
            )
        }
        io::ErrorKind::PermissionDenied => format!(
            "port {port} is reserved for privileged programs; take one from 1024 up, or grant CAP_NET_BIND_SERVICE"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "no interface of this machine has that address (`ip address` shows them); [::]:{port} listens on all"
        ),
        _ => "choose another address with --listen".to_owned(),
    }
}

/// Whether this is an origin as browsers write it (RFC 6454, 6.2): scheme and host, a port if it is not the
/// usual one, and nothing behind, not even a slash; or `*`, which stands for all.
pub fn is_origin(text: &str) -> bool {
    let exact = || {
        let uri: Uri = text.parse().ok()?;
        let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{}://{}{port}", uri.scheme_str()?, uri.host()?))
    };
    text == "*" || exact().is_some_and(|exact| exact == text)
}

fn parse_origin(text: &str) -> Result<HeaderValue, BindError> {
    let origin = HeaderValue::from_str(text).ok().filter(|_| is_origin(text));
    origin.ok_or_else(|| BindError::Origin(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for good in ["*", "https://example.org", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(parse_origin(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "https://example.org/",
            "https://a.org, https://b.org",
            "https://u@a.org",
            "a\nb",
        ] {
            assert!(matches!(parse_origin(bad), Err(BindError::Origin(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_refusal_is_well_formed() {
        let text = std::str::from_utf8(NO_ROOM).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }
}
