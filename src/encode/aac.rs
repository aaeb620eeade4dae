//! AAC by the Fraunhofer FDK library.

use fdk_aac::enc::{AudioObjectType, BitRate, ChannelMode, Encoder, EncoderParams, Transport};

use super::{AacParams, AacProfile, AudioEncoder, EncodeError};
use crate::base::{Pts, Span};
use crate::media::audio::SAMPLE_RATE;
use crate::media::{AacConfig, AudioBlock, Channels, Entry, Packet, Track};

/// No access unit is longer: 6144 bits per channel (ISO/IEC 14496-3, 4.5.3.1), two channels, and room.
const MAX_UNIT: usize = 2048;

/// An encoder for one stream.
pub(super) struct FdkAac {
    encoder: Encoder,
    channels: usize,
    config: AacConfig,
    delay: i64,
    /// PTS of the first sample that went in.
    origin: Option<Pts>,
    units: i64,
    pcm: Vec<i16>,
    unit: Box<[u8; MAX_UNIT]>,
}

impl FdkAac {
    pub(super) fn new(params: AacParams) -> Result<Self, EncodeError> {
        let refused =
            |error: fdk_aac::enc::EncoderError| EncodeError::Parameters { params, reason: error.to_string() };
        let encoder = Encoder::new(EncoderParams {
            bit_rate: BitRate::Cbr(params.bitrate),
            sample_rate: SAMPLE_RATE,
            transport: Transport::Raw,
            channels: match params.channels {
                Channels::Mono => ChannelMode::Mono,
                Channels::Stereo => ChannelMode::Stereo,
            },
            audio_object_type: match params.profile {
                AacProfile::Lc => AudioObjectType::Mpeg4LowComplexity,
                AacProfile::He => AudioObjectType::Mpeg4HeAac,
            },
        })
        .map_err(refused)?;
        let info = encoder.info().map_err(refused)?;
        let specific = info.confBuf.get(..info.confSize as usize).unwrap_or_default();
        Ok(Self {
            channels: params.channels.count(),
            config: AacConfig::parse(specific)?,
            delay: i64::from(info.nDelay),
            origin: None,
            units: 0,
            pcm: Vec::with_capacity(4096 * params.channels.count()),
            unit: Box::new([0; MAX_UNIT]),
            encoder,
        })
    }

    /// PTS of the unit after those already out. Sample n of the input is heard as sample n + delay of the
    /// output (the overlap of the transform, and the look-ahead), so a unit's sound is that much older than
    /// its place in the output says.
    fn next_pts(&self, origin: Pts) -> Pts {
        let first = self.units * i64::from(self.config.frame_samples());
        origin + Span::from_samples(first - self.delay, SAMPLE_RATE)
    }
}

impl AudioEncoder for FdkAac {
    fn config(&self) -> &AacConfig {
        &self.config
    }

    fn delay(&self) -> Span {
        Span::from_samples(self.delay, SAMPLE_RATE)
    }

    fn encode(
        &mut self,
        block: &AudioBlock<'_>,
        emit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), EncodeError> {
        debug_assert_eq!(block.channels, self.channels, "the pump picks the encoder's channels");
        let origin = *self.origin.get_or_insert(block.pts);
        self.pcm.clear();
        self.pcm.extend(block.samples.iter().map(|sample| to_i16(*sample)));
        let mut rest = &self.pcm[..];
        while !rest.is_empty() {
            let done = self
                .encoder
                .encode(rest, &mut self.unit[..])
                .map_err(|error| EncodeError::Encoder(error.to_string()))?;
            if done.output_size > 0 {
                let pts = self.next_pts(origin);
                let data = &self.unit[..done.output_size.min(MAX_UNIT)];
                emit(&Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data });
                self.units += 1;
            }
            if done.input_consumed == 0 && done.output_size == 0 {
                return Err(EncodeError::Encoder("it takes no more input".into()));
            }
            rest = &rest[done.input_consumed.min(rest.len())..];
        }
        Ok(())
    }
}

