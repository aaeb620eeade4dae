//! One connection: its bytes counted, its client's pace watched.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::stats::ServeStats;
use crate::base::{Clock, Monotonic, Pulse};
use crate::sys::clock::RealClock;

/// How long a new connection has to say something before it counts as idle.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// Turns that are told apart: the one that runs and the two before it, which take together as long as a client may
/// stall.
const TURNS: usize = 3;
pub(super) const TURNS_OF_STALL: u32 = 2;
/// So many bytes of a parcel, or its last, must be taken for it to count as moving: who took one now and then would keep
/// it, and the segment it is of, for ever. (Over plain TCP the kernel sees to that: a socket can be written to again
/// when half of what it may hold unsent is gone, tcp(7), TCP_NOTSENT_LOWAT.)
const STEP: usize = 16 * 1024;
/// What a client of HTTP/2 may say in one go, in bytes: header blocks of all requests a browser opens at once.
const SAYING: usize = 128 * 1024;
/// What is forgiven of it in a second.
const FORGIVEN: usize = 4 * 1024;
/// For so many bytes that are sent to it, it may say one more: requests, and that it has taken the bytes. A PING, or
/// settings that are acknowledged, yield less than they cost.
const SENT_PER_SAID: usize = 2;

/// Whether a connection is at work, and since when it is not.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests being answered, endless ones among them.
    requests: AtomicU32,
    /// Those of them that wait for news, and have told all there is.
    resting: AtomicU32,
    /// A write waits for the client.
    writing: AtomicBool,
    /// Something came that was not a whole request yet.
    unread: AtomicBool,
    /// When the last request came; at first, when one ought to have come.
    last_request: Pulse,
    /// Turns begun; one lasts as long as whoever watches the connection says.
    turn: AtomicUsize,
    /// Parcels under way, by the turn in which they last moved.
    parcels: [AtomicU32; TURNS],
}

impl Activity {
    pub(super) fn new(now: Monotonic) -> Self {
        let last_request = Pulse::new(now + FIRST_WORD);
        Self {
            requests: AtomicU32::new(0),
            resting: AtomicU32::new(0),
            writing: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            last_request,
            turn: AtomicUsize::new(0),
            parcels: Default::default(),
        }
    }

    /// Begins the next turn. Says whether a parcel has not moved in the two turns before.
    pub(super) fn next_turn(&self) -> Progress {
        let next = self.turn.load(Relaxed).wrapping_add(1) % TURNS;
        // The place of the oldest turn becomes that of the new one.
        let stalled = self.parcels[next].load(Relaxed) > 0;
        self.turn.store(next, Relaxed);
        if stalled { Progress::Stalled } else { Progress::Fine }
    }

    /// How long it has been without a request, if nothing is going on.
    pub(super) fn idle(&self, now: Monotonic) -> Option<Duration> {
        self.quiet(0, now)
    }

    /// The same, if nothing is going on but that news are waited for: who does only has to ask again.
    pub(super) fn at_rest(&self, now: Monotonic) -> Option<Duration> {
        self.quiet(self.resting.load(Relaxed), now)
    }

    fn quiet(&self, resting: u32, now: Monotonic) -> Option<Duration> {
        let working = self.requests.load(Relaxed) > resting || self.writing.load(Relaxed);
        (!working).then(|| self.last_request.age(now)).filter(|age| !age.is_zero())
    }

    /// The same, if not a byte of a next request has come either.
    pub(super) fn silent(&self, now: Monotonic) -> Option<Duration> {
        self.idle(now).filter(|_| !self.unread.load(Relaxed))
    }
}

/// What is to be said of a connection's replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The client takes them, or there are none.
    Fine,
    /// At least one is not taken.
    Stalled,
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

impl Busy {
    /// From now on it counts as work only while some of its reply is under way.
    pub(super) fn rest(&self) -> Resting {
        self.0.resting.fetch_add(1, Relaxed);
        Resting(self.0.clone())
    }

