//! Listening, accepting, limiting, stopping.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::bind::Handed;
use super::board::Board;
use super::certificate::{CertificateError, Keeper};
use super::clip::Cutter;
use super::connection::Activity;
use super::conversation::{Door, HEADER_BLOCK, Shared};
use super::handler::Handler;
use super::station::Station;
use super::stats::ServeStats;
use super::texts::Desk;
use super::{Https, Patience, Report, ServeConfig, tls};
use crate::base::{Backoff, Clock, Monotonic};
use crate::sys::clock::RealClock;

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
    /// A socket was opened for us, at another address of the same port.
    #[error(
        "the socket that systemd opened is at {handed}, and the configuration wants {address}; make ListenStream= of \
         outpost.socket the same as listen ="
    )]
    Handed {
        /// As configured.
        address: SocketAddr,
        /// As opened.
        handed: SocketAddr,
    },
    /// The allowed origin is none.
    #[error(
        "allowed_origin {0:?} is not an origin; write scheme and host, such as https://example.org, or * for all"
    )]
    Origin(String),
    /// There is no certificate for HTTPS.
    #[error("no HTTPS")]
    Certificate(#[from] CertificateError),
    /// The library for TLS refuses what it is asked for.
    #[error("no HTTPS; please report this")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// A server that listens, and serves once it [runs](Server::run).
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    https: Option<Secured>,
    handler: Handler,
    patience: Patience,
}

/// HTTPS beside HTTP.
struct Secured {
    listener: std::net::TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    keeper: Keeper,
}

impl Secured {
    fn bind(config: &Https, handed: &mut Handed) -> Result<Self, BindError> {
        let keeper = Keeper::new(config.identity.clone())?;
        let acceptor = tls::acceptor(keeper.shown())?;
        let (listener, address) = handed.bind(config.listen, "[https] listen =")?;
        Ok(Self { listener, address, acceptor, keeper })
    }
}

impl Server {
    /// Begins to listen; clients that come now wait until the server runs. Needs no runtime.
    ///
    /// # Errors
    /// If an address is taken, forbidden or not this machine's, the allowed origin is none, or there is no
    /// certificate for HTTPS.
    pub fn bind(config: &ServeConfig, site: Site) -> Result<Self, BindError> {
        Self::take(config, Vec::new(), site)
    }

    /// The same, but of the sockets `handed` those are listened on that have the ports wanted: clients find them open
    /// while the program is restarted. The others are closed.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn take(
        config: &ServeConfig,
        handed: Vec<std::net::TcpListener>,
        site: Site,
    ) -> Result<Self, BindError> {
        let mut handed = Handed(handed);
        let Site { stations, report, stats } = site;
        let board = Arc::new(Board::new(stations, config)?);
        let (listener, address) = handed.bind(config.listen, "--listen")?;
        let https = config.https.as_ref().map(|https| Secured::bind(https, &mut handed)).transpose()?;
        let handler = Handler { board, report, stats, desk: Desk::default(), cutter: Cutter::default() };
        Ok(Self { listener, address, https, handler, patience: config.patience })
    }

    /// Where it listens, with the port the kernel chose if the configuration left that open.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The same for HTTPS, if there is any.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https.as_ref().map(|https| https.address)
    }

    /// What it serves, to be changed while it does.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.handler.board)
    }

    /// Serves until `stop` ends; then lets requests finish for a moment, and closes what is left.
    ///
    /// # Errors
    /// If the runtime cannot watch the listening sockets.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let shared = Arc::new(Shared::new(self.handler, self.patience));
        let mut floor = Floor {
            shared: shared.clone(),
            open: HashMap::new(),
            tasks: JoinSet::new(),
            farewells: JoinSet::new(),
        };
        let mut doors = Doors { plain: TcpListener::from_std(self.listener)?, secured: None };
        match self.https {
            None => floor.serve(&doors, stop).await,
            Some(Secured { listener, acceptor, keeper, .. }) => {
                doors.secured = Some((TcpListener::from_std(listener)?, acceptor));
                tokio::select! {
                    () = floor.serve(&doors, stop) => {}
                    () = keeper.keep() => {}
                }
            }
        }
        drop(doors);
        shared.handler.board.close();
        // The time limit itself is the only outcome worth waiting for: what is still open then is dropped.
        let _ = tokio::time::timeout(self.patience.shutdown, floor.empty()).await;
        floor.tasks.shutdown().await;
        Ok(())
    }
}

/// Where clients come in.
struct Doors {
    plain: TcpListener,
    secured: Option<(TcpListener, TlsAcceptor)>,
}

impl Doors {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, Door)> {
        let Some((secured, acceptor)) = &self.secured else {
            return self.plain.accept().await.map(|(tcp, address)| (tcp, address, Door::Plain));
        };
        tokio::select! {
            accepted = self.plain.accept() => accepted.map(|(tcp, address)| (tcp, address, Door::Plain)),
            accepted = secured.accept() => {
                accepted.map(|(tcp, address)| (tcp, address, Door::Tls(acceptor.clone())))
            }
        }
    }
}

/// The connections that are open.
struct Floor {
    shared: Arc<Shared>,
    open: HashMap<Id, (Arc<Activity>, AbortHandle)>,
    tasks: JoinSet<()>,
    farewells: JoinSet<()>,
}

impl Floor {
    async fn serve(&mut self, doors: &Doors, stop: impl Future<Output = ()>) {
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
                accepted = doors.accept() => accepted,
            };
            match accepted {
                Ok((tcp, address, door)) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("connections are accepted again");
                        backoff.reset();
                    }
                    self.admit(tcp, address, door);
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

    fn admit(&mut self, tcp: TcpStream, address: SocketAddr, door: Door) {
        if self.open.len() >= self.shared.handler.board.load().max_connections && !self.displace() {
            self.turn_away(tcp, &door);
            return;
        }
        prepare(&tcp, self.shared.patience.stall);
        let stats = &self.shared.handler.stats;
        stats.opened.increment();
        let activity = Arc::new(Activity::new(RealClock.now()));
        // An IPv4 client on a dual-stack socket is the same client as on an IPv4 one.
        let client = address.ip().to_canonical();
        let conversation = self.shared.clone().converse(tcp, door, client, activity.clone());
        let task = self.tasks.spawn(conversation);
        self.open.insert(task.id(), (activity, task));
    }

    /// Closes the connection that has been idle for longest, or else the one on which news have been waited for
    /// longest: its client only has to connect again. Says whether there was one.
    fn displace(&mut self) -> bool {
        let now = RealClock.now();
        let longest = |since: fn(&Activity, Monotonic) -> Option<Duration>| {
            let open = self.open.iter();
            let free = open.filter_map(|(id, (activity, _))| Some((since(activity, now)?, *id)));
            free.max_by_key(|(since, _)| *since).map(|(_, id)| id)
        };
        let found = longest(Activity::idle).or_else(|| longest(Activity::at_rest));
        let Some((_, task)) = found.and_then(|id| self.open.remove(&id)) else { return false };
        task.abort();
        self.shared.handler.stats.displaced.increment();
        true
    }

    fn turn_away(&mut self, tcp: TcpStream, door: &Door) {
        self.shared.handler.stats.refused.increment();
        while self.farewells.try_join_next().is_some() {}
        // Nobody is told through encryption: that would take the room there isn't.
        if matches!(door, Door::Plain) && self.farewells.len() < FAREWELLS {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_well_formed() {
        let text = std::str::from_utf8(NO_ROOM).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }
}
