//! The parameter sets of a stream, as containers carry them apart from its pictures (ISO/IEC 14496-15, 5.3).

use super::sps::has_samples;
use super::{NalType, Samples, Sps, SpsError, head, nal_type};

/// The parameter sets that stand before an IDR picture, which decoding it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    sequence: Vec<Vec<u8>>,
    picture: Vec<Vec<u8>>,
    first: Sps,
}

/// Why an access unit's parameter sets are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetsError {
    /// There is none of a kind before the first slice.
    #[error("no {0} parameter set before the picture")]
    Missing(&'static str),
    /// The first sequence parameter set makes no sense.
    #[error("the sequence parameter set is of no use: {0}")]
    Sps(#[from] SpsError),
    /// More or longer ones than the record's fields can tell.
    #[error("too many {0} parameter sets, or one of more than 65535 bytes")]
    TooMany(&'static str),
}

const SEQUENCE: &str = "sequence";
const PICTURE: &str = "picture";
/// `numOfSequenceParameterSets` has five bits, `numOfPictureParameterSets` eight.
const MAX_SEQUENCE: usize = 31;
const MAX_PICTURE: usize = 255;

impl ParameterSets {
    /// Those of an access unit in Annex B form, in their order; what is there twice is kept once.
    ///
    /// # Errors
    /// If a kind is missing, or the sets cannot be described.
    pub fn of(access_unit: &[u8]) -> Result<Self, SetsError> {
        let (mut sequence, mut picture) = (Vec::new(), Vec::new());
        for nal in head(access_unit) {
            let sets: &mut Vec<Vec<u8>> = match nal_type(nal) {
                Some(NalType::Sps) => &mut sequence,
                Some(NalType::Pps) => &mut picture,
                _ => continue,
            };
            if sets.iter().all(|set| set != nal) {
                sets.push(nal.to_vec());
            }
        }
        for (kind, sets, most) in [(SEQUENCE, &sequence, MAX_SEQUENCE), (PICTURE, &picture, MAX_PICTURE)] {
            if sets.len() > most || sets.iter().any(|set| set.len() > usize::from(u16::MAX)) {
                return Err(SetsError::TooMany(kind));
            }
        }
        let first = Sps::parse(sequence.first().ok_or(SetsError::Missing(SEQUENCE))?)?;
        if picture.is_empty() {
            return Err(SetsError::Missing(PICTURE));
        }
        Ok(Self { sequence, picture, first })
    }

    /// Whether all parameter sets of an access unit are among these; takes no memory.
    pub fn cover(&self, access_unit: &[u8]) -> bool {
        head(access_unit).all(|nal| match nal_type(nal) {
            Some(NalType::Sps) => self.sequence.iter().any(|set| set == nal),
            Some(NalType::Pps) => self.picture.iter().any(|set| set == nal),
            _ => true,
        })
    }

    /// What the first sequence parameter set says.
    pub fn sps(&self) -> &Sps {
        &self.first
    }

    /// The AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1), for lengths of four bytes before NAL units.
    pub fn record(&self) -> Vec<u8> {
        let [profile, constraints, level] = self.first.profile;
        // configurationVersion 1; six reserved bits and lengthSizeMinusOne 3; three reserved bits
        let mut out = vec![1, profile, constraints, level, 0xFF, 0xE0 | self.sequence.len() as u8];
        push(&mut out, &self.sequence);
        out.push(self.picture.len() as u8);
        push(&mut out, &self.picture);
        if has_samples(profile) {
            let Samples { chroma, luma_bits, chroma_bits } = self.first.samples;
            // Reserved bits before each; numOfSequenceParameterSetExt 0
            out.extend_from_slice(&[0xFC | chroma, 0xF8 | (luma_bits - 8), 0xF8 | (chroma_bits - 8), 0]);
        }
        out
    }
}

/// Each set behind its length.
fn push(out: &mut Vec<u8>, sets: &[Vec<u8>]) {
    for set in sets {
        out.extend_from_slice(&(set.len() as u16).to_be_bytes());
        out.extend_from_slice(set);
    }
}
