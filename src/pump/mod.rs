//! The threads that carry source → encode → mux → ring.
//!
//! Belongs here: what runs on the capture side, in plain threads, without a lock or a wait for anyone but
//! the device. Does not: anything that knows of segments, playlists or clients.

pub mod audio;
pub mod breaks;
mod dating;
pub mod governor;
pub mod lag;
pub mod lane;
pub mod level;
mod notices;
pub mod outlet;
pub mod seats;
pub mod segments;
pub mod sink;
pub mod snapshot;
pub mod tap;
pub mod video;
pub mod weave;

use crate::detect::Event;
use crate::ring::Producer;

/// Hands on an event. Nobody waits for a timeline that does not keep up: then it lacks this.
fn tell(event: Event, events: &mut Producer<Event>) {
    if let Some(slot) = events.slot() {
        *slot = event;
        events.publish();
    }
}
