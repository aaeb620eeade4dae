//! H.264 in software, by x264.

use std::ffi::CStr;
use std::num::NonZero;

use super::video::{Ask, Preset, Tuning, VideoEncoder, VideoError, VideoParams};
use crate::base::Pts;
use crate::media::h264::{NalType, nal_units};
use crate::media::{Entry, FrameRate, Packet, Picture, Track, VideoConfig, VideoFrame};
use crate::sys::x264::{Encoder, PictureType, Settings};

/// More threads than this make pictures worse and none of our boards faster.
const MOST_THREADS: usize = 4;
/// Every thread codes a slice; below so many rows it is not worth one.
const ROWS_PER_THREAD: usize = 96;

/// An encoder for one stream.
pub(super) struct X264 {
    name: String,
    encoder: Encoder,
    rate: FrameRate,
    config: VideoConfig,
}

impl X264 {
    pub(super) fn new(params: VideoParams) -> Result<Self, VideoError> {
        let name = format!("x264 {}", params.preset.name().to_string_lossy());
        let refused = |refused: crate::sys::x264::Refused| VideoError::Parameters {
            encoder: name.clone(),
            what: format!("{} at {} and {} kbit/s", params.size, params.rate, params.tuning.bitrate / 1000),
            reason: refused.to_string(),
        };
        let mut encoder = Encoder::open(&Settings {
            preset: params.preset.name(),
            size: params.size,
            rate: params.rate,
            kilobits: kilobits(params.tuning, params.rate),
            threads: threads(params.size.height()) as u32,
        })
        .map_err(refused)?;
        // x264 introduces itself in 600 bytes of its first picture, in the way of players that look for an IDR
        // picture right behind its parameter sets. That picture goes nowhere; it shows that the encoder works.
        let black = Picture::black(params.size);
        let long_ago = Pts::from_ticks(i64::MIN / 2);
        let frame = VideoFrame { pts: long_ago, size: params.size, planes: black.planes(), memory: None };
        encoder.encode(&frame, PictureType::Idr).map_err(refused)?;
        let headers = encoder.headers().map_err(refused)?;
        let sps = nal_units(&headers).find(|unit| NalType::of(unit[0]) == NalType::Sps);
        // profile_idc, the constraint flags and level_idc follow the NAL header (ITU-T H.264, 7.3.2.1.1).
        let Some([_, profile, constraints, level, ..]) = sps else {
            return Err(refused(crate::sys::x264::Refused::Headers));
        };
        let config = VideoConfig {
            codecs: format!("avc1.{profile:02x}{constraints:02x}{level:02x}"),
            size: params.size,
            rate: params.rate,
        };
        Ok(Self { encoder, rate: params.rate, config, name })
    }
}

impl VideoEncoder for X264 {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> &VideoConfig {
        &self.config
    }

    fn encode(
        &mut self,
        frame: &VideoFrame<'_>,
        ask: Ask,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), VideoError> {
        let kind = match ask {
            Ask::Any => PictureType::Auto,
            Ask::Idr => PictureType::Idr,
        };
        let failed = |reason: crate::sys::x264::Refused| VideoError::Encoder {
            encoder: self.name.clone(),
            reason: reason.to_string(),
        };
        let coded = self.encoder.encode(frame, kind).map_err(failed)?;
        let entry = match coded.kind {
            PictureType::Idr => Entry::Key,
            PictureType::Auto => Entry::Dependent,
        };
        unit(&Packet { track: Track::Video, pts: frame.pts, dts: frame.pts, entry, data: coded.data });
        Ok(())
    }

    fn tune(&mut self, tuning: Tuning) -> Result<(), VideoError> {
        self.encoder.set_kilobits(kilobits(tuning, self.rate)).map_err(|refused| VideoError::Parameters {
            encoder: self.name.clone(),
            what: format!("{} kbit/s at {}", tuning.bitrate / 1000, tuning.rate),
            reason: refused.to_string(),
        })
    }
}

impl Preset {
    fn name(self) -> &'static CStr {
        match self {
            Self::Ultrafast => c"ultrafast",
            Self::Superfast => c"superfast",
            Self::Veryfast => c"veryfast",
            Self::Faster => c"faster",
            Self::Fast => c"fast",
        }
    }
}

/// x264 shares bits out by the rate it was opened with: with fewer pictures each must get more.
fn kilobits(tuning: Tuning, opened: FrameRate) -> u32 {
    (f64::from(tuning.bitrate) / 1000.0 * opened.hertz() / tuning.rate.hertz()).round() as u32
}

