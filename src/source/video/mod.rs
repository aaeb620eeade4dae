//! Pictures: cameras, what stands in for them, and the keeper that makes one endless view of them.
//!
//! Belongs here: devices that give pictures, what is shown when they give none, how they are. Does not:
//! encoding, or what a stream makes of the view.

pub mod camera;
mod draw;
mod slate;
pub mod stats;
pub mod synth;
mod timeline;
pub mod v4l2;

pub use camera::{Camera, Origin, View};
pub use stats::CameraStats;
use std::fmt;
use std::time::Duration;

use super::SourceError;
use crate::base::Monotonic;
use crate::media::{Dmabuf, FrameRate, Planes, Size};

/// What a stream would like to see. Raw pictures always have this size; a device that has another one
/// scales, with black bars where the shape differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of the pictures.
    pub size: Size,
    /// How many a second; there may be fewer.
    pub rate: FrameRate,
}

/// What kind of picture a device delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Samples, of the size wanted.
    Raw,
    /// H.264 as the camera coded it.
    H264,
}

/// What an opened device delivers; fixed while it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Samples or H.264.
    pub coding: Coding,
    /// Pictures per second, as the device claims.
    pub rate: FrameRate,
    /// What was chosen and why, for the log and the status: `YUYV 640x480 at 30, scaled to 1280x720: …`.
    pub about: String,
}

/// The picture itself.
#[derive(Clone, Copy)]
pub enum Image<'a> {
    /// Samples, of the size wanted.
    Raw(Planes<'a>),
    /// One access unit in Annex B form.
    H264(&'a [u8]),
}

/// One picture, as a device gave it.
#[derive(Clone, Copy, Debug)]
pub struct Shot<'a> {
    /// When it was captured, by the driver's monotonic timestamp; checked by whoever keeps the device.
    pub captured: Monotonic,
    /// Pictures lost between the last shot and this one: by the driver (a gap in its sequence numbers), or
    /// left out because a newer one was there already.
    pub missed: u32,
    /// What is to be seen.
    pub image: Image<'a>,
    /// Where its samples lie, if other devices may read them there.
    pub memory: Option<Dmabuf<'a>>,
}

/// What one read brought.
#[derive(Clone, Copy, Debug)]
pub enum Glimpse<'a> {
    /// A picture.
    Shot(Shot<'a>),
    /// A picture that cannot be used: cut short, or corrupt. The words say what is wrong with it.
    Damaged(&'static str),
    /// None came within the wait.
    Nothing,
}

/// How many raw pictures may wait behind the one that is given.
pub const BACKLOG: usize = 2;

/// An opened device that delivers pictures.
pub trait VideoInput: Send {
    /// What it delivers.
    fn format(&self) -> &VideoFormat;

    /// Waits at most `patience` for a picture, the oldest that was not yet given: a moment's delay loses nothing.
    /// But while more than [`BACKLOG`] raw ones wait behind it, it is left out, so that a slow reader sees fewer
    /// pictures, evenly, and none that is older than that. Of H.264 each is given.
    ///
    /// # Errors
    /// If the device is gone or broken and must be opened again.
    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError>;

    /// The last raw picture that [`VideoInput::read`] brought, as far as it is still there; to be shown again
    /// while no other comes. It is never copied for that.
    fn last(&self) -> Option<Image<'_>> {
        None
    }
}

/// A device that can be opened, again and again. It was told at its making what is wanted.
pub trait VideoDevice: Send {
    /// Its name as configured, for messages.
    fn name(&self) -> &str;

    /// Opens it.
    ///
    /// # Errors
    /// If it is not there, is in use, or cannot deliver pictures.
    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError>;
}

impl fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(_) => f.write_str("Raw"),
            Self::H264(unit) => write!(f, "H264({} bytes)", unit.len()),
        }
    }
}
