//! The two tracks of a stream, woven into one by a thread of their own.
//!
//! Belongs here: reading the units of both tracks and writing them in the order that `order` decides. Does not:
//! where units come from, or what a segment is.

mod order;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Clock, Counter, Gauge, Monotonic, Span, Stop};
use crate::media::{CutGrid, FrameRate, Place, Track, Unit};
use crate::ring::{self, Consumer};

use super::lane::LaneStats;
use super::outlet::Outlet;
use super::segments::Segments;
use order::{Action, Company, Head, Order};

/// How much of either track may wait: longer than the other is ever waited for.
const ROOM: Span = Span::from_millis(1200);
/// Pictures of a slate are so far apart.
const SLATE: Span = Span::from_millis(100);
/// By which part of the way `sound_behind` follows what a picture says.
const SMOOTHING: f64 = 1.0 / 64.0;

/// What a weaver says about itself.
#[derive(Debug, Default)]
pub struct WeaveStats {
    /// Pictures lost on the way to the weaver.
    pub video: Arc<LaneStats>,
    /// Sound lost on the way to the weaver.
    pub audio: Arc<LaneStats>,
    /// Segments that began without the other track, which was waited for in vain.
    pub alone: Counter,
    /// How much longer than picture the sound takes from capture to the weaver, in milliseconds, over the last
    /// seconds: a block and the encoder's delay, mostly. It is no error, as every unit carries the instant of
    /// its capture.
    pub sound_behind: Gauge,
}

/// Writes both tracks of a stream into its segments.
pub struct Weaver {
    name: String,
    video: Consumer<Unit>,
    audio: Consumer<Unit>,
    order: Order,
    segments: Segments,
    clock: Arc<dyn Clock>,
    stats: Arc<WeaveStats>,
    /// Seconds from capture to arrival of the newest sound.
    sound_lag: Option<f64>,
    sound_behind: Option<f64>,
    /// Whether the last segment began with both tracks in time.
    company: Company,
}

/// The outlets of a stream's pictures and of its sound, and the weaver behind them, whose segments begin on
/// `grid`. `rate` is that of the pictures when all is well; a unit of sound lasts `frame`.
///
/// # Errors
/// If the process has no file descriptor left for the bells of the rings between.
pub fn weave(
    name: &str,
    segments: Segments,
    grid: CutGrid,
    (rate, frame): (FrameRate, Span),
    clock: &Arc<dyn Clock>,
) -> io::Result<(Outlet, Outlet, Weaver)> {
    let stats = Arc::new(WeaveStats::default());
    let room = |unit: Span| (ROOM.ticks() / unit.ticks().max(1)).clamp(8, 512) as usize;
    let (pictures, video) = ring::channel(room(rate.span()))?;
    let (sounds, audio) = ring::channel(room(frame))?;
    let order = Order::new(grid, rate.span().max(SLATE), frame, clock.now());
    let outlet = |ring, stats: &Arc<LaneStats>| Outlet::woven(ring, clock, Arc::clone(stats));
    let outlets = (outlet(pictures, &stats.video), outlet(sounds, &stats.audio));
    let weaver = Weaver {
        name: name.to_owned(),
        video,
        audio,
        order,
        segments,
        clock: Arc::clone(clock),
        stats,
        sound_lag: None,
        sound_behind: None,
        company: Company::Both,
    };
    Ok((outlets.0, outlets.1, weaver))
}

/// Weaves until stopped, or until neither track can bring more.
pub fn run(mut weaver: Weaver, stop: &Stop) {
    while let Some(wait) = weaver.work() {
        if stop.is_stopped() {
            break;
        }
        let now = weaver.clock.now();
        let (video, audio) = (weaver.video.as_fd(), weaver.audio.as_fd());
        let waited = match wait {
            Wait::For(Track::Video, until) => ring::wait(&[video], until.since(now), stop),
            Wait::For(Track::Audio, until) => ring::wait(&[audio], until.since(now), stop),
            Wait::ForEither => ring::wait(&[video, audio], Duration::MAX, stop),
        };
        if let Err(error) = waited {
            tracing::error!(stream = weaver.name, %error, "cannot wait for units; waiting blindly");
            stop.wait(SLATE.to_duration());
        }
    }
    weaver.segments.finish();
}

/// What the weaver waits for when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    For(Track, Monotonic),
    ForEither,
}

impl Weaver {
    /// Its figures.
    pub fn stats(&self) -> Arc<WeaveStats> {
        Arc::clone(&self.stats)
    }

    /// Writes all that can be written now, for whoever has no thread for it.
    pub fn catch_up(&mut self) {
        self.work();
    }

    /// Writes all that can be written now; says what to wait for then, if there can be more.
    fn work(&mut self) -> Option<Wait> {
        self.video.clear();
        self.audio.clear();
        // Asked before reading: what is read afterwards is all there will be.
        let closed = (self.video.is_closed(), self.audio.is_closed());
        loop {
            let (video, audio) = (head(&mut self.video), head(&mut self.audio));
            match (closed.0 && video.is_none(), closed.1 && audio.is_none()) {
                (true, true) => return None,
                (true, false) => self.order.end(Track::Video),
                (false, true) => self.order.end(Track::Audio),
                (false, false) => {}
            }
            match self.order.next(video, audio, self.clock.now()) {
                Action::Write(track, place, company) => self.write(track, place, company),
                Action::Await(track, until) => return Some(Wait::For(track, until)),
                Action::AwaitEither => return Some(Wait::ForEither),
            }
        }
    }

    /// Writes the oldest unit of a track.
    fn write(&mut self, track: Track, place: Place, company: Company) {
        let ring = match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        let Some(unit) = ring.read().first() else { return };
        match place {
            Place::Follows => {}
            Place::Begins | Place::Resumes => self.segments.begin_segment(unit.pts),
            Place::Breaks => self.segments.interrupt(),
        }
        self.segments.write(&unit.packet(track));
        let (pts, lag) = (unit.pts, unit.arrived.nanos_since(unit.pts.to_monotonic()) as f64 / 1e9);
        ring.release(1);
        if place != Place::Follows {
            self.tell(track, company);
        }
        self.order.wrote(track, pts, place);
        self.measure(track, lag);
    }

    /// Counts segments that begin without the other track; says once that it is late, and once that it is back.
    fn tell(&mut self, track: Track, company: Company) {
        if company == Company::Alone {
            self.stats.alone.increment();
        }
        if std::mem::replace(&mut self.company, company) == company {
            return;
        }
        match (company, track) {
            (Company::Both, _) => tracing::info!(stream = self.name, "sound and picture come together again"),
            (Company::Alone, Track::Video) => {
                tracing::warn!(stream = self.name, "sound is late or missing; pictures go on without it");
            }
            (Company::Alone, Track::Audio) => {
                tracing::warn!(
                    stream = self.name,
                    "pictures are late or missing; sound goes on without them"
                );
            }
        }
    }

    fn measure(&mut self, track: Track, lag: f64) {
        match track {
            Track::Audio => self.sound_lag = Some(lag),
            Track::Video => {
                let Some(sound) = self.sound_lag else { return };
                let now = (sound - lag) * 1e3;
                let behind = self.sound_behind.map_or(now, |behind| behind + (now - behind) * SMOOTHING);
                self.sound_behind = Some(behind);
                self.stats.sound_behind.set(behind);
            }
        }
    }
}

fn head(ring: &mut Consumer<Unit>) -> Option<Head> {
    ring.read().first().map(|unit| Head { pts: unit.pts, place: unit.place })
}
