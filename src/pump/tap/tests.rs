use super::*;
use crate::base::{Monotonic, SimClock, WallTime};
use crate::media::grid::Cutter;
use crate::media::{Entry, Track, part_target};
use crate::ring::{self, Consumer};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proptest::prelude::*;
use std::os::fd::AsFd;

const GRID: Span = Span::from_millis(2000);
const PICTURE: Span = Span::from_ticks(3000);

struct Rig {
    tap: Tap,
    ring: Consumer<Unit>,
    cutter: Cutter,
    stats: Arc<LaneStats>,
}

impl Rig {
    fn new(places: usize, unit: Span) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Monotonic::default(), WallTime::default()));
        let (producer, ring) = ring::channel(places).expect("an eventfd");
        let grid = CutGrid::new(GRID);
        let target = part_target(Span::from_millis(200), &[unit]);
        let stats = Arc::new(LaneStats::default());
        let tap = Tap::new(producer, Some(grid), (unit, target), &clock, Arc::clone(&stats));
        Self { tap, ring, cutter: Cutter::new(grid), stats }
    }

    /// A picture at that tick: coded as a key frame where a segment begins.
    fn write(&mut self, ticks: i64) {
        let pts = Pts::from_ticks(ticks);
        let mut entry = Entry::Dependent;
        if self.cutter.is_cut(pts) {
            self.tap.begin_segment();
            entry = Entry::Key;
        }
        self.tap.write(&Packet { track: Track::Video, pts, dts: pts, entry, data: &[1, 2, 3] });
    }

    /// What the reader finds: a letter for each unit, `|` before a segment, `,` where a part ends, `.` where its
    /// segment does.
    fn read(&mut self) -> String {
        let mut text = String::new();
        loop {
            let units = self.ring.read();
            let count = units.len();
            for unit in units {
                text.push_str(match unit.place {
                    Place::Follows => "",
                    Place::Begins => "|",
                    Place::Resumes => "~",
                    Place::Breaks => "/",
                });
                text.push('u');
                text.push_str(match unit.part {
                    PartEnd::Open => "",
                    PartEnd::Closes => ",",
                    PartEnd::Ends => ".",
                });
            }
            if count == 0 {
                return text;
            }
            self.ring.release(count);
        }
    }
}

#[test]
fn even_pictures_end_parts_and_segments_on_time() {
    let mut rig = Rig::new(256, PICTURE);
    // From an eighth of a second before an instant of the grid.
    (0..128).for_each(|n| rig.write(180_000 - 4 * 3000 + n * 3000));
    let segment = format!("|{}uuuuuu.", "uuuuuu,".repeat(9));
    assert_eq!(rig.read(), format!("|uuuu.{segment}{segment}|uuuu"));
}

#[test]
fn the_reader_is_woken_with_the_unit_that_tells_of_an_end() {
    let rings = |rig: &mut Rig| {
        let mut bell = [PollFd::new(rig.ring.as_fd(), PollFlags::POLLIN)];
        let rings = poll(&mut bell, PollTimeout::ZERO).expect("poll") == 1;
        rig.ring.clear();
        rings
    };
    // Where nobody knows when a segment ends, as with a camera that codes itself: six pictures to a part, and a
    // segment that begins amid one.
    let mut rig = Rig::new(256, PICTURE);
    rig.tap.grid = None;
    let woken: Vec<_> = (0..10).map(|n| (rig.write(200_000 + n * 3000), rings(&mut rig)).1).collect();
    let at_ends = [true, false, false, false, false, false, true, false, false, false];
    assert_eq!(woken, at_ends, "the first begins a segment, the seventh tells that a part has ended");
    rig.tap.begin_segment();
    rig.write(200_000 + 10 * 3000);
    assert!(rings(&mut rig), "the segment before has ended");
    // A picture so late that it cannot be in the part of those before.
    rig.write(200_000 + 11 * 3000);
    assert!(!rings(&mut rig));
    rig.write(200_000 + 18 * 3000);
    assert!(rings(&mut rig), "the part before has ended");
    assert_eq!(rig.read(), "|uuuuuuuuuu|uuu");
}

#[test]
fn where_ends_cannot_be_foreseen_no_part_is_closed_before_there_is_more_of_its_segment() {
    // A part that is just full when the camera's key frame comes: the hint would be of a part that never comes.
    let mut rig = Rig::new(256, PICTURE);
    rig.tap.grid = None;
    (0..6).for_each(|n| rig.write(200_000 + n * 3000));
    rig.tap.begin_segment();
    (6..18).for_each(|n| rig.write(200_000 + n * 3000));
    assert_eq!(rig.read(), "|uuuuuu|uuuuuuuuuuuu");
}

