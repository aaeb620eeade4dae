//! Clips: one file cut from the window, without coding anything anew.
//!
//! Belongs here: which units of which segments a file has, what its tables say of them, and its bytes, segment by
//! segment; all pure. Does not: who asks for one, or where it goes.
//!
//! A clip is cut in two passes. The first reads the segments and writes the file's head; the second makes its media of
//! one segment after the other as they are wanted, so that no clip is ever in memory as a whole.

mod cut;
mod scan;
mod tables;

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::base::{Pts, Span};
use crate::container::mp4::{TooLarge, nal_units};
use crate::media::{AacConfig, Track};
use crate::segment::{Segment, crypt};

pub use cut::cut;

/// The longest clip.
pub const LONGEST: Span = Span::from_millis(30 * 60_000);

/// What is heard around a transmission: nobody's first syllable is to be lost.
pub const BEFORE: Span = Span::from_millis(300);
/// The same behind it.
pub const AFTER: Span = Span::from_millis(500);

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MP4 with sound alone.
    M4a,
    /// AAC in ADTS.
    Aac,
    /// MP4 with pictures, and sound if there is some.
    Mp4,
    /// The segments as they are.
    Ts,
}

impl Kind {
    /// How names of such files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::M4a => "m4a",
            Self::Aac => "aac",
            Self::Mp4 => "mp4",
            Self::Ts => "ts",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let kind =
            [Self::M4a, Self::Aac, Self::Mp4, Self::Ts].into_iter().find(|kind| kind.extension() == word);
        kind.ok_or_else(|| format!("format={word} is none; there are m4a, aac, mp4 and ts"))
    }
}

/// Why there is no clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Whoever wants more wants a recording, and can have it in pieces.
    #[error(
        "a clip has at most {} minutes, and this would have {} s; ask for less, or for a playlist of it",
        LONGEST.as_secs_f64() / 60.0, .0.as_secs_f64().round()
    )]
    TooLong(Span),
    /// The file's tables have no room.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// There are segments, and in them nothing of that time.
    #[error("there is no {0} in that time")]
    Nothing(&'static str),
}

/// A file that can be written: its head, and where its media come from.
#[derive(Debug)]
pub struct Clip {
    /// What kind.
    pub kind: Kind,
    /// What it begins with; for MP4, all but the media.
    pub head: Bytes,
    /// The rest, in order.
    pub pieces: Vec<Piece>,
    /// The time it shows.
    pub span: Range<Pts>,
}

impl Clip {
    /// Bytes of the file.
    pub fn size(&self) -> usize {
        self.head.len() + self.pieces.iter().map(|piece| piece.len).sum::<usize>()
    }
}

/// What a file has of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The segment's media sequence number.
    pub sequence: u64,
    /// Bytes in the file.
    pub len: usize,
    /// Where the segment begins.
    start: Pts,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// All of it.
    Whole,
    /// Its frames with these numbers, each with its header.
    Adts { frames: Range<usize>, config: Arc<AacConfig> },
    /// Its pictures with these numbers, then its frames.
    Samples { pictures: Range<usize>, frames: Range<usize> },
}

impl Piece {
    /// Its bytes, out of the segment it was cut from; `None` if this is another.
    pub fn bytes(&self, segment: &Segment) -> Option<Bytes> {
        if (segment.sequence, segment.start) != (self.sequence, self.start) {
            return None;
        }
        let mut out = BytesMut::with_capacity(self.len);
        match &self.content {
            Content::Whole => crypt::clear(segment)?.iter().for_each(|chunk| out.put_slice(chunk)),
            Content::Adts { frames, config } => {
                let mut frame = 0;
                scan::units(segment, |unit| {
                    if unit.track == Track::Audio {
                        // It came behind such a header: it is not too long for one.
                        if let Some(header) =
                            config.adts_header(unit.data.len()).ok().filter(|_| frames.contains(&frame))
                        {
                            out.put_slice(&header);
                            out.put_slice(unit.data);
                        }
                        frame += 1;
                    }
                });
            }
            Content::Samples { pictures, frames } => {
                let (mut picture, mut frame, mut sound) = (0, 0, Vec::new());
                scan::units(segment, |unit| match unit.track {
                    Track::Video => {
                        if pictures.contains(&picture) {
                            for nal in nal_units(unit.data) {
                                out.put_u32(nal.len() as u32);
                                out.put_slice(nal);
                            }
                        }
                        picture += 1;
                    }
                    Track::Audio => {
                        if frames.contains(&frame) {
                            sound.extend_from_slice(unit.data);
                        }
                        frame += 1;
                    }
                });
                out.put_slice(&sound);
            }
        }
        (out.len() == self.len).then(|| out.freeze())
    }
}
