//! AAC frames on their way into one PES packet.
//!
//! A frame of its own in each PES packet would double a radio's bit rate: 178 bytes of ADTS frame fill one
//! packet and a stuffed second one. So several share a PES packet, and it ends with the frame whose end
//! leaves the least stuffing behind.

use super::mux::PCR_INTERVAL;
use super::packet::{PAYLOAD_LEN, PCR_FIELD_LEN};
use super::pes;
use crate::base::{Pts, Span};
use crate::media::AacConfig;
use crate::media::aac::{ADTS_HEADER_LEN, AacError};

/// Bytes of frames in a PES packet: with its header they fill 16 transport packets. A player's buffer for
/// one AAC stream is 3,584 bytes (2.4.2.7).
const MAX_BYTES: usize = 16 * PAYLOAD_LEN - pes::AUDIO_HEADER_LEN;
/// The longest single ADTS frame: 13 bits of length.
const MAX_FRAME: usize = 0x1FFF;
/// More frames than that no bundle holds.
const MAX_FRAMES: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Frame {
    pts: Pts,
    start: usize,
    /// Behind its last byte.
    end: usize,
}

/// ADTS frames, in order, not yet written.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    config: AacConfig,
    /// How long one frame lasts.
    frame: Span,
    /// How much sound it may hold.
    limit: Span,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

/// Who carries the program clock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// This stream, last at that time.
    Here(Option<Pts>),
    /// The video.
    Elsewhere,
}

/// One transport packet of a bundle to come: its bytes, and its PCR.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) pcr: Option<Pts>,
}

impl Bundle {
    /// An empty one that will hold no more than `limit` of sound.
    pub(super) fn new(config: AacConfig, limit: Span) -> Self {
        let frame = Span::from_samples(i64::from(config.frame_samples()), config.rate());
        let bytes = Vec::with_capacity(MAX_BYTES + MAX_FRAME);
        Self { config, frame, limit, bytes, frames: Vec::with_capacity(MAX_FRAMES) }
    }

    pub(super) fn frame(&self) -> Span {
        self.frame
    }

    /// How long before a frame is heard its first byte arrives. A decoder knows arrivals to within one PCR
    /// interval and one frame, so nothing comes late; and at 192 kbit/s its 3,584 bytes still suffice.
    pub(super) fn lead(&self) -> Span {
        PCR_INTERVAL + self.frame
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// When its first frame is heard.
    pub(super) fn first(&self) -> Option<Pts> {
        self.frames.first().map(|frame| frame.pts)
    }

    /// Behind its first `frames` frames.
    pub(super) fn end(&self, frames: usize) -> usize {
        frames.checked_sub(1).map_or(0, |last| self.frames[last].end)
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether a frame may still join: an empty bundle takes any.
    pub(super) fn has_room(&self, len: usize, pts: Pts) -> bool {
        self.first().is_none_or(|first| {
            self.bytes.len() + ADTS_HEADER_LEN + len <= MAX_BYTES
                && pts + self.frame - first <= self.limit
                && self.frames.len() < MAX_FRAMES
        })
    }

    /// Appends a frame, with its header.
    pub(super) fn push(&mut self, data: &[u8], pts: Pts) -> Result<(), AacError> {
        let header = self.config.adts_header(data.len())?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(data);
        self.frames.push(Frame { pts, start, end: self.bytes.len() });
        Ok(())
    }

    /// Takes the first `frames` frames away.
    pub(super) fn remove(&mut self, frames: usize) {
        let end = self.end(frames);
        let left = self.bytes.len() - end;
        self.bytes.copy_within(end.., 0);
        self.bytes.truncate(left);
        self.frames.copy_within(frames.., 0);
        self.frames.truncate(self.frames.len() - frames);
        for frame in &mut self.frames {
            (frame.start, frame.end) = (frame.start - end, frame.end - end);
        }
    }

    /// With how many frames, at least half of what there is, the PES packet is best filled: the most
    /// bytes per transport packet.
    pub(super) fn best_len(&self, clock: Clock) -> usize {
        let (mut frames, mut best, mut packets) = (0, (1, 0, 1), 0);
        for piece in self.layout(self.len(), clock) {
            packets += 1;
            while self.frames.get(frames).is_some_and(|frame| frame.end <= piece.to) {
                frames += 1;
            }
            let bytes = self.end(frames);
            let (_, best_bytes, best_packets) = best;
            if frames * 2 >= self.len() && bytes * best_packets >= best_bytes * packets {
                best = (frames, bytes, packets);
            }
        }
        best.0
    }

    /// How the first `frames` frames are spread over transport packets.
    pub(super) fn layout(&self, frames: usize, clock: Clock) -> Layout<'_> {
        Layout { bundle: self, end: self.end(frames), at: 0, frame: 0, clock }
    }

    /// How long a frame is heard; the time of a hole behind it is no frame's.
    fn lasts(&self, frame: usize) -> Span {
        match self.frames.get(frame + 1) {
            Some(next) => (next.pts - self.frames[frame].pts).min(self.frame),
            None => self.frame,
        }
    }
}

/// The packets of a bundle, one after the other.
///
/// A byte arrives [`Bundle::lead`] before it would be heard, as if the frames were spread evenly over
/// their time. Where that leaves more than the allowed interval between two PCRs, as with silence of a few
/// bytes per frame, packets are cut short.
pub(super) struct Layout<'a> {
    bundle: &'a Bundle,
    end: usize,
    at: usize,
    /// The frame in which `at` lies.
    frame: usize,
    clock: Clock,
}

