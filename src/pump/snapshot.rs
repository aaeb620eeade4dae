//! The latest picture, for whoever asks: a copy is made only then.
//!
//! Belongs here: handing one picture from the camera's thread to others, without a lock. Does not: making a
//! JPEG of it, or saying how often one may ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;

use crate::base::Pts;
use crate::media::{Picture, Planes, Size};
use crate::pixel::{self, Misfit};

/// A picture the camera gave.
#[derive(Clone, Debug)]
pub struct Photo {
    /// When it was captured.
    pub taken: Pts,
    /// What is to be seen.
    pub picture: Picture,
}

/// Keeps the last picture that was asked for.
#[derive(Debug, Default)]
pub struct Shutter {
    asked: AtomicBool,
    photo: ArcSwapOption<Photo>,
}

impl Shutter {
    /// Asks for the next picture of the camera: [`Shutter::latest`] changes once it has come.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// The picture last asked for, once there is one.
    pub fn latest(&self) -> Option<Arc<Photo>> {
        self.photo.load_full()
    }

    /// Keeps a copy of a picture, if one was asked for since the last.
    ///
    /// # Errors
    /// If the planes are too short for `size`; the next picture is tried then.
    pub(super) fn offer(&self, taken: Pts, size: Size, planes: &Planes<'_>) -> Result<(), Misfit> {
        // Looked at before it is changed: the cache line stays where it is as long as nobody asks.
        if !self.asked.load(Ordering::Relaxed) || !self.asked.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let mut picture = Picture::black(size);
        let copied = pixel::copy(planes, &mut picture);
        match copied {
            Ok(()) => self.photo.store(Some(Arc::new(Photo { taken, picture }))),
            Err(_) => self.ask(),
        }
        copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Plane;

    #[test]
    fn a_picture_is_kept_when_asked_for_and_never_otherwise() {
        let shutter = Shutter::default();
        let size: Size = "64x32".parse().expect("a size");
        let mut grey = Picture::black(size);
        grey.planes_mut()[0].fill(77);
        let offer = |ticks| shutter.offer(Pts::from_ticks(ticks), size, &grey.planes());
        let taken = || shutter.latest().map(|photo| photo.taken.ticks());
        offer(1).expect("whole");
        assert_eq!(taken(), None);
        shutter.ask();
        shutter.ask();
        assert_eq!(taken(), None, "not yet");
        let short = Plane { data: &[0; 9], stride: 64 };
        let damaged = Planes::Nv12([short, short]);
        assert!(shutter.offer(Pts::from_ticks(2), size, &damaged).is_err());
        assert_eq!(taken(), None);
        (3..6).for_each(|n| offer(n).expect("whole"));
        assert_eq!(taken(), Some(3), "the first after the asking");
        let photo = shutter.latest().expect("a photo");
        let Planes::I420([luma, ..]) = photo.picture.planes() else { panic!("planar") };
        assert!(luma.data.iter().all(|sample| *sample == 77));
        shutter.ask();
        offer(7).expect("whole");
        assert_eq!((taken(), photo.taken.ticks()), (Some(7), 3));
    }
}
