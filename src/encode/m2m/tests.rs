//! An encoder on hardware that is not there: what comes of every way in which drivers differ, and fail.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::encode::Preset;
use crate::media::h264::{self, AccessUnits, NalType};
use crate::media::{Dmabuf, Planes, Size};
use crate::sys::m2m::PlaneMut;

/// A driver's habits.
#[derive(Clone)]
struct Habits {
    /// Parameter sets before the first picture only, in a unit of their own.
    sets_apart: bool,
    delimiters: bool,
    knows_force: bool,
    obeys_force: bool,
    /// From which picture on it says nothing.
    silent_from: usize,
    /// How many pictures it holds back.
    delay: usize,
    /// The rate can be changed at work.
    listens_to_rate: bool,
    bitrate_refused: bool,
    /// What comes of pictures that are to be lent, one after the other; then they are taken.
    loans: Vec<Loan>,
    /// It does not give back what it was lent.
    keeps: bool,
    coded: (u32, u32),
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            sets_apart: false,
            delimiters: false,
            knows_force: true,
            obeys_force: true,
            silent_from: usize::MAX,
            delay: 0,
            listens_to_rate: true,
            bitrate_refused: false,
            loans: Vec::new(),
            keeps: false,
            coded: (320, 240),
        }
    }
}

struct Fake {
    habits: Habits,
    forced: bool,
    pictures: usize,
    rate: FrameRate,
    bitrate: i32,
    luma: u8,
    drained: Arc<AtomicBool>,
    waiting: VecDeque<(Pts, Vec<u8>)>,
    /// Pictures that were copied, and those that were lent.
    copied: usize,
    lent: usize,
    /// What it was lent and has not given back.
    held: bool,
}

impl Fake {
    fn new(habits: Habits) -> Self {
        Self {
            habits,
            forced: false,
            pictures: 0,
            rate: rate(30),
            bitrate: 0,
            luma: 0,
            drained: Arc::default(),
            waiting: VecDeque::new(),
            copied: 0,
            lent: 0,
            held: false,
        }
    }
}

impl Hardware for Fake {
    fn set(&mut self, control: Control, value: i32) -> Result<Option<i32>, Trouble> {
        match control {
            Control::FORCE_KEY_FRAME if !self.habits.knows_force => return Ok(None),
            Control::FORCE_KEY_FRAME => self.forced = self.habits.obeys_force,
            Control::BITRATE if self.habits.bitrate_refused => return Ok(None),
            Control::BITRATE => self.bitrate = value,
            _ => return Ok(None),
        }
        Ok(Some(value))
    }

    fn set_rate(&mut self, rate: FrameRate) -> Result<FrameRate, Trouble> {
        if !self.habits.listens_to_rate {
            return Err(Trouble::Gone);
        }
        self.rate = rate;
        Ok(rate)
    }

    fn submit(&mut self, pts: Pts, _: Instant, fill: &mut dyn FnMut(Canvas<'_>)) -> Result<(), Trouble> {
        let mut memory = vec![0; 320 * 240 * 3 / 2];
        let (y, uv) = memory.split_at_mut(320 * 240);
        fill(Canvas::Nv12([PlaneMut { data: y, stride: 320 }, PlaneMut { data: uv, stride: 320 }]));
        self.luma = memory[0];
        self.copied += 1;
        self.take(pts);
        Ok(())
    }

    fn lend(&mut self, frame: &VideoFrame<'_>) -> Loan {
        assert!(!self.held, "one at a time");
        let loan = if self.habits.loans.is_empty() { Loan::Taken } else { self.habits.loans.remove(0) };
        if loan == Loan::Taken {
            (self.lent, self.held) = (self.lent + 1, true);
            self.take(frame.pts);
        }
        loan
    }

    fn take_back(&mut self, _: Instant) -> Result<(), Trouble> {
        self.held &= self.habits.keeps;
        if self.held { Err(Trouble::Silent) } else { Ok(()) }
    }

    fn halt(&mut self) {
        self.held = false;
    }

    fn fetch(&mut self, _: Instant, into: &mut Vec<u8>) -> Result<Coded, Trouble> {
        if self.waiting.len() <= self.habits.delay {
            return Err(Trouble::Silent);
        }
        let (pts, unit) = self.waiting.pop_front().ok_or(Trouble::Silent)?;
        into.extend(unit);
        Ok(Coded { pts, place: Place::Amidst })
    }

    fn drain(&mut self) -> Result<(), Trouble> {
        self.drained.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Fake {
    fn take(&mut self, pts: Pts) {
        let sets = [sps(self.habits.coded), vec![0, 0, 0, 1, 0x68, 0xEE]].concat();
        let first = self.pictures == 0;
        let key = first || std::mem::take(&mut self.forced);
        if first && self.habits.sets_apart {
            self.waiting.push_back((Pts::default(), sets.clone()));
        }
        let mut unit = if self.habits.delimiters { vec![0, 0, 0, 1, 9, 0x10] } else { Vec::new() };
        if key && !self.habits.sets_apart {
            unit.extend(&sets);
        }
        unit.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }, 0x88, self.pictures as u8]);
        if self.pictures < self.habits.silent_from {
            self.waiting.push_back((pts, unit));
        }
        self.pictures += 1;
    }
}

