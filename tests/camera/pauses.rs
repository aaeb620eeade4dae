//! A camera that pauses now and then is shown in segments that follow each other all the same.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use outpost::base::{Clock, Monotonic, Pts, SimClock, Span, Stop, WallTime};
use outpost::container::ts::Join;
use outpost::encode::choose::{self, EncoderKind};
use outpost::encode::{Preset, Tuning, VideoParams};
use outpost::media::{CutGrid, FrameRate, Picture, Program, Size};
use outpost::pump::outlet::Outlet;
use outpost::pump::seats::seats;
use outpost::pump::segments::Segments;
use outpost::pump::sink::{RecordSink, SinkStats};
use outpost::pump::video::{self, VideoMode, VideoStream};
use outpost::ring::{self, Audience};
use outpost::segment::SegmentConfig;
use outpost::segment::collector::{Collector, Event, Finished};
use outpost::source::SourceError;
use outpost::source::video::{
    Camera, CameraStats, Coding, Glimpse, Image, Shot, VideoDevice, VideoFormat, VideoInput, Wanted,
};

use crate::eye::{self, fetch, packets};
use crate::station::{Station, folder, until};

const MS: i64 = 1_000_000;
const START: i64 = 100_000 * MS;

/// A camera on a simulated clock, 25 pictures a second; `silent` says when it gives none, by milliseconds.
#[derive(Clone)]
struct Moody {
    clock: Arc<SimClock>,
    silent: fn(i64) -> bool,
    /// Ends the test after so many milliseconds.
    end: i64,
    stop: Stop,
    format: VideoFormat,
    picture: Picture,
    has_given: bool,
}

impl VideoDevice for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        Ok(Box::new(self.clone()))
    }
}

impl VideoInput for Moody {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let limit = self.clock.now() + patience;
        let interval = 40 * MS;
        let mut next = self.clock.now().as_nanos() / interval + 1;
        while (self.silent)((next * interval - START) / MS) {
            next += 1;
        }
        let captured = Monotonic::from_nanos(next * interval);
        self.clock.sleep_until(captured.min(limit), &Stop::new());
        if self.clock.now().as_nanos() > START + self.end * MS {
            self.stop.stop();
        }
        if captured > limit {
            return Ok(Glimpse::Nothing);
        }
        self.has_given = true;
        Ok(Glimpse::Shot(Shot {
            captured,
            missed: 0,
            image: Image::Raw(self.picture.planes()),
            memory: None,
        }))
    }

    fn last(&self) -> Option<Image<'_>> {
        self.has_given.then(|| Image::Raw(self.picture.planes()))
    }
}

/// The segments of a minute of such a camera, and what its keeper counted.
fn minute(target: Span, silent: fn(i64) -> bool) -> (Vec<Finished>, Arc<CameraStats>) {
    let size: Size = "160x120".parse().expect("a size");
    let rate = FrameRate::new(25, 1).expect("a rate");
    let tuning = Tuning { bitrate: 200_000, rate };
    let params = VideoParams { size, rate, tuning, preset: Preset::Ultrafast };
    let choice = choose::video(EncoderKind::X264, params).expect("x264");
    let program = Program { video: Some(choice.encoder.config().clone()), audio: None };
    let (producer, mut records) = ring::channel(1 << 16).expect("an eventfd");
    let clock = Arc::new(SimClock::new(Monotonic::from_nanos(START), WallTime::from_unix_nanos(START)));
    let any_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let sink = RecordSink::new(producer, Audience::default(), Arc::new(SinkStats::default()));
    let segments = Segments::new("moody", &program, sink, &any_clock);
    let encoders = Box::new(move |_: Option<&_>| choose::video(EncoderKind::X264, params));
    let camera = Wanted { size, rate };
    let mode = VideoMode::Encode { choice, params, camera, encoders };
    let (stats, info, camera_stats) = (Arc::default(), Arc::default(), Arc::new(CameraStats::default()));
    let grid = CutGrid::new(target);
    let stream = VideoStream::new("moody", mode, grid, Outlet::direct(segments), stats, info, &[]);

    let stop = Stop::new();
    let format = VideoFormat { coding: Coding::Raw, rate, about: String::new() };
    let device = Moody {
        clock: Arc::clone(&clock),
        silent,
        end: 60_000,
        stop: stop.clone(),
        format,
        picture: Picture::black(size),
        has_given: false,
    };
    let wanted = Wanted { size, rate };
    let camera = Camera::new(Box::new(device), wanted, "Moody", any_clock, Arc::clone(&camera_stats));
    let (usher, seats) = seats();
    usher.seat(Pts::from_ticks(i64::MIN), stream);
    video::run(camera, seats, &*clock, &stop);

    let mut collector = Collector::new(&SegmentConfig { target, ..SegmentConfig::default() });
    let mut finished = Vec::new();
    loop {
        let records_now = records.read();
        let count = records_now.len();
        for record in records_now {
            match collector.push(record) {
                Some(Event::Finished(segment)) => finished.push(segment),
                Some(Event::Lost(loss)) => panic!("{loss}"),
                None => {}
            }
        }
        if count == 0 {
            return (finished, camera_stats);
        }
        records.release(count);
    }
}

