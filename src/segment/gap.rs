//! What is given to whoever fetches a gap.
//!
//! A player should not (rfc8216bis, 6.3.3), but those that do not know EXT-X-GAP do, and take an error ill: video.js 8
//! and GStreamer 1.22 ask again for ever, and VLC 3 ends. All of them pass over packets without meaning.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::crypt::enciphered;
use super::{Body, Presence, Segment};
use crate::container::ts::NULL_PACKET;

/// VLC reads 50 at once, and takes fewer for the end of the stream.
const PACKETS: usize = 64;

static CLEAR: LazyLock<Bytes> = LazyLock::new(|| NULL_PACKET.repeat(PACKETS).into());

impl Segment {
    /// A gap of a transport stream with null packets in it, enciphered if the gap has a key; `None` if it is something
    /// else.
    pub fn filled(&self) -> Option<Self> {
        let is_gap = self.presence == Presence::Gap && self.init.is_none();
        is_gap.then(|| {
            let body = match &self.key {
                Some(key) => enciphered(key, self.sequence, &CLEAR),
                None => Body { len: CLEAR.len(), chunks: Arc::new([CLEAR.clone()]) },
            };
            Self { body, ..self.clone() }
        })
    }
}
