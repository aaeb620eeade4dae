//! A program's frames, one after the other.

use std::time::Duration;

use super::pace::{Pace, Pacing};
use super::process::{Await, Output, Process};
use super::video::VideoOutput;
use crate::base::{Clock, Monotonic};
use crate::media::{Picture, Plane, Planes, Size};
use crate::pixel::yuyv;
use crate::source::SourceError;
use crate::source::video::{Glimpse, Image, Shot, VideoFormat, VideoInput};
use crate::sys::clock::RealClock;

/// How the bytes of a frame are turned into samples.
enum Layout {
    Yu12,
    Nv12,
    /// Into this picture.
    Yuyv(Box<Picture>),
}

/// The program under way.
pub(super) struct Raw {
    process: Process,
    format: VideoFormat,
    layout: Layout,
    size: Size,
    pace: Pace,
    pacing: Pacing,
    /// The frame to be given next, and whether there is one.
    ready: Vec<u8>,
    has_frame: bool,
    /// The frame under way, and how much of it came.
    filling: Vec<u8>,
    len: usize,
    /// Whether it has been asked for.
    asked: bool,
    /// Frames left out since the last one given.
    missed: u32,
    /// Whether there was one.
    has_given: bool,
    ended: bool,
}

impl Raw {
    pub(super) fn new(process: Process, format: VideoFormat, output: VideoOutput, size: Size) -> Self {
        let (layout, bytes) = match output {
            VideoOutput::Yuyv => {
                (Layout::Yuyv(Box::new(Picture::black(size))), 2 * size.width() * size.height())
            }
            VideoOutput::Nv12 => (Layout::Nv12, size.bytes()),
            VideoOutput::Yu12 | VideoOutput::H264 => (Layout::Yu12, size.bytes()),
        };
        Self {
            process,
            pace: Pace::new(format.rate.interval()),
            pacing: Pacing::Program,
            format,
            layout,
            size,
            ready: vec![0; bytes],
            has_frame: false,
            filling: vec![0; bytes],
            len: 0,
            asked: false,
            missed: 0,
            has_given: false,
            ended: false,
        }
    }

    /// Reads what is there, up to a frame that is in time.
    fn fill(&mut self) -> Result<(), SourceError> {
        while !self.ended && (!self.has_frame || self.pace.is_late(RealClock.now())) {
            let found = self.process.read(&mut self.filling[self.len..])?;
            if !self.asked {
                // It waits for us if the next frame is there as soon as we ask for it.
                self.pacing = if found == Output::Empty { Pacing::Program } else { Pacing::Reader };
                self.asked = true;
            }
            match found {
                Output::Bytes(count) => self.len += count,
                Output::Empty => break,
                Output::End => self.ended = true,
            }
            if self.len == self.filling.len() {
                if self.has_frame {
                    self.missed += 1;
                    self.pace.skip(RealClock.now());
                }
                std::mem::swap(&mut self.ready, &mut self.filling);
                (self.has_frame, self.len, self.asked) = (true, 0, false);
            }
        }
        Ok(())
    }

    /// Waits until the next frame is there and due; says whether it is.
    fn await_frame(&mut self, deadline: Monotonic) -> Result<bool, SourceError> {
        loop {
            self.fill()?;
            let now = RealClock.now();
            let (what, until) = if self.has_frame {
                match self.pace.due(self.pacing).filter(|due| *due > now) {
                    None => return Ok(true),
                    Some(due) => (Await::Time, due.min(deadline)),
                }
            } else if self.ended {
                return Err(self.process.epitaph());
            } else {
                (Await::Output, deadline)
            };
            self.process.wait(what, until)?;
            if now >= deadline {
                return Ok(false);
            }
        }
    }

    /// The samples of the frame that was ready last.
    fn planes(&self) -> Planes<'_> {
        let width = self.size.width();
        let (y, chroma) = self.ready.split_at(width * self.size.height());
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let plane = |data, stride| Plane { data, stride };
        match &self.layout {
            Layout::Yu12 => Planes::I420([plane(y, width), plane(u, width / 2), plane(v, width / 2)]),
            Layout::Nv12 => Planes::Nv12([plane(y, width), plane(chroma, width)]),
            Layout::Yuyv(picture) => picture.planes(),
        }
    }
}

impl VideoInput for Raw {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        if !self.await_frame(RealClock.now() + patience)? {
            return Ok(Glimpse::Nothing);
        }
        self.has_frame = false;
        let captured = self.pace.place(self.pacing, RealClock.now());
        if let Layout::Yuyv(picture) = &mut self.layout
            && yuyv::to_i420(&self.ready, 2 * self.size.width(), picture).is_err()
        {
            return Ok(Glimpse::Damaged("frame cut short"));
        }
        self.has_given = true;
        let missed = std::mem::take(&mut self.missed);
        Ok(Glimpse::Shot(Shot { captured, missed, image: Image::Raw(self.planes()), memory: None }))
    }

    fn last(&self) -> Option<Image<'_>> {
        // Where one is ready that is not due yet, the one before may have been written over.
        (self.has_given && !self.has_frame).then(|| Image::Raw(self.planes()))
    }
}