    /// So many bytes of its reply are under way from now on.
    pub(super) fn turn(&self, len: usize) -> Turn {
        let last = self.0.turn.load(Relaxed);
        self.0.parcels[last].fetch_add(1, Relaxed);
        Turn { busy: self.clone(), last, wanting: len.min(STEP) }
    }
}

/// A request waits for news until this is dropped.
#[derive(Debug)]
pub(super) struct Resting(Arc<Activity>);

impl Drop for Resting {
    fn drop(&mut self) {
        self.0.resting.fetch_sub(1, Relaxed);
    }
}

/// A parcel under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    busy: Busy,
    /// In which turn it last moved.
    last: usize,
    /// Bytes that are to be taken until it moves again.
    wanting: usize,
}

impl Turn {
    /// The client has taken so many bytes of it, and so many are left.
    pub(super) fn taken(&mut self, count: usize, left: usize) {
        self.wanting = self.wanting.saturating_sub(count);
        if self.wanting > 0 {
            return;
        }
        self.wanting = left.min(STEP);
        let Busy(activity) = &self.busy;
        let now = activity.turn.load(Relaxed);
        if now != self.last {
            activity.parcels[self.last].fetch_sub(1, Relaxed);
            activity.parcels[now].fetch_add(1, Relaxed);
            self.last = now;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.0.parcels[self.last].fetch_sub(1, Relaxed);
    }
}

/// What a client may still say. Frames of HTTP/2 can be said without end and ask for nothing (PING, SETTINGS,
/// PRIORITY, WINDOW_UPDATE, empty DATA; RFC 9113, 10.5), or take back what they asked for: a client that does what it
/// is for hears far more than it says.
#[derive(Debug)]
struct Allowance {
    left: usize,
    /// Up to when it has been forgiven.
    since: Monotonic,
}

impl Allowance {
    fn new(now: Monotonic) -> Self {
        Self { left: SAYING, since: now }
    }

    fn earn(&mut self, sent: usize) {
        self.left = (self.left + sent / SENT_PER_SAID).min(SAYING);
    }

    /// Whether it may say this much.
    fn spend(&mut self, said: usize, now: Monotonic) -> bool {
        let seconds = now.since(self.since).as_secs();
        if seconds > 0 {
            let forgiven = usize::try_from(seconds).unwrap_or(SAYING).saturating_mul(FORGIVEN);
            self.left = self.left.saturating_add(forgiven).min(SAYING);
            self.since = now;
        }
        let left = self.left.checked_sub(said);
        self.left = left.unwrap_or(0);
        left.is_some()
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
    /// What the client may still say, where that is bounded.
    allowance: Option<Allowance>,
}

impl Io {
    pub(super) fn new(
        tcp: TcpStream,
        activity: Arc<Activity>,
        stats: Arc<ServeStats>,
        stall: Duration,
    ) -> Self {
        Self { tcp, activity, stats, stall, deadline: None, allowance: None }
    }

