//! Samples as a sound card writes them, turned into floats of full scale ±1.0.

use ::alsa::pcm::Format;

/// The sample formats we understand, all little endian (every board we run on is).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleFormat {
    /// 32-bit integers.
    S32,
    /// IEEE 754 single precision, full scale ±1.0.
    Float,
    /// 24 bits in the lower three of four bytes.
    S24,
    /// 24 bits in three bytes.
    S24In3,
    /// 16-bit integers.
    S16,
}

impl SampleFormat {
    /// Best first: a scanner is often recorded far too low, and then each bit below the sixteenth is heard.
    pub(super) const BEST_FIRST: [Self; 5] = [Self::S32, Self::Float, Self::S24, Self::S24In3, Self::S16];

    /// ALSA's name for it.
    pub(super) const fn alsa(self) -> Format {
        match self {
            Self::S32 => Format::S32LE,
            Self::Float => Format::FloatLE,
            Self::S24 => Format::S24LE,
            Self::S24In3 => Format::S243LE,
            Self::S16 => Format::S16LE,
        }
    }

    /// Bytes of one sample of one channel.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::S32 | Self::Float | Self::S24 => 4,
            Self::S24In3 => 3,
            Self::S16 => 2,
        }
    }

    /// Appends the samples in `bytes` (a whole number of them) to `into`.
    pub(super) fn append(self, bytes: &[u8], into: &mut Vec<f32>) {
        match self {
            Self::S16 => into.extend(
                bytes.as_chunks().0.iter().map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0),
            ),
            // Shifted to the top of 32 bits: the sign falls into place, and so does away with whatever the
            // driver leaves in the fourth byte.
            Self::S24In3 => {
                into.extend(bytes.as_chunks().0.iter().map(|&[a, b, c]| from_32([0, a, b, c])));
            }
            Self::S24 => {
                into.extend(bytes.as_chunks().0.iter().map(|&[a, b, c, _]| from_32([0, a, b, c])));
            }
            Self::S32 => into.extend(bytes.as_chunks().0.iter().map(|&sample| from_32(sample))),
            // One NaN would stay in the filters behind us for ever.
            Self::Float => into.extend(
                bytes.as_chunks().0.iter().map(|&sample| f32::from_le_bytes(sample)).map(finite_or_silent),
            ),
        }
    }
}

fn from_32(sample: [u8; 4]) -> f32 {
    i32::from_le_bytes(sample) as f32 / 2_147_483_648.0
}

fn finite_or_silent(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn extremes_zero_and_sign() {
        let table: [(SampleFormat, &[u8], f32); 24] = [
            (SampleFormat::S16, &[0, 0], 0.0),
            (SampleFormat::S16, &[0x00, 0x80], -1.0),
            (SampleFormat::S16, &[0xFF, 0x7F], 32_767.0 / 32_768.0),
            (SampleFormat::S16, &[0xFF, 0xFF], -1.0 / 32_768.0),
            (SampleFormat::S24, &[0, 0, 0, 0], 0.0),
            (SampleFormat::S24, &[0x00, 0x00, 0x80, 0xFF], -1.0),
            (SampleFormat::S24, &[0x00, 0x00, 0x80, 0x00], -1.0),
            (SampleFormat::S24, &[0xFF, 0xFF, 0x7F, 0x00], 8_388_607.0 / 8_388_608.0),
            (SampleFormat::S24, &[0xFF, 0xFF, 0x7F, 0xAA], 8_388_607.0 / 8_388_608.0),
            (SampleFormat::S24, &[0xFF, 0xFF, 0xFF, 0xFF], -1.0 / 8_388_608.0),
            (SampleFormat::S24In3, &[0, 0, 0], 0.0),
            (SampleFormat::S24In3, &[0x00, 0x00, 0x80], -1.0),
            (SampleFormat::S24In3, &[0xFF, 0xFF, 0x7F], 8_388_607.0 / 8_388_608.0),
            (SampleFormat::S24In3, &[0xFF, 0xFF, 0xFF], -1.0 / 8_388_608.0),
            (SampleFormat::S32, &[0, 0, 0, 0], 0.0),
            (SampleFormat::S32, &[0x00, 0x00, 0x00, 0x80], -1.0),
            (SampleFormat::S32, &[0x00, 0x00, 0x00, 0x40], 0.5),
            (SampleFormat::S32, &[0xFF, 0xFF, 0xFF, 0xFF], -1.0 / 2_147_483_648.0),
            (SampleFormat::Float, &[0, 0, 0, 0], 0.0),
            (SampleFormat::Float, &[0x00, 0x00, 0x80, 0xBF], -1.0),
            (SampleFormat::Float, &[0x00, 0x00, 0x00, 0x3F], 0.5),
            (SampleFormat::Float, &[0x00, 0x00, 0xC0, 0x7F], 0.0), // not a number
            (SampleFormat::Float, &[0x00, 0x00, 0x80, 0x7F], 0.0), // infinite
            (SampleFormat::Float, &[0x00, 0x00, 0x80, 0xFF], 0.0), // infinite, negative
        ];
        for (format, bytes, expected) in table {
            let mut samples = vec![];
            format.append(bytes, &mut samples);
            assert_eq!(samples, [expected], "{format:?} {bytes:02x?}");
        }
    }

    #[test]
    fn our_sizes_are_those_of_alsa() {
        for format in SampleFormat::BEST_FIRST {
            let bits = format.alsa().physical_width().expect("a format ALSA knows");
            assert_eq!(usize::try_from(bits).expect("positive"), 8 * format.bytes(), "{format:?}");
        }
    }

    proptest! {
        #[test]
        fn sixteen_bits_in_any_format_are_the_same_sample(sample in any::<i16>()) {
            let [a, b] = sample.to_le_bytes();
            let expected = f32::from(sample) / 32_768.0;
            let cases: [(SampleFormat, &[u8]); 5] = [
                (SampleFormat::S16, &[a, b]),
                (SampleFormat::S24, &[0, a, b, 0]),
                (SampleFormat::S24In3, &[0, a, b]),
                (SampleFormat::S32, &[0, 0, a, b]),
                (SampleFormat::Float, &expected.to_le_bytes()),
            ];
            for (format, bytes) in cases {
                let mut samples = vec![];
                format.append(bytes, &mut samples);
                prop_assert_eq!(&samples[..], &[expected][..], "{:?}", format);
            }
        }

        #[test]
        fn any_bytes_give_as_many_samples_within_full_scale(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            for format in SampleFormat::BEST_FIRST {
                let mut samples = vec![];
                format.append(&bytes, &mut samples);
                prop_assert_eq!(samples.len(), bytes.len() / format.bytes());
                prop_assert!(samples.iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