impl Layout<'_> {
    /// The frame in which the byte at `at` lies, which is not before the present place.
    fn frame_at(&self, at: usize) -> usize {
        let last = self.bundle.len() - 1;
        let mut frame = self.frame;
        while frame < last && self.bundle.frames[frame].end <= at {
            frame += 1;
        }
        frame
    }

    /// When the byte at `at`, which lies in `frame`, arrives.
    fn arrival(&self, at: usize, frame: usize) -> Pts {
        let Frame { pts, start, end } = self.bundle.frames[frame];
        // 32 bits hold a frame's ticks times its bytes, and are divided faster.
        let part = self.bundle.lasts(frame).ticks() as u32 * (at - start) as u32 / (end - start) as u32;
        pts + Span::from_ticks(i64::from(part)) - self.bundle.lead()
    }

    /// Whether the byte at `at`, which lies in `frame`, arrives after `deadline`.
    fn is_late(&self, at: usize, frame: usize, deadline: Pts) -> bool {
        // Most frames are all in time.
        let heard = self.bundle.frames[frame].pts + self.bundle.frame;
        heard - self.bundle.lead() > deadline && self.arrival(at, frame) > deadline
    }

    /// The last byte before `limit` that arrives by `deadline`.
    fn arrived(&self, deadline: Pts, limit: usize) -> usize {
        let heard = deadline + self.bundle.lead();
        let mut to = self.at;
        for (frame, Frame { pts, start, end }) in self.bundle.frames.iter().enumerate().skip(self.frame) {
            if *pts > heard {
                break;
            }
            let lasts = self.bundle.lasts(frame);
            let part = (heard - *pts).min(lasts).ticks() * (end - start) as i64 / lasts.ticks().max(1);
            to = start + part as usize;
        }
        to.min(limit)
    }
}

impl Iterator for Layout<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.at == self.end {
            return None;
        }
        let from = self.at;
        let room = if from == 0 { PAYLOAD_LEN - pes::AUDIO_HEADER_LEN } else { PAYLOAD_LEN };
        let mut to = self.end.min(from + room);
        let mut frame = self.frame_at(to);
        let mut pcr = None;
        if let Clock::Here(last) = self.clock
            // With the first packet, and wherever the next packet would be too late for it.
            && (from == 0 || last.is_none_or(|last| self.is_late(to, frame, last + PCR_INTERVAL)))
        {
            let earliest = last.map_or(Pts::from_ticks(i64::MIN), |last| last + Span::from_ticks(1));
            let now = earliest.max(self.arrival(from, self.frame));
            to = self.end.min(from + room - PCR_FIELD_LEN);
            frame = self.frame_at(to);
            if self.is_late(to, frame, now + PCR_INTERVAL) {
                to = self.arrived(now + PCR_INTERVAL, to).max(from + 1);
                frame = self.frame_at(to);
            }
            self.clock = Clock::Here(Some(now));
            pcr = Some(now);
        }
        (self.at, self.frame) = (to, frame);
        Some(Piece { from, to, pcr })
    }
}
