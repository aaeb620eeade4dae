//! The keeper of a camera: its pictures while there are some, a slate while there are none, and no end.
//!
//! Belongs here: opening, reading, noticing that nothing comes, opening again, telling how it is. Does not:
//! what a device is (`v4l2`, `synth`), when a picture was (`timeline`), what the slate looks like (`slate`).
//!
//! One thread calls [`Camera::next`] in a loop. Opening may take a device seconds, so that is done by a
//! thread of its own, which also closes what was open before; the slate goes on meanwhile.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::slate::Slate;
use super::stats::CameraStats;
use super::timeline::{Stamp, Timeline};
use super::{Glimpse, Image, VideoDevice, VideoFormat, VideoInput, Wanted};
use crate::base::{Backoff, Clock, Monotonic, Pts, Stop};
use crate::media::Dmabuf;
use crate::source::stats::Change;
use crate::source::{Signal, SourceError};
use crate::sys::reborrow::{self, Borrowing};

/// The longest wait for a picture in one read; stopping takes no longer than that.
const PATIENCE: Duration = Duration::from_millis(100);
/// A device that answers without waiting is not asked more often than this.
const REST: Duration = Duration::from_millis(10);
/// From slate to slate. They fall on multiples of it, so that one begins each segment on the cut grid.
const BEAT: Duration = Duration::from_millis(100);
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
}

/// Where a view comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The camera.
    Live,
    /// Ourselves, while it has nothing to give.
    Slate,
}

/// What opening came to.
type Opened = Result<Box<dyn VideoInput>, SourceError>;

enum State {
    /// Not open; to be opened at `retry`, after what is left of the last time has been closed.
    Closed { retry: Monotonic, left: Option<Box<dyn VideoInput>> },
    /// Being opened since `began`.
    Opening { answer: Receiver<Opened>, began: Monotonic },
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
            state: State::Closed { retry: now, left: None },
            due: now + GRACE,
            since: now,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
        }
    }

    /// Waits for the next picture; `None` only when stopped. Without a live device there is one every 100 ms.
    pub fn next(&mut self, stop: &Stop) -> Option<View<'_>> {
        let mut camera = self;
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
                State::Open(_) => {
                    let patience = if live { PATIENCE } else { camera.due.since(now).min(PATIENCE) };
                    let mut nothing = Nothing::Waited;
                    match reborrow::ask::<Views, _>(camera, |camera| camera.look(patience, &mut nothing)) {
                        Ok(view) => return Some(view),
                        Err(back) => camera = back,
                    }
                    camera.bear(nothing, now, stop);
                }
            }
        }
        None
    }

    fn show_slate(&mut self, now: Monotonic) -> View<'_> {
        // One that is late is shown as what it is.
        let meant = if now.since(self.due) < BEAT { self.due } else { now };
        let beat = BEAT.as_nanos() as i64;
        self.due = Monotonic::from_nanos((now.as_nanos().div_euclid(beat) + 1) * beat);
        self.stats.slates.increment();
        let signal = self.stats.condition.get().signal;
        let picture = self.slate.show(signal, self.since, self.clock.wall());
        let image = Image::Raw(picture.planes());
        View { pts: self.line.slate(meant), image, memory: None, origin: Origin::Slate }
    }

    fn begin_opening(&mut self, now: Monotonic) {
        let (tell, answer) = sync_channel(1);
        let device = self.device.clone();
        let State::Closed { left, .. } =
            std::mem::replace(&mut self.state, State::Opening { answer, began: now })
        else {
            return;
        };
        let open = move || {
            drop(left);
            // Nobody hears the answer if the keeper is gone; what was opened is closed with it.
            let _ = tell.send(device.lock().unwrap_or_else(PoisonError::into_inner).open());
        };
        if let Err(error) = std::thread::Builder::new().name("camera-open".to_owned()).spawn(open) {
            self.lose(&self.trouble(
                Signal::Failed,
                format!("no thread can be started to open it ({error})"),
                "leave the board more memory",
            ));
        }
    }

    /// Waits until the device is open, or a slate is due.
    fn await_opening(&mut self, now: Monotonic, stop: &Stop) {
        let State::Opening { answer, began } = &self.state else { return };
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
            damage: None,
            stamp: Stamp::Believed,
            counted: (0, now),
        });
    }

    /// One read from the open device: its picture, or `nothing` says what came instead.
    fn look(&mut self, patience: Duration, nothing: &mut Nothing) -> Option<View<'_>> {
        let Self { name, clock, stats, line, state: State::Open(open), backoff, .. } = self else {
            return None;
        };
        let glimpse = open.input.read(patience);
        let now = clock.now();
        *nothing = match glimpse {
            Ok(Glimpse::Shot(shot)) => {
                let (pts, stamp) = line.live(shot.captured, now);
                stats.pictures.increment();
                stats.missed.add(u64::from(shot.missed));
                if stamp == Stamp::Impossible {
                    stats.misdated.increment();
                    if open.stamp == Stamp::Believed {
                        tracing::warn!(device = *name, "gives impossible timestamps: guessing them");
                    }
                    open.stamp = stamp;
                }
                (open.good, open.damage) = (now, None);
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
                count(&mut open.counted, now, stats);
                return Some(View { pts, image: shot.image, memory: shot.memory, origin: Origin::Live });
            }
            Ok(Glimpse::Damaged(what)) => Nothing::Damaged(what),
            Ok(Glimpse::Nothing) => Nothing::Waited,
            Err(error) => Nothing::Failed(error),
        };
        None
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
        // The first slate is shown at once, later ones when they are due; after live pictures that is now.
        if !self.line.has_begun() {
            self.due = now;
        }
        if let State::Open(open) = before {
            if open.live.is_some() {
                self.since = open.good;
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

/// Counts a picture, and tells the rate whenever enough have been counted.
fn count((pictures, since): &mut (u32, Monotonic), now: Monotonic, stats: &CameraStats) {
    let span = now.since(*since);
    if span >= RATE_SPAN {
        stats.rate.set(f64::from(*pictures) / span.as_secs_f64());
        (*pictures, *since) = (0, now);
    }
    *pictures += 1;
}

#[cfg(test)]
mod tests;
