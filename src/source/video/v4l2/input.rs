//! An opened camera.
//!
//! Belongs here: which of the waiting pictures to take, when it was captured, what was lost before it. Does
//! not: believing the driver's clock, which is up to whoever keeps the camera.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::convert::Conversion;
use super::trouble::{self, Trouble};
use crate::base::{Clock, Monotonic};
use crate::media::Dmabuf;
use crate::source::SourceError;
use crate::source::video::{Coding, Glimpse, Image, Shot, VideoFormat, VideoInput};
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
    /// The buffer that was shown last, and is looked at until the next read.
    shown: Option<Filled>,
    count: Count,
}

impl<B: Buffers> V4l2Input<B> {
    pub(super) fn new(device: String, format: VideoFormat, buffers: B, conversion: Conversion) -> Self {
        Self { device, format, buffers, conversion, shown: None, count: Count::default() }
    }

    /// Gives back what was shown, and waits for what is to be shown now.
    fn next(&mut self, patience: Duration) -> Result<Option<Filled>, Trouble> {
        let capturing = |error: io::Error| trouble::capturing(&error);
        if let Some(shown) = self.shown.take() {
            self.buffers.give_back(shown).map_err(capturing)?;
        }
        let Some(mut newest) = self.first(patience)? else { return Ok(None) };
        self.count.taken(newest.sequence);
        if self.format.coding == Coding::H264 {
            return Ok(Some(newest));
        }
        while let Some(newer) = self.buffers.take().map_err(capturing)? {
            self.count.taken(newer.sequence);
            // Rather an older picture than a corrupt one.
            let older =
                if newer.corrupt && !newest.corrupt { newer } else { std::mem::replace(&mut newest, newer) };
            self.count.left_out();
            self.buffers.give_back(older).map_err(capturing)?;
        }
        Ok(Some(newest))
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

impl<B: Buffers> VideoInput for V4l2Input<B> {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let next = self.next(patience).map_err(|trouble| trouble.with(&self.device))?;
        let Some(filled) = next else { return Ok(Glimpse::Nothing) };
        let filled = self.shown.insert(filled);
        if filled.corrupt {
            return Ok(Glimpse::Damaged("marked as corrupt by the driver"));
        }
        let bytes = self.buffers.bytes(filled);
        if bytes.is_empty() {
            return Ok(Glimpse::Damaged("empty"));
        }
        // A driver that tells no time has just given it.
        let captured =
            filled.stamp.filter(|nanos| *nanos > 0).map_or_else(|| RealClock.now(), Monotonic::from_nanos);
        let image = match self.format.coding {
            Coding::H264 => Image::H264(bytes),
            Coding::Raw => match self.conversion.picture(bytes) {
                Ok(planes) => Image::Raw(planes),
                Err(words) => return Ok(Glimpse::Damaged(words)),
            },
        };
        let missed = std::mem::take(&mut self.count.missed);
        let memory = self.buffers.shared(filled).map(|fd| Dmabuf { fd });
        Ok(Glimpse::Shot(Shot { captured, missed, image, memory }))
    }
}

/// Counts what is not shown.
#[derive(Debug, Default)]
struct Count {
    /// The sequence number of the picture taken last.
    last: Option<u32>,
    /// Since the last picture that was shown.
    missed: u32,
}

impl Count {
    /// A picture was taken; before it were lost as many as are missing between the numbers. Some drivers do
    /// not count, and some begin anew: then nothing is known.
    fn taken(&mut self, sequence: u32) {
        let gap = self.last.map_or(0, |last| sequence.wrapping_sub(last).wrapping_sub(1));
        if gap < u32::MAX / 2 {
            self.missed = self.missed.saturating_add(gap);
        }
        self.last = Some(sequence);
    }

    /// A picture that was taken is given back unseen.
    fn left_out(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
