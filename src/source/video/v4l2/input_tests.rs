//! A camera's buffers, scripted.

use std::cell::Cell;
use std::collections::VecDeque;

use super::*;
use crate::media::{FrameRate, Planes};
use crate::source::Signal;
use crate::source::video::v4l2::choose::Layout;
use crate::sys::v4l2::{Accepted, four_cc};

const BUFFERS: usize = super::super::BUFFERS as usize;
const PICTURE: usize = 16 * 16 * 3 / 2;

/// One thing that happens.
#[derive(Clone, Copy)]
enum Event {
    /// A picture of this number and shade.
    Picture {
        sequence: u32,
        shade: u8,
    },
    Corrupt {
        sequence: u32,
    },
    Short {
        sequence: u32,
    },
    /// What follows comes later.
    Pause,
    /// Said to be there, and is not.
    Vain,
    Gone,
}

/// As many buffers as the real ones.
struct Script {
    events: VecDeque<Event>,
    free: Vec<Filled>,
    memory: Vec<Vec<u8>>,
    waits: Cell<u32>,
}

impl Script {
    fn new(events: &[Event]) -> Self {
        Self {
            events: events.iter().copied().collect(),
            free: (0..BUFFERS).map(|index| Filled::for_test(index, 0, false, None, 0)).collect(),
            memory: vec![vec![0; PICTURE]; BUFFERS],
            waits: Cell::new(0),
        }
    }

    fn fill(&mut self, sequence: u32, used: usize, shade: u8, corrupt: bool) -> Filled {
        let index = self.free.pop().expect("a buffer: none is kept back").index();
        self.memory[index].fill(shade);
        Filled::for_test(index, used, corrupt, Some(i64::from(sequence) * 1_000_000), sequence)
    }
}

impl Buffers for Script {
    fn wait(&self, _: Duration) -> io::Result<Ready> {
        self.waits.set(self.waits.get() + 1);
        Ok(match self.events.front() {
            None => Ready::No,
            Some(Event::Vain | Event::Gone) => Ready::Trouble,
            Some(_) => Ready::Yes,
        })
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        match self.events.pop_front() {
            None => Ok(None),
            Some(Event::Picture { sequence, shade }) => Ok(Some(self.fill(sequence, PICTURE, shade, false))),
            Some(Event::Corrupt { sequence }) => Ok(Some(self.fill(sequence, PICTURE, 0, true))),
            Some(Event::Short { sequence }) => Ok(Some(self.fill(sequence, PICTURE - 1, 0, false))),
            Some(Event::Pause | Event::Vain) => Ok(None),
            Some(Event::Gone) => {
                self.events.push_front(Event::Gone);
                Err(io::Error::from_raw_os_error(libc::ENODEV))
            }
        }
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        &self.memory[filled.index()][..filled.used]
    }

    fn shared(&self, _: &Filled) -> Option<BorrowedFd<'_>> {
        None
    }

    fn give_back(&mut self, filled: Filled) -> io::Result<()> {
        self.free.push(filled);
        Ok(())
    }
}

fn input(coding: Coding, events: &[Event]) -> V4l2Input<Script> {
    let size = "16x16".parse().expect("a size");
    let accepted = Accepted { four_cc: four_cc::YU12, width: 16, height: 16, stride: 16, full_range: false };
    let layout = if coding == Coding::H264 { Layout::H264 } else { Layout::Yu12 };
    let conversion = Conversion::new(layout, size, &accepted, size).expect("no library needed");
    let rate = FrameRate::new(30, 1).expect("a rate");
    let format = VideoFormat { coding, rate, about: String::new() };
    V4l2Input::new("camera".to_owned(), format, Script::new(events), conversion)
}

/// Everything it shows until nothing comes, in a line each.
fn seen(mut input: V4l2Input<Script>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let over = input.buffers.events.is_empty();
        lines.push(match input.read(Duration::ZERO) {
            Ok(Glimpse::Nothing) if over => break,
            Ok(Glimpse::Nothing) => "nothing".to_owned(),
            Ok(Glimpse::Damaged(words)) => words.to_owned(),
            Ok(Glimpse::Shot(Shot { captured, missed, image, .. })) => {
                let shade = match image {
                    Image::Raw(Planes::I420([y, ..])) => y.data[0],
                    Image::Raw(Planes::Nv12([y, _])) => y.data[0],
                    Image::H264(bytes) => bytes[0],
                };
                format!("{shade} at {} ms, {missed} missed", captured.as_nanos() / 1_000_000)
            }
            Err(error) => {
                lines.push(error.signal.to_string());
                break;
            }
        });
    }
    lines
}

fn picture(sequence: u32) -> Event {
    Event::Picture { sequence, shade: sequence as u8 }
}

#[test]
fn raw_pictures_wait_but_not_many_and_the_others_are_left_out_and_counted() {
    let events = [
        picture(1),
        Event::Pause,
        picture(2),
        picture(3),
        picture(4),
        Event::Pause,
        picture(7), // two the driver lost
        picture(8),
        Event::Pause,
        picture(9),
    ];
    let expected = [
        "1 at 1 ms, 0 missed",
        "2 at 2 ms, 0 missed",
        "4 at 4 ms, 1 missed",
        "7 at 7 ms, 2 missed",
        "8 at 8 ms, 0 missed",
        "9 at 9 ms, 0 missed",
    ];
    assert_eq!(seen(input(Coding::Raw, &events)), expected);
}

