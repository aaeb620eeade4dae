//! One connection: its bytes counted, its client's pace watched.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::stats::ServeStats;
use crate::base::{Monotonic, Pulse};

/// How long a new connection has to say something before it counts as idle.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Whether a connection is at work, and since when it is not.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests being answered, endless ones among them.
    requests: AtomicU32,
    /// A write waits for the client.
    writing: AtomicBool,
    /// Something came that was not a whole request yet.
    unread: AtomicBool,
    /// When the last request came; at first, when one ought to have come.
    last_request: Pulse,
}

impl Activity {
    pub(super) fn new(now: Monotonic) -> Self {
        let last_request = Pulse::new(now + FIRST_WORD);
        Self {
            requests: AtomicU32::new(0),
            writing: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            last_request,
        }
    }

    /// How long it has been without a request, if nothing is going on.
    pub(super) fn idle(&self, now: Monotonic) -> Option<Duration> {
        let working = self.requests.load(Relaxed) > 0 || self.writing.load(Relaxed);
        (!working).then(|| self.last_request.age(now)).filter(|age| !age.is_zero())
    }

    /// The same, if not a byte of a next request has come either.
    pub(super) fn silent(&self, now: Monotonic) -> Option<Duration> {
        self.idle(now).filter(|_| !self.unread.load(Relaxed))
    }
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    pub(super) fn new(activity: &Arc<Activity>, now: Monotonic) -> Self {
        activity.last_request.beat(now);
        activity.requests.fetch_add(1, Relaxed);
        activity.unread.store(false, Relaxed);
        Self(activity.clone())
    }
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        self.0.requests.fetch_add(1, Relaxed);
        Self(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A socket on which a write must make progress: hyper has no deadline of its own for that, and a client that
/// never reads would hold its segment in memory for ever.
pub(super) struct Io {
    tcp: TcpStream,
    activity: Arc<Activity>,
    stats: Arc<ServeStats>,
    stall: Duration,
    /// Runs while a write is pending.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Io {
    pub(super) fn new(
        tcp: TcpStream,
        activity: Arc<Activity>,
        stats: Arc<ServeStats>,
        stall: Duration,
    ) -> Self {
        Self { tcp, activity, stats, stall, deadline: None }
    }

    /// Waits until the client says something, or goes.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.tcp.readable().await
    }

    /// Sees what became of a write.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write {
            Poll::Ready(result) => {
                if self.deadline.take().is_some() {
                    self.activity.writing.store(false, Relaxed);
                }
                if let Ok(count) = result {
                    self.stats.sent_bytes.add(count as u64);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let stall = self.stall;
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                self.activity.writing.store(true, Relaxed);
                if deadline.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.stats.stalled.increment();
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
            }
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.unread.store(true, Relaxed);
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.watch(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.watch(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_between_requests_and_not_before_it_could_speak() {
        let at = |millis| Monotonic::default() + Duration::from_millis(millis);
        let activity = Arc::new(Activity::new(at(0)));
        assert_eq!(activity.idle(at(900)), None);
        assert_eq!(activity.idle(at(1500)), Some(Duration::from_millis(500)));
        let (one, two) = (Busy::new(&activity, at(2000)), Busy::new(&activity, at(3000)));
        drop(one);
        assert_eq!(activity.idle(at(9000)), None);
        drop(two);
        assert_eq!(activity.idle(at(9000)), Some(Duration::from_secs(6)));
    }
}
