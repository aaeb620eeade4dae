//! An opened camera.
//!
//! Belongs here: which of the waiting pictures to take, when it was captured, what was lost before it. Does
//! not: believing the driver's clock, which is up to whoever keeps the camera.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::convert::Conversion;
use super::trouble::{self, Trouble};
use crate::base::{Clock, Monotonic};
use crate::media::Dmabuf;
use crate::source::SourceError;
use crate::source::video::{BACKLOG, Coding, Glimpse, Image, Shot, VideoFormat, VideoInput};
use crate::sys::clock::RealClock;
use crate::sys::v4l2::{Filled, Queue, Ready};

/// Times a camera may say in vain that it has something.
const FORGIVEN: u32 = 16;

/// Where filled buffers come from: the kernel, or a test.
pub(super) trait Buffers: Send {
    fn wait(&self, patience: Duration) -> io::Result<Ready>;
    fn take(&mut self) -> io::Result<Option<Filled>>;
    fn bytes(&self, filled: &Filled) -> &[u8];
    fn shared(&self, filled: &Filled) -> Option<BorrowedFd<'_>>;
    fn give_back(&mut self, filled: Filled) -> io::Result<()>;
}

impl Buffers for Queue {
    fn wait(&self, patience: Duration) -> io::Result<Ready> {
        Self::wait(self, patience)
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        Self::take(self)
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        Self::bytes(self, filled)
    }

    fn shared(&self, filled: &Filled) -> Option<BorrowedFd<'_>> {
        Self::shared(self, filled)
    }

    fn give_back(&mut self, filled: Filled) -> io::Result<()> {
        Self::give_back(self, filled)
    }
}

/// A camera that captures.
pub(super) struct V4l2Input<B> {
    device: String,
    format: VideoFormat,
    buffers: B,
    conversion: Conversion,
    /// Pictures that wait, oldest first.
    line: VecDeque<Filled>,
    /// The buffer of the last whole picture: kept until there is another one, as that picture may have to be
    /// shown again.
    shown: Option<Filled>,
    count: Count,
}

impl<B: Buffers> V4l2Input<B> {
    pub(super) fn new(device: String, format: VideoFormat, buffers: B, conversion: Conversion) -> Self {
        let line = VecDeque::with_capacity(BACKLOG + 2);
        Self { device, format, buffers, conversion, line, shown: None, count: Count::default() }
    }

    /// Waits for what is to be shown now.
    fn next(&mut self, patience: Duration) -> Result<Option<Filled>, Trouble> {
        let capturing = |error: io::Error| trouble::capturing(&error);
        if self.line.is_empty() {
            let Some(first) = self.first(patience)? else { return Ok(None) };
            self.line.push_back(first);
        }
        if self.format.coding == Coding::Raw {
            while let Some(newer) = self.buffers.take().map_err(capturing)? {
                self.line.push_back(newer);
                if self.line.len() > BACKLOG + 1 {
                    self.leave_one_out()?;
                }
            }
        }
        let next = self.line.pop_front();
        if let Some(next) = &next {
            self.count.passed(next.sequence);
        }
        Ok(next)
    }

    /// Gives back the oldest picture unseen; rather a corrupt one, if there is any.
    fn leave_one_out(&mut self) -> Result<(), Trouble> {
        let corrupt = self.line.iter().position(|filled| filled.corrupt);
        let Some(left_out) = self.line.remove(corrupt.unwrap_or(0)) else { return Ok(()) };
        if corrupt.is_none_or(|at| at == 0) {
            self.count.passed(left_out.sequence);
            self.count.left_out();
        }
        self.buffers.give_back(left_out).map_err(|error| trouble::capturing(&error))
    }

    /// The oldest picture that waits.
    fn first(&mut self, patience: Duration) -> Result<Option<Filled>, Trouble> {
        let capturing = |error: io::Error| trouble::capturing(&error);
        let deadline = RealClock.now() + patience;
        let mut left = patience;
        let mut stumbles = 0;
        loop {
            // Whole milliseconds, and never none while there is time left.
            let nap = if left.is_zero() { left } else { left + Duration::from_millis(1) };
            let ready = self.buffers.wait(nap).map_err(capturing)?;
            if ready != Ready::No {
                if let Some(filled) = self.buffers.take().map_err(capturing)? {
                    return Ok(Some(filled));
                }
                stumbles += 1;
                if stumbles > FORGIVEN {
                    return Err(trouble::restless());
                }
            }
            left = deadline.since(RealClock.now());
            if left.is_zero() {
                return Ok(None);
            }
        }
    }
}

impl<B: Buffers> V4l2Input<B> {
    /// Makes a filled buffer into a picture; says what is wrong with it if it cannot be used.
    fn convert(&mut self, filled: &Filled) -> Result<(), &'static str> {
        let bytes = self.buffers.bytes(filled);
        match self.format.coding {
            _ if filled.corrupt => Err("marked as corrupt by the driver"),
            _ if bytes.is_empty() => Err("empty"),
            Coding::H264 => Ok(()),
            Coding::Raw => self.conversion.convert(bytes),
        }
    }

    /// What was converted last.
    fn image(&self) -> Option<Image<'_>> {
        let bytes = self.buffers.bytes(self.shown.as_ref()?);
        match self.format.coding {
            Coding::H264 => Some(Image::H264(bytes)),
            Coding::Raw => self.conversion.picture(bytes).map(Image::Raw),
        }
    }
}

impl<B: Buffers> VideoInput for V4l2Input<B> {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let next = self.next(patience).map_err(|trouble| trouble.with(&self.device))?;
        let Some(filled) = next else { return Ok(Glimpse::Nothing) };
        let converted = self.convert(&filled);
        // A driver that tells no time has just given it.
        let captured =
            filled.stamp.filter(|nanos| *nanos > 0).map_or_else(|| RealClock.now(), Monotonic::from_nanos);
        let unused = match converted {
            Ok(()) => self.shown.replace(filled),
            Err(_) => Some(filled),
        };
        if let Some(unused) = unused {
            let given = self.buffers.give_back(unused);
            given.map_err(|error| trouble::capturing(&error).with(&self.device))?;
        }
        if let Err(words) = converted {
            return Ok(Glimpse::Damaged(words));
        }
        let missed = std::mem::take(&mut self.count.missed);
        let shared = self.shown.as_ref().and_then(|shown| self.buffers.shared(shown));
        let memory = shared.map(|fd| Dmabuf { fd });
        let shot = |image| Glimpse::Shot(Shot { captured, missed, image, memory });
        Ok(self.image().map_or(Glimpse::Nothing, shot))
    }

    fn last(&self) -> Option<Image<'_>> {
        self.image().filter(|image| matches!(image, Image::Raw(_)))
    }
}

/// Counts what is not shown.
#[derive(Debug, Default)]
struct Count {
    /// The sequence number of the last picture shown or left out.
    last: Option<u32>,
    /// Since the last picture that was shown.
    missed: u32,
}

impl Count {
    /// A picture's turn has come; before it were lost as many as are missing between the numbers. Some drivers do
    /// not count, and some begin anew: then nothing is known.
    fn passed(&mut self, sequence: u32) {
        let gap = self.last.map_or(0, |last| sequence.wrapping_sub(last).wrapping_sub(1));
        if gap < u32::MAX / 2 {
            self.missed = self.missed.saturating_add(gap);
        }
        self.last = Some(sequence);
    }

    /// That picture is given back unseen.
    fn left_out(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
