//! The keeper of a camera: its pictures while there are some, a slate while there are none, and no end.
//!
//! While a camera that gives raw pictures pauses, its last one is shown again: a stream that encodes must have a
//! picture where each segment begins, or the segment before has no end.
//!
//! Belongs here: opening, reading, noticing that nothing comes, opening again, telling how it is. Does not:
//! what a device is (`v4l2`, `synth`), when a picture was (`timeline`), what the slate looks like (`slate`).
//!
//! One thread calls [`Camera::next`] in a loop. Opening may take a device seconds, so that is done by a
//! thread of its own, which also closes what was open before; the slate goes on meanwhile.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::slate::Slate;
use super::stats::CameraStats;
use super::timeline::{self, Stamp, Timeline};
use super::{Coding, Glimpse, Image, VideoDevice, VideoFormat, VideoInput, Wanted};
use crate::base::{Backoff, Clock, Monotonic, Pts, Stop};
use crate::media::{Dmabuf, FrameRate};
use crate::source::stats::Change;
use crate::source::{Signal, SourceError};
use crate::sys::reborrow::{self, Borrowing};

/// The longest wait for a picture in one read; stopping takes no longer than that.
const PATIENCE: Duration = Duration::from_millis(100);
/// A device that answers without waiting is not asked more often than this.
const REST: Duration = Duration::from_millis(10);
/// A slate that is later than this is shown as what it is, one that is less late as what it should have been.
const LATE: Duration = Duration::from_millis(300);
/// The last picture is shown again rather than that none be for so long: what segments on the cut grid allow
/// for, ten pictures a second that do not keep their rate to the tick.
const PAUSE: Duration = Duration::from_millis(110);
/// A device that opens at once begins the stream itself, without a slate.
const GRACE: Duration = Duration::from_millis(200);
/// An open device that gives no more for so long is dead; one so slow that it gives fewer than four
/// pictures in that time, after four intervals.
const DEAD: Duration = Duration::from_secs(1);
/// One being opened may take longer: some cameras set their exposure first.
const WAKING: Duration = Duration::from_secs(5);
/// Waits before a device is opened again; the longest leaves time to be live 2 s after its return.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// How long a device that is just being opened is waited for at the end, so that it can be closed again.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long pictures are counted before their rate is told.
const RATE_SPAN: Duration = Duration::from_secs(2);

/// One picture of the endless view.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// When it was captured; later than that of every view before.
    pub pts: Pts,
    /// What is to be seen. A slate is always [`Image::Raw`], of the size wanted.
    pub image: Image<'a>,
    /// Where its samples lie, if other devices may read them there.
    pub memory: Option<Dmabuf<'a>>,
    /// Whether the camera gave it.
    pub origin: Origin,
    /// Pictures the camera gave before it that nobody saw, because the view before took longer than from one
    /// picture to the next.
    pub missed: u32,
}

/// Where a view comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The camera.
    Live,
    /// The camera, before: its last picture once more, as it pauses.
    Still,
    /// Ourselves, while it has nothing to give.
    Slate,
}

/// What opening came to.
type Opened = Result<Box<dyn VideoInput>, SourceError>;

enum State {
    /// Not open; to be opened at `retry`, after what is left of the last time has been closed.
    Closed { retry: Monotonic, left: Option<Box<dyn VideoInput>> },
    /// Being opened since `began`.
    Opening { answer: Receiver<Opened>, began: Monotonic, opener: JoinHandle<()> },
    /// Open.
    Open(Open),
}

/// A device that is open.
struct Open {
    input: Box<dyn VideoInput>,
    format: Arc<VideoFormat>,
    /// When it last gave a picture of use, or was opened.
    good: Monotonic,
    /// When it began to.
    live: Option<Monotonic>,
    /// When its last picture is to be shown again; `None` if it cannot be.
    again: Option<Monotonic>,
    /// What was wrong with the last picture, if it was of no use.
    damage: Option<&'static str>,
    /// Whether its timestamps have been believed so far.
    stamp: Stamp,
    /// Pictures since an instant.
    counted: (u32, Monotonic),
}