#[test]
fn of_h264_each_is_shown() {
    let events = [picture(1), picture(2), picture(4), picture(5)];
    let expected =
        ["1 at 1 ms, 0 missed", "2 at 2 ms, 0 missed", "4 at 4 ms, 1 missed", "5 at 5 ms, 0 missed"];
    assert_eq!(seen(input(Coding::H264, &events)), expected);
}

#[test]
fn what_is_damaged_is_told_or_left_out_first() {
    let events = [
        Event::Corrupt { sequence: 1 },
        Event::Pause,
        picture(2),
        Event::Corrupt { sequence: 3 },
        Event::Pause,
        Event::Short { sequence: 6 }, // two the driver lost
        Event::Pause,
        picture(7),
        Event::Pause,
        picture(8),
        picture(9),
        Event::Corrupt { sequence: 10 },
        picture(11),
        Event::Pause,
    ];
    let expected = [
        "marked as corrupt by the driver",
        "2 at 2 ms, 0 missed",
        "marked as corrupt by the driver",
        "picture cut short",
        "8 at 8 ms, 3 missed",
        "9 at 9 ms, 0 missed",
        "11 at 11 ms, 1 missed",
    ];
    assert_eq!(seen(input(Coding::Raw, &events)), expected);
}

#[test]
fn every_buffer_comes_back_however_long_it_goes_on() {
    let events: Vec<_> = (0..10_000)
        .flat_map(|n| [picture(3 * n + 1), Event::Corrupt { sequence: 3 * n + 2 }, Event::Pause])
        .collect();
    let mut input = input(Coding::Raw, &events);
    let mut shots = 0;
    loop {
        match input.read(Duration::ZERO) {
            Ok(Glimpse::Shot(_)) => shots += 1,
            Ok(Glimpse::Damaged(_)) => {}
            Ok(Glimpse::Nothing) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(shots, 10_000);
    assert_eq!(input.buffers.free.len(), BUFFERS - 1, "the last picture is kept");
}

#[test]
fn the_last_whole_picture_can_be_seen_until_there_is_another() {
    let last = |input: &V4l2Input<Script>| match input.last() {
        Some(Image::Raw(Planes::I420([y, ..]))) => Some(y.data[0]),
        other => other.map(|image| panic!("{image:?}")),
    };
    let [pause, two] = [Event::Pause, picture(2)];
    let short = Event::Short { sequence: 3 };
    let events =
        [two, pause, pause, Event::Corrupt { sequence: 3 }, pause, short, pause, picture(4), picture(5)];
    let mut input = input(Coding::Raw, &events);
    assert_eq!(last(&input), None);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let glimpse = match input.read(Duration::ZERO) {
            Ok(Glimpse::Shot(_)) => "shot",
            Ok(Glimpse::Damaged(_)) => "damaged",
            Ok(Glimpse::Nothing) => "nothing",
            Err(error) => panic!("{error}"),
        };
        seen.push((glimpse, last(&input), input.buffers.free.len()));
    }
    let kept = BUFFERS - 1;
    let expected = [
        ("shot", 2, kept),
        ("nothing", 2, kept),
        ("damaged", 2, kept),
        ("damaged", 2, kept),
        ("shot", 4, kept - 1),
    ];
    assert_eq!(seen, expected.map(|(glimpse, shade, free)| (glimpse, Some(shade), free)));
    assert!(input.read(Duration::ZERO).is_ok() && last(&input) == Some(5));
    let mut coded = self::input(Coding::H264, &[picture(1)]);
    assert!(coded.read(Duration::ZERO).is_ok());
    assert!(coded.last().is_none(), "what was coded is not to be shown twice");
}

#[test]
fn a_camera_that_goes_away_or_only_promises_is_given_up() {
    let gone = seen(input(Coding::Raw, &[picture(1), Event::Pause, Event::Gone]));
    assert_eq!(gone, ["1 at 1 ms, 0 missed", "no-device"]);
    // Pictures that wait before the end are not worth losing the words over.
    assert_eq!(seen(input(Coding::Raw, &[picture(1), Event::Gone])), ["no-device"]);
    let mut input = input(Coding::Raw, &[Event::Vain; 100]);
    let error = input.read(Duration::from_secs(3600)).expect_err("it only promises");
    assert_eq!(error.signal, Signal::Failed, "{error}");
    assert_eq!(input.buffers.waits.get(), FORGIVEN + 1);
}

#[test]
fn sequence_numbers_wrap_stand_still_or_begin_anew() {
    let table = [
        // a number and what is missing by then
        vec![(5, 0), (6, 0), (9, 2), (11, 3)],
        vec![(u32::MAX - 1, 0), (u32::MAX, 0), (0, 0), (2, 1)],
        vec![(0, 0), (0, 0), (0, 0)],
        vec![(1000, 0), (0, 0), (2, 1)],
    ];
    for row in table {
        let mut count = Count::default();
        for (sequence, missed) in row {
            count.passed(sequence);
            assert_eq!(count.missed, missed, "{sequence}");
        }
    }
}