fn threads(rows: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(MOST_THREADS).min(rows / ROWS_PER_THREAD).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::media::h264::begins_with_delimiter;
    use crate::media::{Planes, Size};

    fn params(size: &str, bitrate: u32) -> VideoParams {
        let rate = FrameRate::new(30, 1).expect("a rate");
        let size: Size = size.parse().expect("a size");
        VideoParams { size, rate, tuning: Tuning { bitrate, rate }, preset: Preset::Ultrafast }
    }

    /// Noise that moves: every picture costs bits.
    fn noise(picture: &mut Picture, seed: usize) {
        let mut state = seed as u32 | 1;
        for plane in picture.planes_mut() {
            plane.fill_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                16 + (state >> 26) as u8
            });
        }
    }

    /// What becomes of pictures `from..to`: entry, and the types of the NAL units.
    fn encode(
        encoder: &mut X264,
        picture: &mut Picture,
        from: usize,
        to: usize,
    ) -> Vec<(Entry, Vec<NalType>, usize)> {
        let mut units = Vec::new();
        for n in from..to {
            noise(picture, n);
            let pts = Pts::from_ticks(-5_000) + Span::from_ticks(3000 * n as i64 + (n as i64 * 7919) % 900);
            let frame = VideoFrame { pts, size: picture.size(), planes: picture.planes(), memory: None };
            let ask = if n.is_multiple_of(20) { Ask::Idr } else { Ask::Any };
            let before = units.len();
            let take = &mut |unit: &Packet<'_>| {
                assert_eq!((unit.pts, unit.dts), (pts, pts));
                assert!(begins_with_delimiter(unit.data));
                let types = nal_units(unit.data).map(|unit| NalType::of(unit[0])).collect();
                units.push((unit.entry, types, unit.data.len()));
            };
            encoder.encode(&frame, ask, take).expect("encoded");
            assert_eq!(units.len(), before + 1, "each picture comes out at once");
        }
        units
    }

    #[test]
    fn units_come_at_once_and_idr_pictures_where_asked_with_all_they_need() {
        use NalType::{Aud, Idr, Pps, Sps};
        let mut encoder = X264::new(params("320x240", 400_000)).expect("an encoder");
        assert_eq!(encoder.config().codecs, "avc1.42c00d");
        let mut picture = Picture::black(encoder.config().size);
        for (n, (entry, types, _)) in encode(&mut encoder, &mut picture, 0, 100).into_iter().enumerate() {
            if n.is_multiple_of(20) {
                assert_eq!(entry, Entry::Key);
                assert_eq!(types[..3], [Aud, Sps, Pps], "picture {n}");
                assert!(types[3..].iter().all(|kind| *kind == Idr), "picture {n}: {types:?}");
            } else {
                assert_eq!(entry, Entry::Dependent);
                assert!(!types.contains(&Idr) && !types.contains(&Sps), "picture {n}: {types:?}");
            }
        }
    }

    #[test]
    fn the_bit_rate_is_kept_and_follows_when_changed() {
        let mut encoder = X264::new(params("320x240", 800_000)).expect("an encoder");
        let mut picture = Picture::black(encoder.config().size);
        let mut kilobits = |encoder: &mut X264, from: usize, pictures_per_second: f64| {
            let units = encode(encoder, &mut picture, from, from + 150);
            let bytes: usize = units.iter().map(|(_, _, len)| len).sum();
            bytes as f64 * 8.0 / 1000.0 / (150.0 / pictures_per_second)
        };
        let first = kilobits(&mut encoder, 0, 30.0);
        assert!((640.0..900.0).contains(&first), "{first}");
        let rate = FrameRate::new(30, 1).expect("a rate");
        encoder.tune(Tuning { bitrate: 300_000, rate }).expect("tuned");
        let second = kilobits(&mut encoder, 200, 30.0);
        assert!((220.0..360.0).contains(&second), "{second}");
        let half = FrameRate::new(15, 1).expect("a rate");
        encoder.tune(Tuning { bitrate: 300_000, rate: half }).expect("tuned");
        let third = kilobits(&mut encoder, 400, 15.0);
        assert!((220.0..360.0).contains(&third), "{third}");
    }

    #[test]
    fn pictures_of_another_size_or_too_short_are_refused_and_the_next_is_taken() {
        let mut encoder = X264::new(params("320x240", 400_000)).expect("an encoder");
        let (right, wrong) =
            (Picture::black(encoder.config().size), Picture::black("160x120".parse().expect("a size")));
        let mut count = 0;
        let Planes::I420([y, u, v]) = right.planes() else { unreachable!("pictures are I420") };
        let short = Planes::I420([y, u, crate::media::Plane { data: &v.data[1..], ..v }]);
        let tries = [
            (wrong.size(), wrong.planes(), false),
            (right.size(), wrong.planes(), false),
            (right.size(), short, false),
            (right.size(), right.planes(), true),
        ];
        for (n, (size, planes, taken)) in tries.into_iter().enumerate() {
            let frame = VideoFrame { pts: Pts::from_ticks(n as i64 * 3000), size, planes, memory: None };
            let done = encoder.encode(&frame, Ask::Any, &mut |_| count += 1);
            assert_eq!(done.is_ok(), taken, "{n}: {done:?}");
        }
        assert_eq!(count, 1);
    }
}
