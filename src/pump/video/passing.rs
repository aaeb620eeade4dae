//! H.264 that the camera made itself, and slates between.

use crate::base::{Chain, Pts, Span};
use crate::encode::copy::{Copy, CopyFault, CopyNews, Hurdle};
use crate::media::{Picture, Size, VideoFrame};
use crate::pixel;

use super::coder::Coder;
use super::gate::Gate;
use super::sizes::Sizes;
use super::stats::Sent;

/// The slate is shown again about so often while the camera gives what cannot be passed on: as often as the
/// camera's keeper does it, with room for what timestamps are rounded by.
const BEAT: Span = Span::from_millis(90);
/// So long nothing may be wrong before that is told; and before anything else that is wrong is. Faults come by
/// the picture, and take turns with pictures that are well.
const QUIET: Span = Span::from_millis(60_000);

/// What is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Camera,
    Slate,
}

/// Passes on what the camera made. While there is nothing of it that decoding can begin with, slates are encoded;
/// the two are never mixed: each change between them is an interruption.
pub(super) struct Passing {
    copy: Copy,
    /// The slates' encoder, which is there only while there are slates.
    coder: Coder,
    course: Course,
    size: Size,
    /// The last slate, as long as the camera may still need it to stand in for its pictures.
    slate: Option<Picture>,
    /// When it was shown last, or the first picture came.
    shown: Option<Pts>,
    told: Told,
    /// What the log was told last of what keeps players from showing the camera's pictures.
    hurdle: Option<Hurdle>,
}

impl Passing {
    /// Slates will be of `size`.
    pub(super) fn new(copy: Copy, coder: Coder, size: Size) -> Self {
        let (course, slate, shown) = (Course::Slate, None, None);
        Self { copy, coder, course, size, slate, shown, told: Told::default(), hurdle: None }
    }

    /// Passes on an access unit.
    pub(super) fn pass(&mut self, stream: &str, gate: &mut Gate, sizes: &mut Sizes, pts: Pts, unit: &[u8]) {
        let mut news = self.copy.unit(pts, unit, &mut |unit| gate.pass(unit));
        if news == Ok(CopyNews::Changed) {
            gate.change(self.copy.config().map(|config| Sent {
                config: config.clone(),
                encoder: "copy".to_owned(),
                why: "the camera codes H.264 itself".to_owned(),
            }));
            let hurdle = self.copy.hurdle();
            if let Some(new) = hurdle.filter(|_| hurdle != self.hurdle) {
                tracing::warn!(stream, "many players cannot show what the camera codes: {new}");
            }
            self.hurdle = hurdle;
            news = self.copy.unit(pts, unit, &mut |unit| gate.pass(unit));
        }
        let fault = news.err();
        gate.stats.errors.add(u64::from(fault.is_some()));
        match (self.told.hear(fault.as_ref(), pts), &fault) {
            (Some(News::Worse), Some(fault)) => {
                tracing::warn!(stream, fault = %Chain(fault), "not all of the camera's H.264 can be passed on");
            }
            (Some(News::Well), _) => {
                tracing::info!(stream, "all of the camera's H.264 has been passed on for a minute");
            }
            _ => {}
        }
        let course = if self.copy.is_flowing() { Course::Camera } else { Course::Slate };
        match (std::mem::replace(&mut self.course, course), course) {
            (_, Course::Slate) => self.stand_in(gate, sizes, pts),
            (Course::Slate, Course::Camera) => {
                self.coder.close();
                self.slate = None;
            }
            (Course::Camera, Course::Camera) => {}
        }
    }

    /// Shows a picture in place of the camera's.
    pub(super) fn show(&mut self, gate: &mut Gate, sizes: &mut Sizes, frame: &VideoFrame<'_>) {
        self.course = Course::Slate;
        self.copy.restart();
        self.shown = Some(frame.pts);
        // A slate is always whole.
        let _ = pixel::copy(&frame.planes, self.slate.get_or_insert_with(|| Picture::black(frame.size)));
        gate.encode(&mut self.coder, frame, sizes);
    }

    /// The camera gave something, but nothing to begin with: the slate goes on.
    fn stand_in(&mut self, gate: &mut Gate, sizes: &mut Sizes, pts: Pts) {
        if pts - *self.shown.get_or_insert(pts) < BEAT {
            return;
        }
        self.shown = Some(pts);
        let slate = self.slate.get_or_insert_with(|| Picture::black(self.size));
        let frame = VideoFrame { pts, size: self.size, planes: slate.planes(), memory: None };
        gate.encode(&mut self.coder, &frame, sizes);
    }
}

/// What the log has been told.
#[derive(Debug, Default)]
struct Told(Option<Fault>);

#[derive(Debug)]
struct Fault {
    what: CopyFault,
    told: Pts,
    /// When any last came.
    last: Pts,
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Worse,
    Well,
}

impl Told {
    fn hear(&mut self, fault: Option<&CopyFault>, pts: Pts) -> Option<News> {
        match (&mut self.0, fault) {
            (None, None) => None,
            (Some(known), None) if pts - known.last < QUIET => None,
            (Some(_), None) => {
                self.0 = None;
                Some(News::Well)
            }
            (Some(known), Some(fault)) if known.what == *fault || pts - known.told < QUIET => {
                known.last = pts;
                None
            }
            (_, Some(fault)) => {
                self.0 = Some(Fault { what: fault.clone(), told: pts, last: pts });
                Some(News::Worse)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_come_by_the_picture_are_told_once() {
        let mut told = Told::default();
        let at = |seconds: i64, ms: i64| Pts::from_ticks(90 * (seconds * 1000 + ms));
        let other = CopyFault::NoSet { set: "picture parameter set", id: 3 };
        // Two minutes in which every second picture is a B picture, and one in a hundred something else.
        let mut lines = Vec::new();
        for n in 0..3600 {
            let fault = match n {
                n if n % 100 == 99 => Some(&other),
                n if n % 2 == 0 => Some(&CopyFault::Reordered),
                _ => None,
            };
            lines.extend(told.hear(fault, at(0, 33 * n)));
        }
        assert_eq!(lines, [News::Worse, News::Worse]);
        // Well again.
        assert_eq!(told.hear(None, at(170, 0)), None);
        assert_eq!(told.hear(None, at(180, 0)), Some(News::Well));
        assert_eq!(told.hear(None, at(300, 0)), None);
        assert_eq!(told.hear(Some(&other), at(301, 0)), Some(News::Worse));
    }
}
