//! H.264 that the camera made itself, and slates between.

use crate::base::{Chain, Pts};
use crate::encode::copy::{Copy, CopyFault, CopyNews};
use crate::media::VideoFrame;

use super::coder::Coder;
use super::gate::Gate;
use super::stats::Sent;

/// What is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Camera,
    Slate,
}

/// Passes on what the camera made. While it gives nothing, slates are encoded; the two are never mixed: each
/// change between them is an interruption.
pub(super) struct Passing {
    copy: Copy,
    /// The slates' encoder, which is there only while there are slates.
    coder: Coder,
    course: Course,
    fault: Option<CopyFault>,
}

impl Passing {
    pub(super) fn new(copy: Copy, coder: Coder) -> Self {
        Self { copy, coder, course: Course::Camera, fault: None }
    }

    /// Passes on an access unit.
    pub(super) fn pass(&mut self, stream: &str, gate: &mut Gate, pts: Pts, unit: &[u8]) {
        if std::mem::replace(&mut self.course, Course::Camera) == Course::Slate {
            self.coder.close();
        }
        let mut told = self.copy.unit(pts, unit, &mut |unit| gate.pass(unit));
        if told == Ok(CopyNews::Changed) {
            gate.change(self.copy.config().map(|config| Sent {
                config: config.clone(),
                encoder: "copy".to_owned(),
                why: "the camera codes H.264 itself".to_owned(),
            }));
            told = self.copy.unit(pts, unit, &mut |unit| gate.pass(unit));
        }
        let fault = told.err();
        match (&fault, &self.fault) {
            (Some(now), before) if before.as_ref() != Some(now) => {
                tracing::warn!(stream, fault = %Chain(now), "not all of the camera's H.264 can be passed on");
            }
            (None, Some(_)) => tracing::info!(stream, "the camera's H.264 can be passed on again"),
            _ => {}
        }
        gate.stats.errors.add(u64::from(fault.is_some()));
        self.fault = fault;
    }

    /// Shows a picture in place of the camera's.
    pub(super) fn show(&mut self, gate: &mut Gate, frame: &VideoFrame<'_>) {
        if std::mem::replace(&mut self.course, Course::Slate) == Course::Camera {
            self.copy.restart();
        }
        gate.encode(&mut self.coder, frame);
    }
}