    /// Bounds from now on what the client may say beside what it is told.
    pub(super) fn bound(&mut self) {
        self.allowance = Some(Allowance::new(RealClock.now()));
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
                    if let Some(allowance) = &mut self.allowance {
                        allowance.earn(count);
                    }
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
        let said = buffer.filled().len() - before;
        if said > 0 {
            self.activity.unread.store(true, Relaxed);
        }
        let bounded = self.allowance.as_mut().filter(|_| said > 0);
        if bounded.is_some_and(|allowance| !allowance.spend(said, RealClock.now())) {
            self.stats.malformed.increment();
            return Poll::Ready(Err(io::Error::other("the client says too much and asks for nothing")));
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

    #[test]
    fn who_waits_for_news_is_not_idle_but_at_rest_until_there_are_some() {
        let at = |millis| Monotonic::default() + Duration::from_millis(millis);
        let activity = Arc::new(Activity::new(at(0)));
        let reader = Busy::new(&activity, at(1000));
        let rest = reader.rest();
        let is = || (activity.idle(at(5000)).is_some(), activity.at_rest(at(5000)).is_some());
        assert_eq!(is(), (false, true));
        let news = reader.turn(100);
        assert_eq!(is(), (false, false), "on their way");
        drop(news);
        let other = Busy::new(&activity, at(2000));
        assert_eq!(is(), (false, false), "something else is asked for");
        drop(other);
        assert_eq!(is(), (false, true));
        drop((reader, rest));
        assert_eq!(is(), (true, true));
        let _working = Busy::new(&activity, at(3000));
        assert_eq!(is(), (false, false));
    }

    #[test]
    fn a_parcel_that_does_not_move_for_two_turns_is_noticed_whatever_others_do() {
        let activity = Arc::new(Activity::new(Monotonic::default()));
        let busy = Busy::new(&activity, Monotonic::default());
        const LEN: usize = 100 * STEP;
        let (mut moving, still) = (busy.turn(LEN), busy.turn(LEN));
        for _ in 0..2 {
            assert_eq!(activity.next_turn(), Progress::Fine);
            moving.taken(STEP, LEN);
        }
        assert_eq!(activity.next_turn(), Progress::Stalled);
        moving.taken(STEP, LEN);
        drop(still);
        for _ in 0..10 {
            assert_eq!(activity.next_turn(), Progress::Fine);
            moving.taken(STEP, LEN);
        }
        drop((moving, busy));
        assert!(activity.idle(Monotonic::default() + Duration::from_secs(1)).is_some());
        assert!((0..4).all(|_| activity.next_turn() == Progress::Fine));
    }

    #[test]
    fn a_parcel_moves_by_steps_and_by_its_last_bytes() {
        /// How long the parcel is, and what is taken of it in each turn; whether that is enough.
        type Case = (usize, &'static [usize], bool);
        let table: [Case; 6] = [
            (10 * STEP, &[STEP, STEP, STEP, STEP], true),
            (10 * STEP, &[STEP / 2, STEP / 2, STEP / 2, STEP / 2, STEP / 2], true),
            (10 * STEP, &[STEP / 4, STEP / 4, STEP / 4, STEP / 4], false),
            (10 * STEP, &[1, 1, 1, 1], false),
            (STEP + 2, &[STEP, 1, 1], true),
            (300, &[1, 1, 1, 1], false),
        ];
        for (len, takes, enough) in table {
            let activity = Arc::new(Activity::new(Monotonic::default()));
            let mut parcel = Busy::new(&activity, Monotonic::default()).turn(len);
            let mut left = len;
            let moves = takes.iter().all(|count| {
                left -= count;
                parcel.taken(*count, left);
                activity.next_turn() == Progress::Fine
            });
            assert_eq!(moves, enough, "{takes:?} of {len}");
        }
    }

    #[test]
    fn a_client_may_say_what_it_needs_to_and_no_more() {
        let at = |millis| Monotonic::default() + Duration::from_millis(millis);
        // Eight header blocks as large as they may be, at once; then a ping, which is told again.
        let mut allowance = Allowance::new(at(0));
        assert!((0..8).all(|_| allowance.spend(16 * 1024, at(1))));
        allowance.earn(17);
        assert!(!allowance.spend(17, at(2)), "a ping earns less than it costs");
        // Twenty requests a second whose replies are hardly larger than they are, for an hour.
        let mut allowance = Allowance::new(at(0));
        for request in 0..72_000 {
            assert!(allowance.spend(300, at(request * 50)), "request {request}");
            allowance.earn(400);
        }
        // What is forgiven in a day is no more than may be said in one go.
        assert!(allowance.spend(SAYING, at(100_000_000)) && !allowance.spend(1, at(100_000_000)));
    }
}
