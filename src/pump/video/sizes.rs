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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pts;

    #[test]
    fn a_picture_is_scaled_once_for_each_size_until_there_is_another() {
        let size = |text: &str| text.parse::<Size>().expect("a size");
        let mut sizes = Sizes::default();
        let mut picture = Picture::black(size("64x64"));
        let mut luma = |sizes: &mut Sizes, shade: u8, to: &str| {
            picture.planes_mut()[0].fill(shade);
            let (pts, of) = (Pts::default(), picture.size());
            let frame = VideoFrame { pts, size: of, planes: picture.planes(), memory: None };
            sizes.scaled(&frame, size(to)).expect("whole").planes().luma().data[0]
        };
        assert_eq!(luma(&mut sizes, 50, "32x32"), 50);
        assert_eq!(luma(&mut sizes, 60, "32x32"), 50, "it is there");
        assert_eq!(luma(&mut sizes, 60, "16x16"), 60, "another size");
        sizes.renew();
        assert_eq!(luma(&mut sizes, 70, "32x32"), 70, "another picture");
        assert_eq!(sizes.made.len(), 2);
    }
}
