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