/// What a read came to that brought no picture.
enum Nothing {
    Waited,
    Damaged(&'static str),
    Failed(SourceError),
}

struct Views;

impl Borrowing for Views {
    type Of<'a> = View<'a>;
}

/// Pictures from a device, whatever becomes of it.
pub struct Camera {
    name: String,
    /// Locked by whoever opens it, one at a time.
    device: Arc<Mutex<Box<dyn VideoDevice>>>,
    clock: Arc<dyn Clock>,
    stats: Arc<CameraStats>,
    line: Timeline,
    slate: Slate,
    state: State,
    /// No two pictures of an open camera are further apart, as far as we can help it.
    pause: Duration,
    /// When a view was given last.
    viewed: Monotonic,
    /// How long it was looked at, until the device was asked again.
    busy: Duration,
    /// When the next slate is to be shown, unless the device is live.
    due: Monotonic,
    /// When the last picture came, or media time began.
    since: Monotonic,
    backoff: Backoff,
}

impl Camera {
    /// Keeps `device`. Media time begins now. `title` is what the slate says.
    pub fn new(
        device: Box<dyn VideoDevice>,
        wanted: Wanted,
        title: &str,
        clock: Arc<dyn Clock>,
        stats: Arc<CameraStats>,
    ) -> Self {
        let now = clock.now();
        Self {
            name: device.name().to_owned(),
            device: Arc::new(Mutex::new(device)),
            clock,
            stats,
            line: Timeline::default(),
            slate: Slate::new(wanted.size, title, TimeZone::system()),
            pause: pause(wanted.rate),
            viewed: now,
            busy: Duration::ZERO,
            state: State::Closed { retry: now, left: None },
            due: now + GRACE,
            since: now,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
        }
    }

    /// Waits for the next picture; `None` only when stopped. Without a live device there is one every 100 ms,
    /// and with one that gives raw pictures hardly a longer pause, unless fewer are wanted.
    pub fn next(&mut self, stop: &Stop) -> Option<View<'_>> {
        let mut camera = self;
        camera.busy = camera.clock.now().since(camera.viewed);
        while !stop.is_stopped() {
            let now = camera.clock.now();
            let live = matches!(&camera.state, State::Open(open) if open.live.is_some());
            if !live && now >= camera.due {
                return Some(camera.show_slate(now));
            }
            match &camera.state {
                State::Closed { retry, .. } if now >= *retry => camera.begin_opening(now),
                State::Closed { retry, .. } => {
                    camera.clock.sleep_until((*retry).min(camera.due), stop);
                }
                State::Opening { .. } => camera.await_opening(now, stop),
                State::Open(open) => {
                    let due = if live { open.again } else { Some(camera.due) };
                    let patience = due.map_or(PATIENCE, |due| due.since(now).min(PATIENCE));
                    let mut nothing = Nothing::Waited;
                    match reborrow::ask::<Views, _>(camera, |camera| camera.look(patience, &mut nothing)) {
                        Ok(view) => return Some(view),
                        Err(back) => camera = back,
                    }
                    camera.bear(nothing, now, stop);
                    match reborrow::ask::<Views, _>(camera, Self::repeat) {
                        Ok(view) => return Some(view),
                        Err(back) => camera = back,
                    }
                }
            }
        }
        None
    }

