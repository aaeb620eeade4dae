//! Capturing through the real alsa-lib, from a device that is a PulseAudio daemon.

mod support;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use outpost::base::{Clock, Monotonic};
use outpost::source::alsa::{AlsaDevice, Kind, list};
use outpost::source::{AudioDevice, AudioInput, Capture, Signal, SourceError};
use outpost::sys::clock::RealClock;
use support::pulse::Pulse;

const RATE: usize = 48_000;
const BLOCK: usize = 1024;
const PATIENCE: Duration = Duration::from_millis(500);

fn device(name: &str) -> AlsaDevice {
    AlsaDevice::new(name.parse().expect("a device name"))
}

fn open(name: &str) -> Box<dyn AudioInput> {
    device(name).open().unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(name: &str) -> SourceError {
    match device(name).open() {
        Ok(_) => panic!("{name} can be opened"),
        Err(error) => error,
    }
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Reads on until a block comes that is as loud as `level`. A null sink plays its first two seconds in one
/// go, when they are over.
fn wait_for_sound(input: &mut dyn AudioInput, level: f32) {
    let start = Instant::now();
    let mut block = Vec::with_capacity(8 * BLOCK);
    while block.is_empty() || peak(&block) < level {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing is heard");
        block.clear();
        input.read(&mut block, BLOCK, PATIENCE).expect("it delivers");
    }
}

/// What sox finds in one channel at 48 kHz: the rough frequency, and the RMS amplitude.
fn judge(samples: &[f32]) -> (f64, f64) {
    let mut sox = Command::new("sox")
        .args(["-t", "raw", "-r", "48000", "-e", "float", "-b", "32", "-c", "1", "-", "-n", "stat"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sox starts (Debian: sox)");
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    sox.stdin.take().expect("a pipe").write_all(&bytes).expect("sox reads");
    let output = sox.wait_with_output().expect("sox ends");
    let text = String::from_utf8_lossy(&output.stderr);
    let find = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(':').next()?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    (find("Rough   frequency"), find("RMS     amplitude"))
}

#[test]
fn a_tone_is_heard_at_its_pitch_and_level_in_real_time() {
    Pulse::apart("a_tone_is_heard_at_its_pitch_and_level_in_real_time", |pulse| {
        pulse.plug();
        let _player = pulse.play_tone(1000.0, 0.25);
        let mut input = open("scanner");
        let format = input.format();
        assert_eq!((format.rate, format.channels), (48_000, 2));
        wait_for_sound(&mut *input, 0.2);

        let mut samples = Vec::with_capacity(2 * 5 * RATE);
        let mut ends: Vec<(usize, Monotonic)> = vec![];
        let start = Instant::now();
        while samples.len() < 2 * 3 * RATE {
            let before = samples.len() / 2;
            match input.read(&mut samples, BLOCK, PATIENCE).expect("it delivers") {
                Capture::Frames { frames, end } => {
                    assert_eq!(samples.len() / 2, before + frames);
                    assert!(end <= RealClock.now(), "captured in the future");
                    ends.push((before + frames, end));
                }
                other => panic!("{other:?} from a device that delivers"),
            }
        }
        let took = start.elapsed().as_secs_f64();
        assert!((2.5..4.0).contains(&took), "three seconds took {took} s");
        assert_eq!(samples.capacity(), 2 * 5 * RATE, "the caller's room suffices");

        // Frames counted against the clock: the null sink runs by the same crystal as the clock.
        let (first, last) = (ends[0], ends[ends.len() - 1]);
        let counted = (last.0 - first.0) as f64 / RATE as f64;
        let stamped = last.1.since(first.1).as_secs_f64();
        assert!((counted - stamped).abs() < 0.05, "{counted} s of frames, stamped over {stamped} s");
        assert!(ends.is_sorted_by_key(|(_, end)| *end));
        let late = RealClock.now().since(last.1);
        assert!(late < Duration::from_secs(1), "captured {late:?} ago");

        let frames = samples.as_chunks::<2>().0;
        for side in [0, 1] {
            let channel: Vec<f32> = frames.iter().map(|frame| frame[side]).collect();
            let (pitch, level) = judge(&channel);
            assert!((990.0..1010.0).contains(&pitch), "{pitch} Hz");
            let expected = 0.25 / f64::sqrt(2.0);
            assert!((level / expected - 1.0).abs() < 0.02, "RMS {level}, not {expected}");
        }
    });
}

#[test]
fn a_device_that_goes_is_named_at_once_and_comes_back() {
    Pulse::apart("a_device_that_goes_is_named_at_once_and_comes_back", |pulse| {
        let absent = |when: &str| {
            let start = Instant::now();
            let error = refusal("scanner");
            assert_eq!(error.signal, Signal::NoDevice, "{when}: {error}");
            assert!(start.elapsed() < Duration::from_secs(1), "{when}: told after {:?}", start.elapsed());
        };
        absent("before");
        let mut block = Vec::with_capacity(8 * BLOCK);
        for _ in 0..2 {
            pulse.plug();
            let mut input = open("scanner");
            wait_for_sound(&mut *input, 0.0);
            for _ in 0..10 {
                block.clear();
                let capture = input.read(&mut block, BLOCK, PATIENCE).expect("it delivers");
                assert!(matches!(capture, Capture::Frames { .. }), "{capture:?}");
            }
            pulse.unplug();
            let start = Instant::now();
            let error = loop {
                block.clear();
                match input.read(&mut block, BLOCK, PATIENCE) {
                    Ok(_) => assert!(start.elapsed() < Duration::from_secs(2), "it is dead, and reads go on"),
                    Err(error) => break error,
                }
            };
            // The plugin calls it an I/O error; a card that is pulled out says ENODEV.
            assert!([Signal::NoDevice, Signal::Failed].contains(&error.signal), "{error}");
            // Nor does it hang when it is asked again.
            assert!(input.read(&mut block, BLOCK, PATIENCE).is_err());
            absent("afterwards");
        }
    });
}

#[test]
fn a_device_that_is_alive_but_dead_delivers_nothing_within_the_wait() {
    Pulse::apart("a_device_that_is_alive_but_dead_delivers_nothing_within_the_wait", |pulse| {
        pulse.plug();
        let mut input = open("scanner");
        let mut block = Vec::with_capacity(64 * BLOCK);
        let mut read = |input: &mut dyn AudioInput| {
            block.clear();
            input.read(&mut block, BLOCK, PATIENCE).expect("it is not gone")
        };
        let opened = Instant::now();
        while read(&mut *input) == Capture::Nothing {
            assert!(opened.elapsed() < Duration::from_secs(10), "nothing comes");
        }
        pulse.freeze();
        let frozen = Instant::now();
        let silent = loop {
            let start = Instant::now();
            if read(&mut *input) == Capture::Nothing {
                break start.elapsed();
            }
            assert!(frozen.elapsed() < Duration::from_secs(5), "a frozen device delivers");
        };
        assert!(silent < PATIENCE + Duration::from_millis(200), "waited {silent:?}");
        // Nor does it hold us up when it is opened once more.
        let start = Instant::now();
        let mut second = device("scanner");
        for _ in 0..2 {
            let error = second.open().err().expect("nobody answers");
            assert_eq!(error.signal, Signal::Stalled, "{error}");
        }
        assert!(start.elapsed() < Duration::from_millis(1500), "opening took {:?}", start.elapsed());
        pulse.thaw();
        let thawed = Instant::now();
        while read(&mut *input) == Capture::Nothing {
            assert!(thawed.elapsed() < Duration::from_secs(5), "nothing comes any more");
        }
        while let Err(error) = second.open() {
            assert_eq!(error.signal, Signal::Stalled, "the opening that was under way: {error}");
            assert!(thawed.elapsed() < Duration::from_secs(5), "{error}");
        }
        pulse.freeze();
        let frozen = Instant::now();
        drop(input);
        assert!(frozen.elapsed() < Duration::from_secs(1), "closing took {:?}", frozen.elapsed());
        pulse.thaw();
    });
}

#[test]
fn a_reader_that_comes_late_gets_what_the_server_kept_with_the_time_of_its_capture() {
    Pulse::apart(
        "a_reader_that_comes_late_gets_what_the_server_kept_with_the_time_of_its_capture",
        |pulse| {
            pulse.plug();
            let mut input = open("scanner");
            wait_for_sound(&mut *input, 0.0);
            let mut block = Vec::with_capacity(8 * BLOCK);
            // Reads for a second, and gives the frames counted and the time of the last of them.
            let mut read_a_second = |input: &mut dyn AudioInput| {
                let start = Instant::now();
                let mut counted = 0;
                let mut reads = vec![];
                while start.elapsed() < Duration::from_secs(1) {
                    block.clear();
                    match input.read(&mut block, BLOCK, PATIENCE).expect("it delivers") {
                        Capture::Frames { frames, end } | Capture::AfterLoss { frames, end } => {
                            counted += frames;
                            reads.push((counted, end));
                        }
                        Capture::Nothing => panic!("nothing comes"),
                    }
                }
                reads
            };
            let before = read_a_second(&mut *input);
            std::thread::sleep(Duration::from_secs(2)); // longer than any buffer of ours
            let after = read_a_second(&mut *input);
            let (_, joint) = before[before.len() - 1];
            assert!(after.is_sorted_by_key(|(_, end)| *end));
            for (counted, end) in after {
                let counted = counted as f64 / RATE as f64;
                let stamped = end.since(joint).as_secs_f64();
                // The server's delay of a monitor is known to be off by the latency of the sink.
                assert!(
                    (stamped - counted).abs() < 0.8,
                    "frame {counted} s later is stamped {stamped} s later"
                );
            }
        },
    );
}

#[test]
fn a_pcm_without_pacing_is_read_as_fast_as_possible() {
    Pulse::apart("a_pcm_without_pacing_is_read_as_fast_as_possible", |pulse| {
        // A ramp, so that a sample lost or doubled shows.
        let ramp = |n: usize| (n % 30_000) as i16;
        let frames = 20 * RATE;
        let bytes: Vec<u8> =
            (0..frames).flat_map(|n| [ramp(n), -ramp(n)]).flat_map(i16::to_le_bytes).collect();
        fs::write(pulse.home().join("looped.raw"), bytes).expect("a file");
        let mut input = open("looped");
        assert_eq!((input.format().rate, input.format().channels), (48_000, 2));
        let start = Instant::now();
        let mut samples = Vec::with_capacity(2 * frames);
        while samples.len() < 2 * 10 * RATE {
            input.read(&mut samples, BLOCK, PATIENCE).expect("it delivers");
        }
        assert!(start.elapsed() < Duration::from_secs(3), "ten seconds took {:?}", start.elapsed());
        for (n, frame) in samples.as_chunks().0.iter().enumerate() {
            let expected = f32::from(ramp(n)) / 32_768.0;
            assert_eq!(*frame, [expected, -expected], "frame {n}");
        }
    });
}

#[test]
fn named_devices_are_listed_and_those_of_the_machine_do_no_harm() {
    Pulse::apart("named_devices_are_listed_and_those_of_the_machine_do_no_harm", |_| {
        let devices = list();
        let scanner = devices.iter().find(|device| device.pcm == "scanner").expect("it is listed");
        assert_eq!(scanner.kind, Kind::Named);
        assert_eq!(scanner.id.to_string(), "scanner");
        assert_eq!(scanner.description, "A scanner that isn't there");
        assert!(devices.iter().all(|device| device.pcm != "null"));
        let json = serde_json::to_value(scanner).expect("JSON");
        assert_eq!((&json["id"], &json["use"]), (&"scanner".into(), &"unknown".into()), "{json}");
    });
}

/// Resident memory in bytes, and open descriptors.
fn footprint() -> (usize, usize) {
    let statm = fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    (pages * 4096, fs::read_dir("/proc/self/fd").expect("procfs").count())
}

#[test]
fn opening_an_absent_device_ten_thousand_times_costs_nothing() {
    Pulse::apart("opening_an_absent_device_ten_thousand_times_costs_nothing", |_| {
        let names = ["hw:CARD=Absent,DEV=0", "hw:31,7", "usb:9-9", "no_such_name", "scanner"];
        let try_all = || {
            for name in names {
                let error = refusal(name);
                assert_eq!(error.signal, Signal::NoDevice, "{error}");
                assert!(error.to_string().starts_with(name), "{error}");
            }
        };
        (0..200).for_each(|_| try_all());
        let (memory, descriptors) = footprint();
        let start = Instant::now();
        (0..2000).for_each(|_| try_all());
        println!("10,000 openings in {:?}", start.elapsed());
        let (memory_after, descriptors_after) = footprint();
        assert_eq!(descriptors_after, descriptors);
        let grown = memory_after.saturating_sub(memory);
        assert!(grown < 256 * 1024, "{grown} bytes more");
    });
}
