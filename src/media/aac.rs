//! AAC's own headers: AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) and ADTS (1.A.2.2).

/// Length of an ADTS header without its optional CRC.
pub const ADTS_HEADER_LEN: usize = 7;

/// Sampling rates by index (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

const AOT_LC: u8 = 2;
const AOT_SBR: u8 = 5;
const AOT_PS: u8 = 29;

/// What a decoder must know of an AAC stream, read from its AudioSpecificConfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacConfig {
    /// Audio object type of the whole: 2 LC, 5 HE-AAC, 29 HE-AAC v2 (table 1.17).
    object_type: u8,
    /// Audio object type of the core coder below SBR.
    core_type: u8,
    /// Sampling rate of the core coder, as an index into table 1.18.
    core_rate_index: u8,
    /// Rate of the decoded sound in Hz.
    rate: u32,
    /// Channel configuration of the core coder (table 1.19), 1 to 7.
    channel_configuration: u8,
    /// Samples per access unit at the core's rate: 1024 or 960.
    core_frame: u16,
    /// The configuration's own bytes.
    bytes: Vec<u8>,
}

/// Why a header could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AacError {
    /// The bytes end within a field.
    #[error("AudioSpecificConfig ends after {0} bits")]
    Truncated(usize),
    /// An audio object type ADTS cannot carry or players cannot play.
    #[error("audio object type {0} is neither AAC-LC nor HE-AAC")]
    ObjectType(u8),
    /// A sampling rate index without a rate behind it.
    #[error("sampling frequency index {0} is reserved")]
    Rate(u8),
    /// A channel configuration that is not 1 to 7.
    #[error("channel configuration {0} needs a program config element, which is not supported")]
    Channels(u8),
    /// No ADTS sync word where a frame should begin.
    #[error("no ADTS frame begins here")]
    NoSync,
    /// An ADTS frame longer than its 13-bit length field allows.
    #[error("access unit of {0} bytes is too long for ADTS (8184 at most)")]
    TooLong(usize),
}

/// Bits, most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<u32, AacError> {
        (0..count).try_fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8).ok_or(AacError::Truncated(self.at))?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Ok(value << 1 | u32::from(bit))
        })
    }

    /// GetAudioObjectType (table 1.16).
    fn object_type(&mut self) -> Result<u8, AacError> {
        let short = self.take(5)?;
        let long = if short == 31 { 32 + self.take(6)? } else { short };
        Ok(long as u8)
    }

    /// A sampling frequency as its index; an explicit rate must be one of the table's.
    fn rate_index(&mut self) -> Result<u8, AacError> {
        let index = self.take(4)? as u8;
        if index == 15 {
            let rate = self.take(24)?;
            let found = RATES.iter().position(|known| *known == rate);
            return found.map(|index| index as u8).ok_or(AacError::Rate(15));
        }
        if usize::from(index) < RATES.len() { Ok(index) } else { Err(AacError::Rate(index)) }
    }
}

impl AacConfig {
    /// Reads an AudioSpecificConfig (ISO/IEC 14496-3, table 1.15) as an encoder hands it out.
    ///
    /// # Errors
    /// If it is cut short, or describes something other than AAC-LC or HE-AAC in one to seven channels.
    pub fn parse(bytes: &[u8]) -> Result<Self, AacError> {
        let mut bits = Bits { bytes, at: 0 };
        let object_type = bits.object_type()?;
        let core_rate_index = bits.rate_index()?;
        let channel_configuration = bits.take(4)? as u8;
        let (core_type, rate_index) = match object_type {
            AOT_SBR | AOT_PS => {
                let extended = bits.rate_index()?;
                (bits.object_type()?, extended)
            }
            plain => (plain, core_rate_index),
        };
        if core_type != AOT_LC {
            return Err(AacError::ObjectType(core_type));
        }
        if !(1..=7).contains(&channel_configuration) {
            return Err(AacError::Channels(channel_configuration));
        }
        // GASpecificConfig (table 4.1): frameLengthFlag.
        let core_frame = if bits.take(1)? == 1 { 960 } else { 1024 };
        let rate = RATES[usize::from(rate_index)];
        let bytes = bytes.to_vec();
        Ok(Self { object_type, core_type, core_rate_index, rate, channel_configuration, core_frame, bytes })
    }

    /// The AudioSpecificConfig itself, for containers that carry it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The CODECS name (RFC 6381, 3.3): `mp4a.40.` and the audio object type.
    pub fn codecs(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }

    /// Rate of the decoded sound in Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Decoded samples in one access unit, per channel: 1024, or 2048 with SBR.
    pub fn frame_samples(&self) -> u32 {
        let core_rate = RATES[usize::from(self.core_rate_index)];
        u32::from(self.core_frame) * (self.rate / core_rate).max(1)
    }

    /// Channels of the decoded sound: with parametric stereo two, though one is coded.
    pub fn channels(&self) -> u8 {
        match (self.object_type, self.channel_configuration) {
            (AOT_PS, _) => 2,
            (_, 7) => 8,
            (_, coded) => coded,
        }
    }

    /// The ADTS header for an access unit of `len` bytes (ISO/IEC 14496-3, 1.A.2.2).
    ///
    /// ADTS signals SBR implicitly: it names the core coder only.
    ///
    /// # Errors
    /// If the frame would not fit the 13-bit length.
    pub fn adts_header(&self, len: usize) -> Result<[u8; ADTS_HEADER_LEN], AacError> {
        let frame = len + ADTS_HEADER_LEN;
        if frame > 0x1FFF {
            return Err(AacError::TooLong(len));
        }
        let profile = self.core_type - 1;
        let channels = self.channel_configuration;
        Ok([
            0xFF,
            0xF1, // syncword, ID = 0 (MPEG-4), layer = 0, protection_absent = 1
            profile << 6 | self.core_rate_index << 2 | channels >> 2,
            (channels & 3) << 6 | (frame >> 11) as u8,
            (frame >> 3) as u8,
            (frame as u8 & 7) << 5 | 0x1F, // adts_buffer_fullness = 0x7FF: not stated
            0xFC,
        ])
    }
}

/// The length of the ADTS frame that begins at `bytes[0]`, header included.
///
/// # Errors
/// If no frame begins there. The frame may reach past the end of `bytes`.
pub fn adts_frame_len(bytes: &[u8]) -> Result<usize, AacError> {
    match *bytes {
        [0xFF, b1, _, b3, b4, b5, ..] if b1 & 0xF6 == 0xF0 => {
            let len = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
            if len >= ADTS_HEADER_LEN { Ok(len) } else { Err(AacError::NoSync) }
        }
        _ => Err(AacError::NoSync),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn configurations_as_encoders_write_them() {
        // bytes, CODECS, rate, channels, samples per access unit
        let table: &[(&[u8], &str, u32, u8, u32)] = &[
            (&[0x11, 0x88], "mp4a.40.2", 48_000, 1, 1024),
            (&[0x11, 0x90], "mp4a.40.2", 48_000, 2, 1024),
            (&[0x12, 0x10], "mp4a.40.2", 44_100, 2, 1024),
            (&[0x2B, 0x09, 0x88, 0x00], "mp4a.40.5", 48_000, 1, 2048),
            (&[0xEB, 0x09, 0x88, 0x00], "mp4a.40.29", 48_000, 2, 2048),
        ];
        for (bytes, codecs, rate, channels, samples) in table {
            let config = AacConfig::parse(bytes).expect("a valid configuration");
            assert_eq!(config.codecs(), *codecs);
            assert_eq!(
                (config.rate(), config.channels(), config.frame_samples()),
                (*rate, *channels, *samples)
            );
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        assert_eq!(AacConfig::parse(&[]), Err(AacError::Truncated(0)));
        assert_eq!(AacConfig::parse(&[0x09, 0x90, 0x00]), Err(AacError::ObjectType(1)));
        assert_eq!(AacConfig::parse(&[0x11, 0x80]), Err(AacError::Channels(0)));
        assert_eq!(AacConfig::parse(&[0x16, 0x88]), Err(AacError::Rate(13)));
        let config = AacConfig::parse(&[0x11, 0x90]).expect("valid");
        assert_eq!(config.adts_header(8185), Err(AacError::TooLong(8185)));
    }

    #[test]
    fn an_adts_header_bit_by_bit() {
        let config = AacConfig::parse(&[0x11, 0x90]).expect("valid");
        // LC, 48 kHz (index 3), stereo, 7 + 171 = 178 = 0b0_0000_1011_0010 bytes.
        assert_eq!(config.adts_header(171), Ok([0xFF, 0xF1, 0x4C, 0x80, 0x16, 0x5F, 0xFC]));
    }

    proptest! {
        #[test]
        fn headers_give_their_length_back(len in 0usize..=8184) {
            let config = AacConfig::parse(&[0x11, 0x88]).expect("valid");
            let header = config.adts_header(len).expect("fits");
            prop_assert_eq!(adts_frame_len(&header), Ok(len + ADTS_HEADER_LEN));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..32)) {
            let _ = AacConfig::parse(&bytes);
            let _ = adts_frame_len(&bytes);
        }
    }
}