fn rate(hertz: u32) -> FrameRate {
    FrameRate::new(hertz, 1).expect("a rate")
}

fn params() -> VideoParams {
    let size = Size::new(320, 240).expect("a size");
    let tuning = Tuning { bitrate: 1_000_000, rate: rate(30) };
    VideoParams { size, rate: rate(30), tuning, preset: Preset::default() }
}

/// A number as the standard writes it in bits (9.1).
fn ue(value: u32) -> String {
    let binary = format!("{:b}", value + 1);
    "0".repeat(binary.len() - 1) + &binary
}

/// A sequence parameter set (7.3.2.1.1) of the constrained baseline profile, level 3.
fn sps((width, height): (u32, u32)) -> Vec<u8> {
    let mut bits = [
        // Its number, frame numbers, order (2: as decoded), references, no gaps.
        [ue(0), ue(0), ue(2), ue(1), "0".to_owned()].concat(),
        // Macroblocks across and down.
        ue(width.div_ceil(16) - 1) + &ue(height.div_ceil(16) - 1),
        // Frames only, 8x8 inference, no cropping, no VUI; the stop bit.
        "11001".to_owned(),
    ]
    .concat();
    bits += &"0".repeat(bits.len().next_multiple_of(8) - bits.len());
    let byte = |at| u8::from_str_radix(&bits[at..at + 8], 2).expect("ones and zeros");
    let payload = (0..bits.len()).step_by(8).map(byte);
    [0, 0, 0, 1, 0x67, 66, 0xC0, 30].into_iter().chain(payload).collect()
}

fn prove(habits: Habits) -> Result<Encoder<Fake>, VideoError> {
    Encoder::prove(Fake::new(habits), "/dev/video11 (fake)".into(), params(), rate(30))
}

fn reason(habits: Habits) -> String {
    prove(habits).map(|_| ()).expect_err("it must not pass").to_string()
}

/// Codes a grey picture; the bytes of its unit.
fn encode(encoder: &mut Encoder<Fake>, ticks: i64, ask: Ask) -> Result<(Entry, Pts, Vec<u8>), VideoError> {
    encode_from(encoder, ticks, ask, None)
}

/// The same for one that lies in `memory`.
fn encode_from(
    encoder: &mut Encoder<Fake>,
    ticks: i64,
    ask: Ask,
    memory: Option<Dmabuf<'_>>,
) -> Result<(Entry, Pts, Vec<u8>), VideoError> {
    let picture = Picture::black(params().size);
    let (pts, size, planes) = (Pts::from_ticks(ticks), params().size, picture.planes());
    let frame = VideoFrame { pts, size, planes, memory };
    let mut units = Vec::new();
    encoder.encode(&frame, ask, &mut |unit| units.push((unit.entry, unit.pts, unit.data.to_vec())))?;
    assert_eq!(units.len(), 1, "one picture, one unit");
    Ok(units.remove(0))
}

