//! What it costs to find what happens in sound and pictures: processor time for each second of a stream.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Pts, Random, Span};
use outpost::detect::{self, Watcher, motion};
use outpost::encode::{AudioEncoder, EncodeError};
use outpost::media::audio::SAMPLE_RATE;
use outpost::media::{AacConfig, AudioBlock, CutGrid, Packet, Pick, Picture, Size};
use outpost::pump::audio::{AudioStream, PumpStats};
use outpost::ring;

use crate::process::thread_time;
use crate::table::Row;

/// Seconds of a stream in a round, and rounds: of these the best counts, since what else the machine does only adds.
const SECONDS: u32 = 20;
const ROUNDS: usize = 5;
/// Samples of a block, and of each channel.
const BLOCK: usize = 1_024;
/// Different pictures, more than the caches hold, and how many a second.
const PICTURES: u32 = 16;
const RATE: u32 = 30;

pub(crate) fn rows(_: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("What happens in sound and pictures");
    Ok(vec![
        Row::limit("mono: levels, transmissions, CPU per second", 0.5, sound(Pick::Mono)?, "ms"),
        Row::limit("stereo: the same", 0.5, sound(Pick::Stereo)?, "ms"),
        Row::limit("720p30: motion, CPU per second", 10.0, pictures("1280x720".parse()?)?, "ms"),
    ])
}

/// Encodes nothing, so that all that is left is hearing.
struct Deaf(AacConfig);

impl AudioEncoder for Deaf {
    fn config(&self) -> &AacConfig {
        &self.0
    }

    fn delay(&self) -> Span {
        Span::ZERO
    }

    fn encode(&mut self, _: &AudioBlock<'_>, _: &mut dyn FnMut(&Packet<'_>)) -> Result<(), EncodeError> {
        Ok(())
    }
}

/// Milliseconds a second for a voice's pitch, on and off, above hiss.
fn sound(pick: Pick) -> Result<f64, Box<dyn Error>> {
    let channels = pick.channels().count();
    // ISO/IEC 14496-3, 1.6.2.1: AAC-LC, 48 kHz.
    let config = AacConfig::parse(&[0x11, 0x80 | (channels as u8) << 3])?;
    let (told, _events) = ring::channel(64)?;
    let (grid, stats) = (CutGrid::new(Span::from_millis(2_000)), Arc::new(PumpStats::default()));
    let stream = AudioStream::new("radio", pick, Box::new(Deaf(config)), grid, Vec::new(), stats);
    let mut stream = stream.with_activity(detect::Settings::default(), told);
    let mut random = Random::new(1);
    let sample = |n: u32| {
        let t = f64::from(n) / f64::from(SAMPLE_RATE);
        let voice = if t % 4.0 < 2.0 { 0.2 * (700.0 * t.fract()).sin() as f32 } else { 0.0 };
        voice + random.within(-0.01..0.01)
    };
    let mono: Vec<f32> = (0..SECONDS * SAMPLE_RATE).map(sample).collect();
    let sound: Vec<f32> = mono.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect();
    let mut pts = Pts::default();
    best(|| {
        for samples in sound.chunks_exact(BLOCK * channels) {
            stream.feed(black_box(&AudioBlock { pts, channels, samples }));
            pts += Span::from_samples(BLOCK as i64, SAMPLE_RATE);
        }
    })
}

/// Milliseconds a second for pictures that are all noise: every cell changes.
fn pictures(size: Size) -> Result<f64, Box<dyn Error>> {
    let mut random = Random::new(1);
    let mut noise = || {
        let mut picture = Picture::black(size);
        picture.planes_mut()[0].fill_with(|| random.within(16.0..235.0) as u8);
        picture
    };
    let pictures: Vec<Picture> = (0..PICTURES).map(|_| noise()).collect();
    let mut watcher = Watcher::new(motion::Settings::default(), size);
    let mut pts = Pts::default();
    best(|| {
        for picture in pictures.iter().cycle().take((SECONDS * RATE) as usize) {
            black_box(watcher.see(pts, &black_box(picture).planes()));
            pts += Span::from_millis(1_000 / i64::from(RATE));
        }
    })
}

/// The least processor time of this thread for a second of the stream, in milliseconds.
fn best(mut round: impl FnMut()) -> Result<f64, Box<dyn Error>> {
    let mut least = Duration::MAX;
    for _ in 0..ROUNDS {
        let before = thread_time()?;
        round();
        least = least.min(thread_time()? - before);
    }
    Ok(least.as_secs_f64() * 1e3 / f64::from(SECONDS))
}