    fn show_slate(&mut self, now: Monotonic) -> View<'_> {
        let meant = if now.since(self.due) < LATE { self.due } else { now };
        self.due = timeline::beat_after(meant);
        self.viewed = now;
        self.stats.slates.increment();
        let signal = self.stats.condition.get().signal;
        let picture = self.slate.show(signal, self.since, self.clock.wall());
        let (pts, image) = (self.line.slate(meant), Image::Raw(picture.planes()));
        View { pts, image, memory: None, origin: Origin::Slate, missed: 0 }
    }

    fn begin_opening(&mut self, now: Monotonic) {
        let (tell, answer) = sync_channel(1);
        let device = self.device.clone();
        let State::Closed { left, .. } = &mut self.state else { return };
        let left = left.take();
        let open = move || {
            drop(left);
            // Nobody hears the answer if the keeper is gone; what was opened is closed with it.
            let _ = tell.send(device.lock().unwrap_or_else(PoisonError::into_inner).open());
        };
        match std::thread::Builder::new().name("camera-open".to_owned()).spawn(open) {
            Ok(opener) => self.state = State::Opening { answer, began: now, opener },
            Err(error) => self.lose(&self.trouble(
                Signal::Failed,
                format!("no thread can be started to open it ({error})"),
                "leave the board more memory",
            )),
        }
    }

    /// Waits until the device is open, or a slate is due.
    fn await_opening(&mut self, now: Monotonic, stop: &Stop) {
        let State::Opening { answer, began, .. } = &self.state else { return };
        match answer.recv_timeout(self.due.since(now)) {
            Ok(Ok(input)) => self.begin(input),
            Ok(Err(error)) => self.lose(&error),
            Err(RecvTimeoutError::Timeout) => {
                if now.since(*began) >= WAKING {
                    self.tell_trouble(&self.trouble(
                        Signal::Stalled,
                        format!("opening it has taken more than {} s", WAKING.as_secs()),
                        "unplug it and plug it in again",
                    ));
                }
                // A simulated clock has not moved.
                self.clock.sleep_until(self.due, stop);
            }
            Err(RecvTimeoutError::Disconnected) => self.lose(&self.trouble(
                Signal::Failed,
                "opening it failed in a way that was not foreseen".to_owned(),
                "see the log",
            )),
        }
    }

    fn begin(&mut self, input: Box<dyn VideoInput>) {
        let now = self.clock.now();
        let format = Arc::new(input.format().clone());
        self.stats.opened.increment();
        self.stats.format.store(Some(format.clone()));
        self.line.begin();
        self.state = State::Open(Open {
            input,
            format,
            good: now,
            live: None,
            again: None,
            damage: None,
            stamp: Stamp::Believed,
            counted: (0, now),
        });
    }

    /// One read from the open device: its picture, or `nothing` says what came instead.
    fn look(&mut self, patience: Duration, nothing: &mut Nothing) -> Option<View<'_>> {
        let Self { name, clock, stats, line, state: State::Open(open), pause, backoff, .. } = self else {
            return None;
        };
        let glimpse = open.input.read(patience);
        let now = clock.now();
        let busy = std::mem::take(&mut self.busy);
        *nothing = match glimpse {
            Ok(Glimpse::Shot(shot)) => {
                let (pts, stamp) = line.live(shot.captured, now);
                // Whoever looks at one picture until there is another is late for that one, not the camera.
                let late = busy >= open.format.rate.interval();
                let (missed, lost) = if late { (shot.missed, 0) } else { (0, shot.missed) };
                stats.pictures.add(1 + u64::from(missed));
                stats.missed.add(u64::from(lost));
                if stamp == Stamp::Impossible {
                    stats.misdated.increment();
                    if open.stamp == Stamp::Believed {
                        tracing::warn!(device = *name, "gives impossible timestamps: guessing them");
                    }
                    open.stamp = stamp;
                }
                (open.good, open.damage, self.viewed) = (now, None, now);
                open.again = (open.format.coding == Coding::Raw).then(|| now + *pause);
                let live = *open.live.get_or_insert_with(|| {
                    open.counted = (0, now);
                    now
                });
                if now.since(live) >= LAST_RETRY {
                    backoff.reset();
                }
                if stats.condition.set(Signal::Live, "", now) == Change::Signal {
                    tracing::info!(device = *name, format = open.format.about, "picture is coming");
                }
                count(&mut open.counted, 1 + missed, now, stats);
                let (image, memory) = (shot.image, shot.memory);
                return Some(View { pts, image, memory, origin: Origin::Live, missed });
            }
            Ok(Glimpse::Damaged(what)) => Nothing::Damaged(what),
            Ok(Glimpse::Nothing) => Nothing::Waited,
            Err(error) => Nothing::Failed(error),
        };
        None
    }

    /// The last picture once more, if it is time for that.
    fn repeat(&mut self) -> Option<View<'_>> {
        let now = self.clock.now();
        let Self { stats, line, state: State::Open(open), pause, viewed, .. } = self else { return None };
        let (due, last) = (open.again.filter(|due| now >= *due)?, line.last()?);
        let Some(image) = open.input.last() else {
            open.again = None;
            return None;
        };
        let pts = line.still(*pause);
        // As late behind its time as the picture itself came: one captured before would be here by now.
        open.again = Some(due + pts.to_monotonic().since(last));
        *viewed = now;
        stats.stills.increment();
        Some(View { pts, image, memory: None, origin: Origin::Still, missed: 0 })
    }

    /// Bears that a read, begun at `asked`, brought no picture; gives the device up if it was too often.
    fn bear(&mut self, nothing: Nothing, asked: Monotonic, stop: &Stop) {
        let now = self.clock.now();
        let State::Open(open) = &mut self.state else { return };
        match nothing {
            Nothing::Waited => {}
            Nothing::Damaged(what) => {
                self.stats.damaged.increment();
                open.damage = Some(what);
            }
            Nothing::Failed(error) => return self.lose(&error),
        }
        let patience = if open.live.is_some() { DEAD.max(4 * open.format.rate.interval()) } else { WAKING };
        if now.since(open.good) >= patience {
            let error = match open.damage {
                Some(what) => self.trouble(
                    Signal::Failed,
                    format!("every picture is damaged ({what})"),
                    "try another cable or port, or a smaller picture",
                ),
                None => self.trouble(
                    Signal::Stalled,
                    format!("it is open, but has given no picture for {} s", patience.as_secs()),
                    "unplug it and plug it in again, or check what feeds it",
                ),
            };
            return self.lose(&error);
        }
        let rest = asked + REST;
        self.clock.sleep_until(if open.live.is_some() { rest } else { rest.min(self.due) }, stop);
    }

    /// The device is not there any more, or not yet: the slate, and another attempt later.
    fn lose(&mut self, error: &SourceError) {
        let now = self.clock.now();
        let closed = State::Closed { retry: now + self.backoff.wait(), left: None };
        let before = std::mem::replace(&mut self.state, closed);
        // The first slate is shown at once, later ones when they are due; after live pictures as if they were
        // slates.
        if self.line.last().is_none() {
            self.due = now;
        }
        if let State::Open(open) = before {
            if open.live.is_some() {
                self.since = open.good;
                self.due = self.line.last().map_or(now, timeline::beat_after);
            }
            if let State::Closed { left, .. } = &mut self.state {
                *left = Some(open.input);
            }
        }
        self.stats.rate.set(0.0);
        self.tell_trouble(error);
    }

    fn tell_trouble(&self, error: &SourceError) {
        let cause = format!("{}; {}", error.problem, error.remedy);
        if self.stats.condition.set(error.signal, &cause, self.clock.now()) == Change::Signal {
            tracing::warn!(device = self.name, signal = %error.signal, "{cause}; showing a slate until it is back");
        }
    }

    fn trouble(&self, signal: Signal, problem: String, remedy: &str) -> SourceError {
        SourceError { signal, device: self.name.clone(), problem, remedy: remedy.to_owned() }
    }
}

/// What there may be from one picture to the next, where so many a second are wanted.
fn pause(rate: FrameRate) -> Duration {
    PAUSE.max(rate.interval() * 11 / 10)
}

impl Drop for Camera {
    /// What is just being opened is closed again before the keeper is gone.
    fn drop(&mut self) {
        let before = std::mem::replace(&mut self.state, State::Closed { retry: self.viewed, left: None });
        if let State::Opening { answer, opener, .. } = before
            && !matches!(answer.recv_timeout(FAREWELL), Err(RecvTimeoutError::Timeout))
        {
            // It has nothing left to do, and has said itself what made it panic.
            let _ = opener.join();
        }
    }
}

/// Counts pictures, and tells the rate whenever enough have been counted.
fn count((pictures, since): &mut (u32, Monotonic), more: u32, now: Monotonic, stats: &CameraStats) {
    let span = now.since(*since);
    if span >= RATE_SPAN {
        stats.rate.set(f64::from(*pictures) / span.as_secs_f64());
        (*pictures, *since) = (0, now);
    }
    *pictures += more;
}

#[cfg(test)]
mod tests;
