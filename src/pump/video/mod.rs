//! One camera's thread: its pictures go to each stream that shows it.
//!
//! Belongs here: which pictures are encoded, where segments begin, what becomes of H.264 that the camera made
//! itself. Does not: judging whether the board keeps up (`governor`), or getting pictures.

mod coder;
mod gate;
mod passing;
mod sizes;
mod stats;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Clock, Pts, Span, Stop};
use crate::detect::{Event, motion};
use crate::encode::VideoParams;
use crate::encode::choose::Choice;
use crate::encode::copy::Copy;
use crate::media::{CutGrid, FrameRate, Size, VideoFrame};
use crate::ring::Producer;
use crate::source::video::camera::{Camera, Origin, View};
use crate::source::video::{Image, Wanted};

use super::governor::{Direction, Governor};
use super::outlet::Outlet;
use super::seats::{Guest, Seats};
use super::snapshot::Shutter;

pub use super::governor::Step;
use coder::Coder;
pub use coder::Encoders;
use gate::Gate;
use passing::Passing;
pub use sizes::Sizes;
pub use stats::{Sent, VideoInfo, VideoStats};
use watch::Watch;

/// How pictures become coded units; fixed while a stream runs.
pub enum VideoMode {
    /// All go through one encoder, slates too.
    Encode {
        /// The encoder to begin with.
        choice: Choice,
        /// What it was made for.
        params: VideoParams,
        /// The camera's pictures, of which each is scaled and some are left out where the encoder wants others.
        camera: Wanted,
        /// Where another comes from if it fails.
        encoders: Encoders,
    },
    /// The camera's own H.264 is passed on; slates are encoded meanwhile.
    Copy {
        /// Of the slates.
        size: Size,
        /// Of the camera, as it claims.
        rate: FrameRate,
        /// How long a segment may be: a camera whose key frames are further apart is told of.
        longest: Span,
        /// Where the slates' encoder comes from. It is there only while there are slates.
        encoders: Encoders,
    },
}

enum Mode {
    Encode { coder: Coder, governor: Governor },
    Copy(Passing),
}

/// One rendition's way from a camera's pictures to coded units in its outlet.
pub struct VideoStream {
    name: String,
    mode: Mode,
    /// Of the camera's pictures.
    size: Size,
    /// Whether the camera's last picture was of the kind that was asked for.
    kind: Kind,
    gate: Gate,
    shutter: Arc<Shutter>,
    /// What looks for motion, if anything does.
    watch: Option<Watch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Expected,
    Strange,
}

impl VideoStream {
    /// The rendition `name` of a stream (`camera/video`) that shows a camera, cut on `grid`. Where its pictures are
    /// encoded and the board does not keep up, `steps` are taken in their order.
    pub fn new(
        name: &str,
        mode: VideoMode,
        grid: CutGrid,
        outlet: Outlet,
        stats: Arc<VideoStats>,
        info: Arc<VideoInfo>,
        steps: &[Step],
    ) -> Self {
        let coder = |choice, encoders| Coder::new(name, choice, encoders, Arc::clone(&stats));
        let mut gate = Gate::new(grid, outlet, Arc::clone(&stats), info);
        let (size, mode) = match mode {
            VideoMode::Encode { choice, params, camera, encoders } => {
                let coder = coder(Some(choice), encoders);
                gate.change(coder.sent());
                let governor = Governor::new(params.tuning, camera.rate, steps);
                (camera.size, Mode::Encode { coder, governor })
            }
            VideoMode::Copy { size, rate, longest, encoders } => {
                (size, Mode::Copy(Passing::new(Copy::new(rate, longest), coder(None, encoders), size)))
            }
        };
        let (kind, shutter) = (Kind::Expected, Arc::default());
        Self { name: name.to_owned(), mode, size, kind, gate, shutter, watch: None }
    }

    /// Has `events` told of what `settings` say is motion. Where the camera's pictures are not seen here there is none.
    pub fn watch(&mut self, settings: motion::Settings, events: Producer<Event>) {
        self.watch = Some(Watch::new(settings, self.size, events));
    }