#[test]
fn whatever_the_habits_the_units_are_whole() {
    let plain = Habits::default();
    let table = [
        plain.clone(),
        Habits { sets_apart: true, ..plain.clone() },
        Habits { delimiters: true, ..plain.clone() },
        Habits { sets_apart: true, delimiters: true, ..plain },
    ];
    for habits in table {
        let mut encoder = prove(habits).expect("it does what it must");
        assert_eq!((encoder.config.codecs.as_str(), encoder.config.size), ("avc1.42c01e", params().size));
        // The stream's first picture is an IDR picture even if nobody asks; its own time goes through.
        let mut given = Vec::new();
        for (n, ask) in [Ask::Any, Ask::Any, Ask::Idr, Ask::Any].into_iter().enumerate() {
            let (entry, pts, unit) = encode(&mut encoder, 90_000 + 3000 * n as i64, ask).expect("coded");
            assert_eq!(pts.ticks(), 90_000 + 3000 * n as i64);
            let types: Vec<u8> = h264::nal_units(&unit).map(|nal| nal[0] & 0x1F).collect();
            given.push((entry, types));
        }
        let (key, dependent) = ((Entry::Key, vec![9, 7, 8, 5]), (Entry::Dependent, vec![9, 1]));
        assert_eq!(given, [key.clone(), dependent.clone(), key, dependent]);
        assert_eq!(encoder.hardware.luma, 16, "black, as it was written");
    }
}

#[test]
fn what_does_not_do_what_it_must_is_found_out_at_once() {
    let plain = Habits::default();
    let table = [
        (Habits { obeys_force: false, ..plain.clone() }, "no IDR picture when asked"),
        (Habits { knows_force: false, ..plain.clone() }, "lacks the control force_key_frame"),
        (Habits { silent_from: 0, ..plain.clone() }, "does not answer"),
        (Habits { silent_from: 1, ..plain.clone() }, "does not answer"),
        (Habits { delay: 1, ..plain.clone() }, "does not answer"),
        (Habits { delay: 1, sets_apart: true, ..plain.clone() }, "does not answer"),
        (Habits { coded: (320, 256), ..plain }, "codes 320x256 instead"),
    ];
    for (habits, words) in table {
        let reason = reason(habits);
        assert!(reason.starts_with("/dev/video11 (fake)") && reason.contains(words), "{reason}");
    }
}

#[test]
fn a_device_that_falls_silent_is_an_error_and_not_waited_for_again() {
    let mut encoder = prove(Habits { silent_from: 3, ..Habits::default() }).expect("it works at first");
    assert!(encode(&mut encoder, 90_000, Ask::Any).is_ok());
    let fault = encode(&mut encoder, 93_000, Ask::Any).expect_err("silence");
    assert!(fault.to_string().contains("does not answer"), "{fault}");
    assert_eq!(encoder.state, State::Failed);
}

#[test]
fn late_units_are_not_taken_for_those_of_newer_pictures() {
    let mut encoder = prove(Habits::default()).expect("it works");
    encoder.hardware.waiting.push_back((Pts::from_ticks(1), vec![0, 0, 1, 0x41, 0x88]));
    let fault = encode(&mut encoder, 90_000, Ask::Any).expect_err("another picture's unit");
    assert!(fault.to_string().contains("mixes up"), "{fault}");
}

#[test]
fn pictures_of_another_size_are_refused_and_do_no_harm() {
    let mut encoder = prove(Habits::default()).expect("it works");
    let picture = Picture::black(Size::new(640, 480).expect("a size"));
    let frame =
        VideoFrame { pts: Pts::default(), size: picture.size(), planes: picture.planes(), memory: None };
    let fault = encoder.encode(&frame, Ask::Any, &mut |_| ()).expect_err("another size");
    assert!(fault.to_string().contains("a picture of 640x480"), "{fault}");
    assert!(encode(&mut encoder, 90_000, Ask::Any).is_ok());
    assert!(matches!(picture.planes(), Planes::I420(_)));
}

#[test]
fn each_picture_gets_its_share_of_the_bits() {
    let slower = Tuning { bitrate: 600_000, rate: rate(15) };
    let mut listening = prove(Habits::default()).expect("it works");
    listening.tune(slower).expect("tuned");
    assert_eq!((listening.hardware.bitrate, listening.hardware.rate), (600_000, rate(15)));
    // It goes on counting with 30 a second: half of the pictures must look twice as dear.
    let mut deaf = prove(Habits { listens_to_rate: false, ..Habits::default() }).expect("it works");
    deaf.tune(slower).expect("tuned");
    assert_eq!(deaf.hardware.bitrate, 1_200_000);
    deaf.tune(params().tuning).expect("tuned back");
    assert_eq!(deaf.hardware.bitrate, 1_000_000);
    // What cannot be tuned goes on as before.
    let mut stubborn = prove(Habits { bitrate_refused: true, ..Habits::default() }).expect("it works");
    assert!(stubborn.tune(slower).expect_err("no bit rate").to_string().contains("video_bitrate"));
    assert_eq!((stubborn.hardware.rate, stubborn.params.tuning), (rate(30), params().tuning));
}

