//! What a rendition costs that only copies: sound alone, beside a stream's pictures.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpost::base::{Clock, Pulse, Span};
use outpost::container::ts::Record;
use outpost::media::aac::AacConfig;
use outpost::media::{CutGrid, Entry, Packet, Program, Track, grid::Cutter};
use outpost::playlist::{Format, Latency, Style};
use outpost::pump::outlet::Outlet;
use outpost::pump::segments::Segments;
use outpost::pump::sink::RecordSink;
use outpost::ring::{self, Audience, Consumer, Reader};
use outpost::segment::{Agreement, Keeper, Ledger, Numbering, SegmentConfig, Segmenter, TargetDuration};
use outpost::serve::Rendition;
use outpost::sys::clock::RealClock;

use crate::process::thread_time;
use crate::table::Row;

/// How long it is watched, in real time: waking up costs more than copying.
const WATCHED: Duration = Duration::from_secs(20);
/// AAC-LC in mono at 48 kHz (ISO/IEC 14496-3, 1.6.2.1), of 64 kbit/s.
const SOUND: [u8; 2] = [0x11, 0x88];
const FRAME_BYTES: usize = 171;

/// Copies units in real time into a rendition of their own.
pub(crate) fn rows(dir: &std::path::Path) -> Result<Vec<Row>, Box<dyn Error>> {
    eprintln!("A rendition that only copies, for {} s", WATCHED.as_secs());
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let sound = AacConfig::parse(&SOUND)?;
    let program = Program { video: None, audio: Some(sound.clone()) };
    let (producer, ring) = ring::channel(1024)?;
    let sink = RecordSink::new(producer, Audience::default(), Arc::default());
    let mut outlet = Outlet::direct(Segments::new("copy", &program, sink, &clock));
    let ledger = dir.join("copy.json");
    let serving = std::thread::spawn({
        let clock = Arc::clone(&clock);
        move || serve(ring, &ledger, &clock).map_err(|error| error.to_string())
    });

    let frame = Span::from_samples(i64::from(sound.frame_samples()), sound.rate());
    let data = [0x21; FRAME_BYTES];
    let mut cutter = Cutter::new(CutGrid::new(SegmentConfig::default().target));
    let (begun, first, mut copying) = (Instant::now(), clock.now().to_pts(), Duration::ZERO);
    let count = WATCHED.as_secs_f64() / frame.as_secs_f64();
    for n in 0..count as i64 {
        let pts = first + Span::from_ticks(n * frame.ticks());
        std::thread::sleep((pts - first + frame).to_duration().saturating_sub(begun.elapsed()));
        // The thread encodes this sound anyway: what counts is the handing on.
        let before = thread_time()?;
        if cutter.is_cut(pts) {
            outlet.begin_segment(pts);
        }
        outlet.write(&Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data: &data });
        copying += thread_time()? - before;
    }
    drop(outlet);
    let served = serving.join().map_err(|_| "the serving side panicked")??;
    let millis = (copying + served).as_secs_f64() * 1e3 / WATCHED.as_secs_f64();
    Ok(vec![Row::limit("audio-only rendition beside pictures", 1.0, millis, "CPU ms per stream second")])
}

/// What the other side of the ring spends, playlists included.
fn serve(
    ring: Consumer<Record>,
    ledger: &std::path::Path,
    clock: &Arc<dyn Clock>,
) -> Result<Duration, Box<dyn Error>> {
    let config = SegmentConfig::default();
    let numbering = Numbering::Aligned(CutGrid::new(config.target));
    let agreement = Agreement::new(
        &Ledger::open(ledger, None),
        "copy",
        numbering,
        &config,
        &clock.wall(),
        Span::ZERO,
        &[],
    );
    let style = Style { format: Format::TransportStream, latency: Latency::Ordinary, keys: String::new() };
    let shelf = Rendition::new("audio", TargetDuration::of(config.target), style);
    let pulse = Arc::new(Pulse::new(clock.now()));
    let sequence = agreement.sequence("audio");
    let keeper = Keeper::new(config, sequence, Arc::clone(clock), Arc::new(shelf), pulse);
    let mut segmenter = Segmenter::new(keeper);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = thread_time()?;
    runtime.block_on(async { segmenter.drive(&mut Reader::new(ring)?).await })?;
    Ok(thread_time()? - before)
}