    /// Where snapshots come from; `None` if the camera's pictures themselves are never seen here.
    pub fn shutter(&self) -> Option<Arc<Shutter>> {
        matches!(self.mode, Mode::Encode { .. }).then(|| Arc::clone(&self.shutter))
    }

    /// Encodes a picture of the camera, or passes it on. The PTS of pictures increase. `sizes` are shared by all that
    /// are given this picture.
    pub fn feed(&mut self, view: &View<'_>, sizes: &mut Sizes) {
        let Self { name, mode, gate, .. } = self;
        let (pts, size) = (view.pts, self.size);
        let frame = |planes| VideoFrame { pts, size, planes, memory: view.memory };
        gate.stats.pictures.add(1 + u64::from(view.missed));
        gate.stats.dropped.add(u64::from(view.missed));
        let mut kind = Kind::Expected;
        match (mode, view.image) {
            (Mode::Encode { coder, governor }, Image::Raw(planes)) => {
                if view.origin == Origin::Live {
                    // One that is too short for its size is not kept; the next one is.
                    let _ = self.shutter.offer(pts, size, &planes);
                }
                if let Some(watch) = &mut self.watch {
                    watch.see(pts, &planes, view.origin);
                }
                if governor.admits(pts, gate.need(pts)) {
                    gate.encode(coder, &frame(planes), sizes);
                } else {
                    gate.stats.dropped.increment();
                }
            }
            (Mode::Encode { .. }, Image::H264(_)) => {
                gate.stats.dropped.increment();
                kind = Kind::Strange;
            }
            (Mode::Copy(passing), Image::H264(unit)) => passing.pass(name, gate, sizes, pts, unit),
            (Mode::Copy(passing), Image::Raw(planes)) => passing.show(gate, sizes, &frame(planes)),
        }
        if kind == Kind::Strange && self.kind == Kind::Expected {
            tracing::error!(
                stream = name,
                "the camera gives H.264 where pictures were asked for; it is lost"
            );
        }
        self.kind = kind;
    }

    /// How long the thread was busy with the picture at `pts`, for all its streams.
    fn settle(&mut self, pts: Pts, spent: Duration) {
        let Mode::Encode { coder, governor } = &mut self.mode else { return };
        let Some(change) = governor.spent(pts, spent) else { return };
        coder.tune(change.tuning);
        self.gate.stats.step.set(change.level as f64);
        let (stream, late, busy) = (&self.name, change.late, (change.busy * 100.0).round());
        match change.direction {
            Direction::Down => tracing::warn!(
                stream,
                late,
                busy,
                "{late} % of the pictures took too long to encode; down to {change}"
            ),
            Direction::Up => tracing::info!(stream, late, busy, "there is room again; up to {change}"),
        }
    }
}

impl Guest for VideoStream {
    fn is_of(&self, stream: &str) -> bool {
        self.name.split_once('/').map_or(&*self.name, |(of, _)| of) == stream
    }

    fn finish(&mut self) {
        self.gate.finish();
    }
}

/// Carries pictures from a camera to its streams until stopped.
pub fn run(mut camera: Camera, mut streams: Seats<VideoStream>, clock: &dyn Clock, stop: &Stop) {
    let mut sizes = Sizes::default();
    while let Some(view) = camera.next(stop) {
        carry(&view, streams.at(view.pts), &mut sizes, clock);
    }
    streams.finish();
}

fn carry(view: &View<'_>, streams: &mut [VideoStream], sizes: &mut Sizes, clock: &dyn Clock) {
    sizes.renew();
    let begin = clock.now();
    let mut last = begin;
    for stream in &mut *streams {
        stream.feed(view, sizes);
        let now = clock.now();
        stream.gate.stats.busy_nanos.add(now.since(last).as_nanos() as u64);
        last = now;
    }
    // A picture shown again says nothing of how much time there is for one.
    if view.origin != Origin::Still {
        for stream in streams {
            stream.settle(view.pts, last.since(begin));
        }
    }
}
