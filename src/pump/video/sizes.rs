//! One camera's picture in all the sizes that its streams want.
//!
//! Belongs here: scaling a picture once for each size, whoever asks. Does not: how (`pixel`).

use crate::media::{Picture, Size, VideoFrame};
use crate::pixel::{Misfit, Scaler};

/// The pictures of one scene, whose memory is used again and again.
#[derive(Default)]
pub struct Sizes {
    scaler: Scaler,
    made: Vec<Made>,
}

struct Made {
    picture: Picture,
    /// What it was made of, since the camera's last picture; none yet.
    of: Option<Origin>,
}

/// Names a picture as long as it is looked at: its size, and where its samples lie.
type Origin = (Size, usize);

impl Sizes {
    /// The camera has another picture.
    pub(super) fn renew(&mut self) {
        self.made.iter_mut().for_each(|made| made.of = None);
    }

    /// The picture in another size, scaled if it has not been.
    ///
    /// # Errors
    /// If its planes are shorter than they should be.
    pub(super) fn scaled(&mut self, frame: &VideoFrame<'_>, size: Size) -> Result<&Picture, Misfit> {
        let Self { scaler, made } = self;
        let place = made.iter().position(|made| made.picture.size() == size).unwrap_or_else(|| {
            made.push(Made { picture: Picture::black(size), of: None });
            made.len() - 1
        });
        let made = &mut made[place];
        let origin = Some((frame.size, frame.planes.luma().data.as_ptr().addr()));
        if made.of != origin {
            made.of = None;
            scaler.scale(frame.size, &frame.planes, &mut made.picture)?;
            made.of = origin;
        }
        Ok(&made.picture)
    }
}