#[test]
fn a_picture_that_comes_after_its_segment_was_ended_is_counted() {
    let mut rig = Rig::new(256, PICTURE);
    (0..60).for_each(|n| rig.write(180_000 + n * 3000));
    assert!(rig.read().ends_with('.'));
    // Sooner than any before: still of the old cell.
    rig.write(360_000 - 500);
    assert_eq!((rig.read().as_str(), rig.stats.early.get()), ("", 1));
    rig.write(360_000);
    assert_eq!((rig.read().as_str(), rig.stats.early.get()), ("|u", 1));
}

#[test]
fn an_interruption_that_does_not_get_through_is_told_with_the_next_segment() {
    let mut rig = Rig::new(16, PICTURE);
    (0..20).for_each(|n| rig.write(180_000 + n * 3000));
    rig.tap.interrupt();
    rig.write(180_000 + 20 * 3000);
    assert_eq!(rig.read().matches(['|', '/']).count(), 1);
    (60..62).for_each(|n| rig.write(180_000 + n * 3000));
    assert!(rig.read().starts_with('/'));
}

#[test]
fn pictures_that_waver_about_an_instant_are_waited_for_and_none_is_lost() {
    let mut rig = Rig::new(1024, PICTURE);
    // Each is up to a third of a millisecond early or late, and some fall just before an instant, some behind.
    let mut written = 0;
    for n in 0..600 {
        rig.write(180_000 - 30_000 + n * 3000 + [-30, 30, 0, 25, -25][n as usize % 5]);
        written += 1;
    }
    let read = rig.read();
    assert_eq!(read.matches('u').count(), written, "{read}");
    assert_eq!(read.matches('|').count(), 11, "{read}");
}

#[test]
fn sound_ends_on_time_wherever_its_frames_fall() {
    let mut rig = Rig::new(4096, Span::from_ticks(1920));
    (0..1000).for_each(|n| rig.write(180_000 + n * 1920));
    let read = rig.read();
    let segments: Vec<_> = read.split('|').skip(1).collect();
    for segment in &segments[..segments.len() - 1] {
        assert!(segment.ends_with('.'), "{segment}");
        let (last, parts) = segment
            .split(',')
            .collect::<Vec<_>>()
            .split_last()
            .map(|(l, p)| (l.len(), p.to_vec()))
            .expect("parts");
        assert!(parts.iter().all(|part| *part == "u".repeat(9)) && last <= 10, "{segment}");
    }
}

#[test]
fn a_full_ring_drops_to_the_next_segment() {
    let mut rig = Rig::new(16, PICTURE);
    (0..61).for_each(|n| rig.write(180_000 + n * 3000));
    assert_eq!((rig.stats.drops.get(), rig.stats.dropped.get()), (1, 45));
    assert_eq!(rig.read(), "|uuuuuu,uuuuuu,uuuu");
    (61..126).for_each(|n| rig.write(180_000 + n * 3000));
    assert_eq!(rig.read(), "~uuuuuu,", "from the next one on");
    assert_eq!(rig.stats.drops.get(), 1);
}

#[test]
fn where_every_second_picture_is_left_out_segments_end_on_time_too() {
    let mut rig = Rig::new(1024, PICTURE);
    (0..600).for_each(|n| rig.write(180_000 + n * 6000));
    let read = rig.read();
    let settled: Vec<_> = read.split('|').skip(9).collect();
    assert!(settled.len() > 9, "{read}");
    for segment in &settled[..settled.len() - 1] {
        assert!(segment.ends_with('.') && segment.matches([',', '.']).count() == 10, "{read}");
    }
}

proptest! {
    #[test]
    fn every_part_is_whole_whatever_the_jitter(
        phase in 0i64..3000,
        jitter in proptest::collection::vec(-300i64..300, 100..400),
    ) {
        let mut rig = Rig::new(1024, PICTURE);
        for (n, jitter) in jitter.iter().enumerate() {
            rig.write(180_000 + phase + 3000 * n as i64 + jitter);
        }
        let read = rig.read();
        // A picture that came before the time that was foreseen costs itself, seldom.
        let early = rig.stats.early.get() as usize;
        prop_assert_eq!(read.matches('u').count() + early, jitter.len());
        prop_assert!(early <= 5, "{}", early);
        for part in read.split([',', '.', '|']) {
            prop_assert!(part.len() <= 7, "{}", read);
        }
    }
}
