//! MPEG-2 transport stream (ISO/IEC 13818-1): coded units to 188-byte packets and back.
//!
//! Belongs here: packet, PSI, PES, the multiplexer and a demultiplexer, all pure. Does not: files,
//! threads, segments; where to cut is decided by whoever calls the multiplexer.

mod adts;
mod bundle;
mod demux;
mod mux;
mod packet;
mod pes;
mod psi;

pub use demux::{Demux, Event, Fault};
pub use mux::{Mux, MuxError, SOUND_DELAY};
pub use packet::{NULL_PACKET, Pid};

use serde::{Deserialize, Serialize};

use crate::base::Pts;

/// Length of a transport packet (2.4.3.2).
pub const PACKET_LEN: usize = 188;

/// One item of the multiplexer's output, and of the ring behind it.
#[derive(Clone, Copy)]
pub struct Record {
    /// What the item is.
    pub mark: Mark,
    /// The transport packet; without meaning where the mark is [`Mark::End`].
    pub packet: [u8; PACKET_LEN],
}

/// What a [`Record`] is to the segmenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A packet that goes on with the one before.
    Continue,
    /// A packet (the PAT) with which a segment begins: decoding can start here.
    Begin {
        /// PTS of the first unit behind it.
        at: Pts,
        /// Whether anything was lost between this packet and the one before.
        join: Join,
    },
    /// No packet: the segment is complete, and the next one will begin at this instant.
    End {
        /// PTS of the first unit that is not in it.
        at: Pts,
    },
}

/// How a segment follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Join {
    /// Timestamps and continuity counters run on.
    Continuous,
    /// Packets were lost; timestamps run on.
    Lost,
    /// Something changed: EXT-X-DISCONTINUITY.
    Broken,
}

impl Default for Record {
    fn default() -> Self {
        Self { mark: Mark::Continue, packet: [0; PACKET_LEN] }
    }
}

/// Whether a transport stream carries timed metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notes {
    /// None.
    None,
    /// As ID3 tags, which its tables announce.
    Id3,
}

/// Where the multiplexer writes.
pub trait Sink {
    /// The place for the next record's packet. A sink that has no room gives a scratch place: writing
    /// never fails and never waits.
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN];

    /// All records asked for so far are complete.
    fn publish(&mut self);
}

#[cfg(test)]
mod tests;
