//! What is said on one connection, in the version of HTTP its client speaks.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Patience;
use super::connection::{Activity, Busy, Io, Progress};
use super::handler::Handler;
use super::parcel::Answered;
use super::{connection, tls};
use crate::base::Clock;
use crate::sys::clock::RealClock;

/// Largest header block of a request, and the size of a connection's buffers when filled.
pub(super) const HEADER_BLOCK: usize = 16 * 1024;
/// How long a client is silent before its connection rests.
const REST: Duration = Duration::from_secs(1);
/// How long a client has to hear that its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Requests a connection of HTTP/2 may have open: a browser asks for six things at once, and a player holds two.
const STREAMS: u32 = 32;
/// What clients may send of request bodies that nobody reads: as little as HTTP/2 allows for a connection, where it
/// is given and cannot be taken back (RFC 9113, 6.9.2), and less for a request.
const BODIES: u32 = 65_535;
const BODY: u32 = 16 * 1024;
/// Bytes of one reply that are made ahead of what its client takes; only the endless stream has more to come.
const AHEAD: usize = 64 * 1024;
/// Requests taken back before they are looked at, and those we took back for being wrong, until the connection ends
/// (CVE-2023-44487 and its kin).
const TAKEN_BACK: usize = 20;
const WRONG: usize = 100;

/// How a client is spoken with.
#[derive(Clone)]
pub(super) enum Door {
    /// As it is.
    Plain,
    /// Encrypted.
    Tls(TlsAcceptor),
}

/// What all connections have in common.
pub(super) struct Shared {
    pub(super) handler: Handler,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    pub(super) patience: Patience,
}

impl Shared {
    pub(super) fn new(handler: Handler, patience: Patience) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(patience.request)
            .max_header_size(HEADER_BLOCK)
            .max_buf_size(HEADER_BLOCK);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_BLOCK as u32)
            .max_concurrent_streams(STREAMS)
            .initial_connection_window_size(BODIES)
            .initial_stream_window_size(BODY)
            .max_send_buf_size(AHEAD)
            .max_pending_accept_reset_streams(TAKEN_BACK)
            .max_local_error_reset_streams(WRONG)
            .keep_alive_interval(patience.stall)
            .keep_alive_timeout(patience.request);
        Self { handler, http1, http2, patience }
    }

    /// Answers the requests of one connection until it ends.
    pub(super) async fn converse(
        self: Arc<Self>,
        tcp: TcpStream,
        door: Door,
        client: IpAddr,
        activity: Arc<Activity>,
    ) {
        let io = Io::new(tcp, activity.clone(), self.handler.stats.clone(), self.patience.stall);
        match door {
            Door::Plain => self.http1(io, client, &activity).await,
            // Apart, so that a plain connection does not keep the room for this.
            Door::Tls(acceptor) => Box::pin(self.secured(io, acceptor, client, activity)).await,
        }
    }

    /// Encrypts, and goes on in the version the client chose.
    async fn secured(
        self: Arc<Self>,
        io: Io,
        acceptor: TlsAcceptor,
        client: IpAddr,
        activity: Arc<Activity>,
    ) {
        let stats = &self.handler.stats;
        let mut stream = match tokio::time::timeout(self.patience.request, acceptor.accept(io)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if tls::is_rubbish(&error) => return stats.malformed.increment(),
            // Gone, or it does not trust our certificate.
            Ok(Err(_)) => return,
            Err(_) => return stats.slow_requests.increment(),
        };
        if tls::speaks_http2(stream.get_ref().1) {
            stream.get_mut().0.bound();
            self.http2(stream, client, activity).await;
        } else {
            Box::pin(self.http1(stream, client, &activity)).await;
        }
    }

    /// HTTP/1.1, with rests.
    async fn http1<T: Transport>(&self, mut io: T, client: IpAddr, activity: &Arc<Activity>) {
        let stats = &self.handler.stats;
        loop {
            io = match self.attend(io, client, activity).await {
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
            match tokio::time::timeout(left, io.socket().readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return stats.slow_requests.increment(),
            }
        }
    }

    /// Answers requests until the connection ends, or gives it back when its client has been silent for a
    /// while: hyper keeps buffers of 16 KiB for each, and most listeners are silent most of the time.
    async fn attend<T: Transport>(
        &self,
        io: T,
        client: IpAddr,
        activity: &Arc<Activity>,
    ) -> hyper::Result<Option<T>> {
        let service = service_fn(|request| {
            let busy = Busy::new(activity, RealClock.now());
            Answered::new(self.handler.answer(client, request, busy.clone()), busy)
        });
        let mut connection = Box::new(self.http1.serve_connection(TokioIo::new(io), service));
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

    /// HTTP/2, until the connection ends, its client asks for nothing more or does not take what it asked for. TCP
    /// tells of neither: the client may go on to read, and keep the windows of its requests shut (RFC 9113, 5.2).
    async fn http2(self: Arc<Self>, io: TlsStream<Io>, client: IpAddr, activity: Arc<Activity>) {
        let service = service_fn(|request| {
            let (shared, busy) = (self.clone(), Busy::new(&activity, RealClock.now()));
            // Each request is a task of its own, which may outlive the connection for a moment.
            async move { Answered::new(shared.handler.answer(client, request, busy.clone()), busy).await }
        });
        let stats = &self.handler.stats;
        let mut connection = Box::pin(self.http2.serve_connection(TokioIo::new(io), service));
        let mut turns = tokio::time::interval(self.patience.stall / connection::TURNS_OF_STALL);
        loop {
            tokio::select! {
                // What went wrong has been told to the client.
                _ = &mut connection => return,
                _ = turns.tick() => {}
            }
            if activity.next_turn() == Progress::Stalled {
                return stats.stalled.increment();
            }
            if activity.idle(RealClock.now()).is_some_and(|since| since >= self.patience.request) {
                stats.slow_requests.increment();
                connection.as_mut().graceful_shutdown();
                // The time limit is enough of an answer: what has not ended by then is dropped.
                let _ = tokio::time::timeout(FAREWELL, connection).await;
                return;
            }
        }
    }
}

/// What HTTP is spoken over: a socket, or what lies on one.
trait Transport: AsyncRead + AsyncWrite + Unpin {
    fn socket(&self) -> &Io;
}

impl Transport for Io {
    fn socket(&self) -> &Io {
        self
    }
}

impl Transport for TlsStream<Io> {
    fn socket(&self) -> &Io {
        self.get_ref().0
    }
}
