//! One stream's units become the records of its segments.
//!
//! Belongs here: ending and beginning segments where somebody else decides to, and what to do when a unit
//! cannot follow the one before. Does not: that decision, or in which order the units of two tracks come
//! (`weave`).

use std::sync::Arc;

use crate::base::{Clock, Pts};
use crate::container::ts::{Mux, MuxError};
use crate::media::marker::Marker;
use crate::media::{Packet, Program, Track};
use crate::ring::spsc::Consumer;

use super::dating::Dating;
use super::lag::{Lag, LagStats};
use super::notices::{Dates, Notices};
use super::sink::RecordSink;

/// The way of one stream's units into its ring.
pub struct Segments {
    name: String,
    mux: Mux,
    sink: RecordSink,
    clock: Arc<dyn Clock>,
    lag: Lag,
    last: Outcome,
    dating: Dating,
    notices: Option<Notices>,
}

/// What became of the last unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Written,
    /// After an interruption.
    Jumped,
    Refused,
}

impl Segments {
    /// Segments of the stream `name`, which carries `program`.
    pub fn new(name: &str, program: &Program, sink: RecordSink, clock: &Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            mux: Mux::with_notes(program),
            sink,
            lag: Lag::new(clock.now()),
            clock: Arc::clone(clock),
            last: Outcome::Written,
            dating: Dating::new(program),
            notices: None,
        }
    }

    /// The same, which tells of the markers that come from `ring`, in civil time by `dates`.
    pub fn with_notices(self, ring: Consumer<Option<Arc<Marker>>>, dates: Dates) -> Self {
        Self { notices: Some(Notices::new(ring, dates)), ..self }
    }

    /// How old its pictures are when they are in the ring.
    pub fn lag(&self) -> Arc<LagStats> {
        self.lag.stats()
    }

    /// Ends the segment; the next one begins with the unit at `at`, which is written next.
    ///
    /// Where the ring was full and records are lost, the packets of the next one say, too, that they do not
    /// follow.
    pub fn begin_segment(&mut self, at: Pts) {
        self.lag.cut();
        self.dating.begin_segment(at);
        if self.sink.is_dropping() {
            self.mux.lose(at, &mut self.sink);
        } else {
            self.mux.cut(at, &mut self.sink);
        }
    }

    /// Ends the segment where its media end; what is written next need not follow it.
    pub fn interrupt(&mut self) {
        self.lag.cut();
        self.dating.interrupt();
        self.mux.interrupt(&mut self.sink);
    }

    /// Writes a unit. One that jumps begins a segment that does not follow the one before.
    pub fn write(&mut self, unit: &Packet<'_>) {
        let mut outcome = Outcome::Written;
        let mut written = self.mux.write(unit, &mut self.sink);
        if let Err(jump @ MuxError::Jump { .. }) = written {
            outcome = Outcome::Jumped;
            if self.last != outcome {
                tracing::warn!(stream = self.name, %jump, "the stream is interrupted");
            }
            self.interrupt();
            written = self.mux.write(unit, &mut self.sink);
        }
        if let Err(error) = written {
            outcome = Outcome::Refused;
            if self.last != outcome {
                tracing::error!(stream = self.name, %error, "units are left out");
            }
        } else if self.last == Outcome::Refused {
            tracing::info!(stream = self.name, "units can be written again");
        }
        if outcome != Outcome::Refused {
            if unit.track == Track::Video {
                self.lag.published(unit.pts, self.clock.now());
            }
            if let Some(tag) = self.dating.tag(unit.pts, &*self.clock) {
                // It is short, and a segment is open: nothing can be wrong with it.
                let _ = self.mux.note(unit.pts, tag, &mut self.sink);
            }
            if let Some(tag) = self.notices.as_mut().and_then(|notices| notices.tag(unit.pts)) {
                let _ = self.mux.note(unit.pts, tag, &mut self.sink);
            }
        }
        self.last = outcome;
    }

    /// Writes what waits for more; nothing more will come.
    pub fn finish(&mut self) {
        self.mux.flush(&mut self.sink);
    }
}