/// To the nearest of 16 bits; louder than full scale is clipped.
fn to_i16(sample: f32) -> i16 {
    // A float that is out of range, or no number at all, is taken to the nearest integer or to zero by `as`.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f32 = SAMPLE_RATE as f32;

    /// Encodes `seconds` of `sound` in blocks of 1024 samples; gives (PTS, length) of every unit and all
    /// units as an ADTS file.
    fn encode(params: AacParams, seconds: f32, sound: impl Fn(usize) -> f32) -> (Vec<Pts>, Vec<u8>) {
        let mut encoder = FdkAac::new(params).expect("parameters that go together");
        let (mut stamps, mut file) = (Vec::new(), Vec::new());
        let config = encoder.config().clone();
        let channels = params.channels.count();
        for block in 0..(seconds * RATE) as usize / 1024 {
            let samples: Vec<f32> =
                (0..1024 * channels).map(|i| sound(block * 1024 + i / channels)).collect();
            let pts = Pts::from_ticks(90_000) + Span::from_samples(block as i64 * 1024, SAMPLE_RATE);
            encoder
                .encode(&AudioBlock { pts, channels, samples: &samples }, &mut |unit| {
                    stamps.push(unit.pts);
                    file.extend(config.adts_header(unit.data.len()).expect("fits"));
                    file.extend(unit.data);
                })
                .expect("encodes");
        }
        (stamps, file)
    }

    /// Decodes an ADTS file to mono samples at 48 kHz.
    fn decode(adts: &[u8]) -> Vec<f32> {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut ffmpeg = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "aac", "-i", "-", "-f", "f32le", "-ac", "1", "-ar", "48000", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs ffmpeg (apt-get install ffmpeg)");
        let mut input = ffmpeg.stdin.take().expect("piped");
        let adts = adts.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&adts));
        let output = ffmpeg.wait_with_output().expect("ffmpeg ends");
        writer.join().expect("joins").expect("ffmpeg reads all");
        assert!(output.status.success());
        output.stdout.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn params(profile: AacProfile, bitrate: u32, channels: Channels) -> AacParams {
        AacParams { profile, bitrate, channels }
    }

    #[test]
    fn every_offered_setting_encodes_and_names_itself() {
        use AacProfile::{He, Lc};
        use Channels::{Mono, Stereo};
        let table = [
            (params(Lc, 32_000, Mono), "mp4a.40.2", 1024),
            (params(Lc, 64_000, Mono), "mp4a.40.2", 1024),
            (params(Lc, 192_000, Mono), "mp4a.40.2", 1024),
            (params(Lc, 32_000, Stereo), "mp4a.40.2", 1024),
            (params(Lc, 192_000, Stereo), "mp4a.40.2", 1024),
            (params(He, 24_000, Mono), "mp4a.40.5", 2048),
            (params(He, 48_000, Stereo), "mp4a.40.5", 2048),
        ];
        for (params, codecs, samples) in table {
            let encoder = FdkAac::new(params).expect("parameters that go together");
            assert_eq!(encoder.config().codecs(), codecs, "{params}");
            assert_eq!(encoder.config().frame_samples(), samples, "{params}");
            assert_eq!(encoder.config().rate(), SAMPLE_RATE, "{params}");
            let (stamps, file) = encode(params, 3.0, |n| (n as f32 * 0.1).sin() * 0.3);
            let expected = f64::from(params.bitrate) / 8.0 * 3.0;
            let coded = file.len() as f64 - 7.0 * stamps.len() as f64;
            assert!((coded / expected - 1.0).abs() < 0.12, "{params}: {coded} bytes, expected {expected}");
        }
    }

    #[test]
    fn bit_rates_that_make_no_sense_are_refused_with_the_range() {
        let error =
            super::super::aac(params(AacProfile::He, 4_000, Channels::Stereo)).err().expect("refused");
        assert_eq!(error.to_string(), "HE-AAC stereo at 4 kbit/s is not offered: choose 16 to 128 kbit/s");
    }

    /// A click at a known sample must be heard at its own timestamp, whatever the encoder's delay.
    #[test]
    fn a_click_is_heard_at_its_timestamp() {
        for (profile, tolerance_ms) in [(AacProfile::Lc, 1.0), (AacProfile::He, 3.0)] {
            let click = 30_000;
            let (stamps, file) = encode(params(profile, 64_000, Channels::Mono), 2.0, |n| {
                if (click..click + 48).contains(&n) { 0.9 } else { 0.0 }
            });
            let heard = decode(&file)
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
                .map(|(at, _)| at as f64)
                .expect("some sound");
            let first = (stamps[0] - Pts::from_ticks(90_000)).as_secs_f64();
            let off_ms = (first + heard / 48_000.0 - (click as f64 + 24.0) / 48_000.0) * 1000.0;
            assert!(off_ms.abs() <= tolerance_ms, "{profile:?}: heard {off_ms:.2} ms late");
        }
    }

    #[test]
    fn timestamps_are_exactly_one_frame_apart() {
        for (profile, ticks) in [(AacProfile::Lc, 1920), (AacProfile::He, 3840)] {
            let (stamps, _) = encode(params(profile, 48_000, Channels::Mono), 3.0, |_| 0.0);
            assert!(stamps.len() > 60);
            assert!(stamps.windows(2).all(|pair| (pair[1] - pair[0]).ticks() == ticks));
        }
    }

    #[test]
    fn samples_out_of_range_are_clipped() {
        let table = [(0.0, 0), (1.0, 32_767), (-1.0, -32_768), (2.0, 32_767), (f32::NAN, 0), (0.5, 16_384)];
        for (float, int) in table {
            assert_eq!(to_i16(float), int);
        }
    }
}