#[test]
fn controls_are_set_as_far_as_there_are_any() {
    // What a driver has; what it then is set to, in order.
    let set_on = |has: &dyn Fn(Control, i32) -> bool| {
        let mut done = Vec::new();
        let result = controls("it", &params(), rate(30), |control, value| {
            let has = has(control, value);
            if has {
                done.push((control.name, value));
            }
            Ok(has.then_some(value))
        });
        (done, result.map_err(|fault| fault.to_string()))
    };
    // bcm2835-codec of Linux 6.12.
    let raspberry = |control, value| match control {
        Control::BITRATE_MODE | Control::BITRATE | Control::REPEAT_SEQ_HEADER | Control::HEADER_MODE => true,
        Control::I_PERIOD | Control::GOP_SIZE => true,
        Control::B_FRAMES => value == 0,
        Control::H264_LEVEL => (0..=15).contains(&value),
        Control::H264_PROFILE => [0, 1, 2, 4].contains(&value),
        _ => false,
    };
    let (done, result) = set_on(&raspberry);
    let expected = [
        ("video_bitrate_mode", 1),
        ("video_b_frames", 0),
        ("video_gop_size", 108_000),
        ("h264_i_frame_period", 108_000),
        ("sequence_header_mode", 1),
        ("repeat_sequence_header", 1),
        ("h264_profile", 4),
        ("h264_level", 8),
        ("video_bitrate", 1_000_000),
    ];
    assert_eq!((done.as_slice(), result), (&expected[..], Ok(())));
    // One that knows but baseline and level 4.
    let plain = |control, value| match control {
        Control::BITRATE => true,
        Control::H264_LEVEL => value == 11,
        Control::H264_PROFILE => value == 0,
        _ => false,
    };
    let (done, result) = set_on(&plain);
    let expected = [("h264_profile", 0), ("h264_level", 11), ("video_bitrate", 1_000_000)];
    assert_eq!((done.as_slice(), result), (&expected[..], Ok(())));
    // vicodec.
    let (_, result) = set_on(&|control, _| control == Control::GOP_SIZE);
    assert!(result.is_err_and(|reason| reason.contains("lacks the control video_bitrate")));
}

#[test]
fn a_device_that_works_is_drained_in_the_end_and_one_that_fails_is_not() {
    let mut sound = prove(Habits::default()).expect("it works");
    let drained = sound.hardware.drained.clone();
    encode(&mut sound, 90_000, Ask::Any).expect("coded");
    drop(sound);
    assert!(drained.load(Ordering::Relaxed));
    let mut failing = prove(Habits { silent_from: 2, ..Habits::default() }).expect("it works at first");
    let drained = failing.hardware.drained.clone();
    encode(&mut failing, 90_000, Ask::Any).expect_err("silence");
    drop(failing);
    assert!(!drained.load(Ordering::Relaxed));
}

/// Pictures of a camera that shares its memory, `C`, and slates, `S`; how many were lent, and how many copied.
fn lent_and_copied(loans: &[Loan], pictures: &str) -> (usize, usize) {
    let mut encoder = prove(Habits { loans: loans.to_vec(), ..Habits::default() }).expect("it works");
    let copied_before = encoder.hardware.copied;
    let file = File::open("/dev/null").expect("it is there");
    for (n, picture) in pictures.chars().enumerate() {
        let memory = (picture == 'C').then_some(Dmabuf { fd: file.as_fd() });
        let pts = 90_000 + 3000 * n as i64;
        let (entry, given, _) = encode_from(&mut encoder, pts, Ask::Any, memory).expect("coded");
        assert_eq!((entry == Entry::Key, given), (n == 0, Pts::from_ticks(pts)));
        assert!(!encoder.hardware.held, "it is given back before the camera goes on");
    }
    (encoder.hardware.lent, encoder.hardware.copied - copied_before)
}