#[test]
fn a_pause_across_a_cut_leaves_every_segment_its_length() {
    // Silent for 900 ms, every 1.3 s and every 1.7 s: across all parts of the grid.
    let moods: [fn(i64) -> bool; 3] =
        [|_| false, |ms| (400..1_300).contains(&(ms % 1_300)), |ms| (700..1_600).contains(&(ms % 1_700))];
    for (number, silent) in moods.into_iter().enumerate() {
        for target in [1_000, 1_389, 2_000] {
            let (segments, stats) = minute(Span::from_millis(target), silent);
            assert!(segments.len() as i64 >= 59_000 / target - 1, "{} of {target} ms", segments.len());
            for (n, segment) in segments.iter().enumerate().skip(1) {
                let length = segment.duration.ticks() / 90;
                assert_eq!(segment.join, Join::Continuous, "mood {number}, {target} ms: segment {n}");
                // The first one begins when the camera does.
                assert!(
                    n < 2 || (length - target).abs() <= 110,
                    "mood {number}, {target} ms: segment {n} lasts {length} ms"
                );
            }
            // One that counts as dead is opened again. Slates are shown until it is open, which takes real time.
            assert_eq!(stats.opened.get(), 1, "it counts as alive all the time");
            assert_eq!(stats.stills.get() > 0, number > 0, "{} stills", stats.stills.get());
        }
    }
}

fn signal(pids: &Path, signal: Signal) {
    let pid = std::fs::read_to_string(pids).expect("its pid").trim().parse().expect("a number");
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

#[test]
fn a_program_that_is_halted_again_and_again_never_breaks_its_stream() {
    let ffmpeg = Command::new("ffmpeg").arg("-version").output();
    assert!(ffmpeg.is_ok(), "ffmpeg (Debian: ffmpeg) does not run");
    let dir = folder("halted-pid");
    let pids = dir.join("pid");
    let command = format!(
        "echo $$ > {}; exec ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=size=320x240:rate=15 -pix_fmt yuyv422 \
         -f rawvideo pipe:1",
        pids.display()
    );
    let stream = format!(
        "[[stream]]\nname = \"camera\"\n[stream.window]\nsegment = \"1s\"\n[stream.video]\nkind = \"command\"\n\
         command = [\"sh\", \"-c\", {command:?}]\noutput = \"yuyv\"\nsize = \"320x240\"\nrate = 15\n\
         encoder = \"x264\"\n"
    );
    let station = Station::start("halted", &stream, &[]);
    station.until_signal("camera", &["live"], Duration::from_secs(20));
    let count = || ["stills", "slates"].map(|it| station.metric(&format!("outpost_camera_{it}_total")));
    for halt in 0..12 {
        let before = count();
        signal(&pids, Signal::SIGSTOP);
        // At least half a second; then it counts as dead or not, as the machine has time.
        until("stills", Duration::from_secs(5), || {
            let [stills, slates] = count();
            (slates > before[1] || stills >= before[0] + f64::from(4 + halt % 3)).then_some(())
        });
        signal(&pids, Signal::SIGCONT);
        station.until_signal("camera", &["live"], Duration::from_secs(20));
    }
    let [stills, slates] = count();
    assert!(stills > 36.0, "{stills} stills, {slates} slates");
    let playlist = eye::seconds(&station, "camera", 12.0);
    for (n, segment) in playlist.segments.iter().enumerate().skip(1) {
        assert!(!segment.discontinuity, "segment {n} is broken off:\n{playlist:?}");
        assert!(segment.duration < 1.3, "segment {n} lasts {} s", segment.duration);
    }
    let (whole, _) = fetch(&station, "camera", &playlist);
    let pts: Vec<f64> =
        packets(&whole, "v:0", "pts_time").iter().map(|row| row[0].parse().expect("a time")).collect();
    assert!(pts.windows(2).all(|pair| pair[1] > pair[0]), "in order");
    let _ = std::fs::remove_dir_all(dir);
}
