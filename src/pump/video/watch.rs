//! What moves in a camera's pictures, told while they pass.
//!
//! Belongs here: which of the pictures that are shown are looked at. Does not: what is motion (`detect`).

use crate::base::Pts;
use crate::detect::Event;
use crate::detect::motion::{Settings, Watcher};
use crate::media::{Planes, Size};
use crate::pump::tell;
use crate::ring::Producer;
use crate::source::video::camera::Origin;

pub(super) struct Watch {
    watcher: Watcher,
    events: Producer<Event>,
}

impl Watch {
    pub(super) fn new(settings: Settings, size: Size, events: Producer<Event>) -> Self {
        Self { watcher: Watcher::new(settings, size), events }
    }

    /// Sees what is shown. In a picture that is shown again nothing moves, and in a slate nothing can.
    pub(super) fn see(&mut self, pts: Pts, planes: &Planes<'_>, origin: Origin) {
        let happened = match origin {
            Origin::Live | Origin::Still => self.watcher.see(pts, planes),
            Origin::Slate => self.watcher.lose(),
        };
        if let Some(happened) = happened {
            tell(Event::Motion(happened), &mut self.events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::detect::Happening;
    use crate::media::Picture;
    use crate::ring;

    #[test]
    fn a_slate_ends_what_moves_and_is_none_itself() {
        let size: Size = "160x120".parse().expect("a size");
        let (told, mut events) = ring::channel(8).expect("a ring");
        let mut watch = Watch::new(Settings::default(), size, told);
        let mut picture = Picture::black(size);
        let (mut at, mut shades) = (Pts::default(), 0..);
        let mut show = |pictures: usize, origin: Origin| {
            for shade in shades.by_ref().take(pictures) {
                // A box that goes to and fro, after it has stood for three seconds.
                let x = if shade < 30 { 0 } else { shade * 16 % 120 };
                let [luma, ..] = picture.planes_mut();
                luma.fill(100);
                luma.chunks_exact_mut(160).take(60).for_each(|row| row[x..x + 40].fill(200));
                watch.see(at, &picture.planes(), origin);
                at += Span::from_millis(100);
            }
        };
        show(30, Origin::Live);
        show(15, Origin::Live);
        show(20, Origin::Slate);
        show(15, Origin::Slate);
        let [Event::Motion(Happening::Began { .. }), Event::Motion(Happening::Ended(it))] = events.read()
        else {
            panic!("{:?}", events.read())
        };
        assert_eq!(it.to, Pts::default() + Span::from_millis(4_400));
    }
}
