//! AAC frames out of a stream of ADTS frames (ISO/IEC 14496-3, 1.A.2.2).

use super::demux::Fault;
use crate::base::{Pts, Span};
use crate::media::AacConfig;
use crate::media::aac::{self, ADTS_HEADER_LEN};

/// Splits what PES packets carry into access units and gives each its time.
#[derive(Clone, Debug, Default)]
pub(super) struct Adts {
    config: Option<AacConfig>,
    /// A frame that is not complete yet.
    rest: Vec<u8>,
    /// Frames since `anchor`, so that the rounding of one frame's length does not add up.
    since: i64,
    /// The last PTS read.
    anchor: Option<Pts>,
}

impl Adts {
    pub(super) fn config(&self) -> Option<&AacConfig> {
        self.config.as_ref()
    }

    /// Something was lost: the frame begun will never be complete.
    pub(super) fn reset(&mut self) {
        self.rest.clear();
        self.anchor = None;
    }

    /// Takes the payload of a PES packet; `pts` belongs to the first frame that begins in it (2.4.3.7).
    /// Frames before any timestamp are left out.
    pub(super) fn push(
        &mut self,
        payload: &[u8],
        mut pts: Option<Pts>,
        mut tell: impl FnMut(Result<(Pts, &[u8]), Fault>),
    ) {
        let begun = self.rest.len();
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(payload);
        let mut at = 0;
        while bytes.len() - at >= ADTS_HEADER_LEN {
            if at >= begun
                && let Some(pts) = pts.take()
            {
                (self.anchor, self.since) = (Some(pts), 0);
            }
            let frame = &bytes[at..];
            let Ok(len) = aac::adts_frame_len(frame) else {
                tell(Err(Fault::Adts));
                // The next thing that looks like the beginning of a frame.
                at +=
                    1 + frame[1..].windows(2).take_while(|w| !(w[0] == 0xFF && w[1] & 0xF6 == 0xF0)).count();
                continue;
            };
            let Some(frame) = frame.get(..len) else { break };
            at += len;
            match self.unit(frame) {
                Ok((Some(pts), data)) => tell(Ok((pts, data))),
                Ok((None, _)) => {}
                Err(fault) => tell(Err(fault)),
            }
        }
        bytes.drain(..at.min(bytes.len()));
        self.rest = bytes;
    }

    fn unit<'a>(&mut self, frame: &'a [u8]) -> Result<(Option<Pts>, &'a [u8]), Fault> {
        // protection_absent: without it a CRC of 16 bits follows the header.
        let header = if frame[1] & 1 == 1 { ADTS_HEADER_LEN } else { ADTS_HEADER_LEN + 2 };
        // number_of_raw_data_blocks_in_frame: more than one per header is legal, and nobody writes it.
        let data = frame.get(header..).filter(|_| frame[6] & 3 == 0).ok_or(Fault::Adts)?;
        let bits = [frame[2] >> 6, frame[2] >> 2 & 0x0F, (frame[2] & 1) << 2 | frame[3] >> 6];
        let [profile, rate, channels] = bits;
        let object_type = profile + 1;
        let config = [object_type << 3 | rate >> 1, rate << 7 | channels << 3];
        if self.config.as_ref().is_none_or(|known| known.bytes() != config) {
            self.config = Some(AacConfig::parse(&config).map_err(|_| Fault::Adts)?);
        }
        let config = self.config.as_ref().ok_or(Fault::Adts)?;
        let samples = i64::from(config.frame_samples());
        let pts = self.anchor.map(|anchor| anchor + Span::from_samples(self.since * samples, config.rate()));
        self.since += 1;
        Ok((pts, data))
    }
}