#[test]
fn pictures_are_copied_only_where_they_cannot_be_lent() {
    let impossible = || Loan::Impossible("they lie differently".to_owned());
    let table: &[(&[Loan], &str, (usize, usize))] = &[
        (&[], "SSS", (0, 3)),
        (&[], "CCCC", (4, 0)),
        (&[], "SCCSSCC", (4, 3)),
        (&[Loan::Taken, Loan::Declined], "CCC", (2, 1)),
        (&[Loan::Taken, impossible()], "CCCSC", (1, 4)),
        (&[impossible()], "CCC", (0, 3)),
    ];
    for (loans, pictures, counts) in table {
        assert_eq!(lent_and_copied(loans, pictures), *counts, "{loans:?} {pictures}");
    }
}

#[test]
fn what_is_lent_is_taken_away_from_a_device_that_fails() {
    let file = File::open("/dev/null").expect("it is there");
    let memory = Some(Dmabuf { fd: file.as_fd() });
    let silent = Habits { silent_from: 2, ..Habits::default() };
    for habits in [silent, Habits { keeps: true, ..Habits::default() }] {
        let mut encoder = prove(habits).expect("it works at first");
        let fault = encode_from(&mut encoder, 90_000, Ask::Any, memory).expect_err("it fails");
        assert!(fault.to_string().contains("does not answer"), "{fault}");
        assert_eq!((encoder.hardware.lent, encoder.hardware.held), (1, false));
    }
}

/// Runs ffmpeg's words with bytes on its standard input; its output.
fn ffmpeg(program: &str, words: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("{program}, which `.ci/setup test` installs: {fault}"));
    // It speaks when all is read, so nobody waits for anybody.
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input).expect("it reads");
    drop(pipe);
    let done = child.wait_with_output().expect("it ends");
    assert!(
        done.status.success() && done.stderr.is_empty(),
        "{program}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

#[test]
fn decoding_can_begin_at_every_idr_picture_whatever_the_encoder_left_out() {
    // Real pictures, an IDR picture every fifth, given as the most reticent driver gives them: parameter sets
    // once, apart from all pictures, and slices alone.
    let words = "-v error -f lavfi -i testsrc2=s=320x240:r=10:d=2 -c:v libx264 -preset ultrafast -b:v 200k \
                 -x264-params keyint=5:min-keyint=5:scenecut=0:bframes=0 -f h264 -";
    let stream = ffmpeg("ffmpeg", words, &[]);
    let mut access_units = AccessUnits::default();
    // A stream ends where the next picture begins: with a delimiter behind the last one.
    access_units.push(&[&stream[..], &h264::ACCESS_UNIT_DELIMITER].concat());
    let of = |unit: &[u8], wanted: fn(NalType) -> bool| -> Vec<u8> {
        let nals = h264::nal_units(unit).filter(|nal| h264::nal_type(nal).is_some_and(wanted));
        nals.flat_map(|nal| [&[0, 0, 0, 1], nal].concat()).collect()
    };
    let mut units = Units::new();
    let (mut whole, mut entries) = (Vec::new(), Vec::new());
    while let Some(unit) = access_units.next_unit() {
        let unit = unit.expect("ffmpeg's own");
        if entries.is_empty() {
            units.room().extend(of(unit, |kind| matches!(kind, NalType::Sps | NalType::Pps)));
            assert_eq!(units.take(), None);
        }
        units.room().extend(of(unit, |kind| matches!(kind, NalType::Idr | NalType::Slice)));
        entries.push(units.take().expect("a picture"));
        whole.push(units.unit().to_vec());
    }
    let keys: Vec<usize> = (0..entries.len()).filter(|n| entries[*n] == Entry::Key).collect();
    assert_eq!((entries.len(), keys.as_slice()), (20, &[0, 5, 10, 15][..]));
    for key in keys {
        let rest = whole[key..].concat();
        let words = "-v error -f h264 -i - -count_frames -show_entries stream=nb_read_frames,width,height,profile \
                     -of csv=p=0";
        let told = String::from_utf8(ffmpeg("ffprobe", words, &rest)).expect("text");
        assert_eq!(told.trim(), format!("Constrained Baseline,320,240,{}", 20 - key));
        let nal = h264::nal_units(&rest).map(|nal| nal[0] & 0x1F).take(4).collect::<Vec<_>>();
        assert_eq!(nal, [9, 7, 8, 5]);
    }
}
