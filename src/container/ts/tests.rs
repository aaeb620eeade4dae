//! The multiplexer judged by the demultiplexer, and by the standard's own rules.

mod rig;

use proptest::prelude::*;

use super::mux::PCR_INTERVAL;
use super::packet::{self, Unit};
use super::psi::{NOTES_PID, PMT_PID, pid_of};
use super::*;
use crate::base::Span;
use crate::media::FrameRate;
use crate::media::grid::Cutter;
use crate::media::packet::VideoConfig;
use crate::media::{AacConfig, CutGrid, Entry, Packet, Program, Track};
use rig::{Owned, Tape, arrivals, demux, he, judge, lc, mux, radio, with_video};

#[test]
fn a_radio_at_64_kbit_is_nearly_all_sound() {
    // Frames that vary as an encoder's do around 171 bytes: 64 kbit/s.
    let lens: Vec<_> = (0..28_125_usize).map(|n| 171 + n * 7919 % 81 - 40).collect();
    let adts: usize = lens.iter().map(|len| len + 7).sum();
    for (millis, most) in [(2000, 1.083), (4000, 1.075)] {
        let units = radio(&lc(), 900_000, &lens);
        let tape = mux(&Program::audio_only(lc()), &units, Span::from_millis(millis));
        let ratio = (tape.packets().count() * PACKET_LEN) as f64 / adts as f64;
        assert!(ratio <= most, "{ratio} with segments of {millis} ms");
        assert_eq!(judge(&tape, units[0].pts).units, units);
    }
}

#[test]
fn a_hole_before_a_picture_is_not_how_long_it_lasts() {
    // A source that gives 30 pictures a second, is held up for four seconds, and ends soon after, or at once.
    for pictures in [&[0, 1, 2, 120][..], &[0, 1, 2, 120, 121]] {
        let (mut mux, mut tape) = (Mux::new(&with_video()), Tape::default());
        for n in pictures {
            let picture = Owned::video(n * 3_000, Entry::Key, 0, 100);
            mux.write(&picture.packet(), &mut tape).expect("in order");
        }
        mux.interrupt(&mut tape);
        let end = Pts::from_ticks((pictures[pictures.len() - 1] + 1) * 3_000);
        assert_eq!(tape.marks().last(), Some(&Mark::End { at: end }), "{pictures:?}");
    }
}

#[test]
fn segments_are_marked_where_the_caller_cuts() {
    let program = Program::audio_only(lc());
    let (mut mux, mut tape) = (Mux::new(&program), Tape::default());
    let at = |n: i64| Pts::from_ticks(n * 1920);
    let write = |mux: &mut Mux, tape: &mut Tape, n: i64| {
        mux.write(&Owned::audio(n * 1920, 100).packet(), tape).expect("in order");
    };
    mux.cut(at(0), &mut tape); // nothing to end yet
    (0..3).for_each(|n| write(&mut mux, &mut tape, n));
    mux.cut(at(3), &mut tape);
    (3..5).for_each(|n| write(&mut mux, &mut tape, n));
    mux.interrupt(&mut tape);
    write(&mut mux, &mut tape, 1); // earlier: after an interruption anything may follow
    mux.cut(at(2), &mut tape);
    let (whole, broken) = (Join::Continuous, Join::Broken);
    assert_eq!(
        tape.marks(),
        [
            Mark::Begin { at: at(0), join: whole },
            Mark::End { at: at(3) },
            Mark::Begin { at: at(3), join: whole },
            Mark::End { at: at(5) },
            Mark::Begin { at: at(1), join: broken },
            Mark::End { at: at(2) },
        ]
    );
    let found = demux(at(0), tape.packets().map(|packet| &packet[..]));
    assert_eq!((found.units.len(), found.faults), (6, vec![]));
    // The packets say so too: discontinuity_indicator on the first PCR of the broken segment alone.
    let joins = tape.packets().filter_map(packet::read).filter(|read| read.pcr.is_some());
    assert_eq!(joins.map(|read| read.join).collect::<Vec<_>>(), [whole, whole, broken]);
}

#[test]
fn units_that_cannot_follow_are_refused_and_the_rest_goes_on() {
    let program = Program::audio_only(lc());
    let (mut mux, mut tape) = (Mux::new(&program), Tape::default());
    let mut write = |unit: Owned| mux.write(&unit.packet(), &mut tape);
    assert_eq!(write(Owned::audio(90_000, 10)), Ok(()));
    let (track, from) = (Track::Audio, Pts::from_ticks(90_000));
    for to in [90_000, 0, 990_001] {
        let expected = MuxError::Jump { track, from, to: Pts::from_ticks(to) };
        assert_eq!(write(Owned::audio(to, 10)), Err(expected));
    }
    assert_eq!(
        write(Owned::audio(91_920, 9000)),
        Err(MuxError::Aac(crate::media::aac::AacError::TooLong(9000)))
    );
    assert_eq!(write(Owned::video(91_920, Entry::Key, 0, 10)), Err(MuxError::NoTrack(Track::Video)));
    assert_eq!(write(Owned::audio(91_920, 10)), Ok(()));
}

#[test]
fn a_picture_every_second_still_has_a_clock() {
    let units: Vec<_> =
        (0..5).map(|n| Owned::video(900_000 + n * 90_000, Entry::Key, 3_000, 2_000)).collect();
    let tape = mux(&with_video(), &units, Span::from_millis(2000));
    assert_eq!(judge(&tape, units[0].dts).units, units);
}

#[test]
fn an_access_unit_without_delimiter_gets_one() {
    let mut unit = Owned::video(900_000, Entry::Key, 0, 50);
    let whole = unit.data.clone();
    unit.data.drain(..6);
    let tape = mux(&with_video(), &[unit], Span::from_millis(2000));
    assert_eq!(judge(&tape, Pts::from_ticks(900_000)).units[0].data, whole);
}

#[test]
fn notes_stand_in_a_segment_and_disturb_nobody() {
    let (mut mux, mut tape) = (Mux::with_notes(&Program::audio_only(lc())), Tape::default());
    let units: Vec<_> = (0..40).map(|n| Owned::audio(900_000 + n * 1920, 171)).collect();
    // One that fits a packet, one that takes three.
    let tags = [vec![b'x'; 170], vec![b'y'; 400]];
    mux.note(units[0].pts, &tags[0], &mut tape).expect("it is short");
    assert!(tape.records.is_empty(), "no segment is open");
    for (n, unit) in units.iter().enumerate() {
        mux.write(&unit.packet(), &mut tape).expect("in order");
        if let Some(tag) = tags.get(n) {
            mux.note(unit.pts, tag, &mut tape).expect("it is short");
        }
    }
    let refused = mux.note(units[0].pts, &[0; 65_528], &mut tape);
    assert_eq!(refused, Err(MuxError::Note(65_528)));
    mux.note(units[39].pts, &[0; 65_527], &mut tape).expect("the longest");
    mux.flush(&mut tape);
    assert_eq!(judge(&tape, units[0].pts).units, units);

    let notes = tape.packets().filter_map(packet::read).filter(|read| read.pid == NOTES_PID);
    let notes: Vec<_> =
        notes.filter_map(|read| Some((read.unit, read.counter.bits(), read.payload?))).collect();
    let head = |n: usize| pes::Head::note(units[n].pts, tags[n].len());
    assert_eq!(notes[0], (Unit::Starts, 0, &[head(0).bytes(), &tags[0]].concat()[..]));
    let long: Vec<_> = notes[1..4].iter().flat_map(|(_, _, payload)| payload.iter().copied()).collect();
    assert_eq!(long, [head(1).bytes(), &tags[1]].concat());
    assert!(notes.iter().enumerate().all(|(n, note)| usize::from(note.1) == n % 16), "they are counted");
}

#[test]
fn a_radio_that_tells_the_time_is_nearly_all_sound() {
    let lens: Vec<_> = (0..28_125_usize).map(|n| 171 + n * 7919 % 81 - 40).collect();
    let adts: usize = lens.iter().map(|len| len + 7).sum();
    let (mut mux, mut tape) = (Mux::with_notes(&Program::audio_only(lc())), Tape::default());
    let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(2000)));
    let mut cuts = 0;
    for unit in radio(&lc(), 900_000, &lens) {
        let begins = cutter.is_cut(unit.pts);
        if begins {
            mux.cut(unit.pts, &mut tape);
        }
        mux.write(&unit.packet(), &mut tape).expect("in order");
        // As the pump does it: every twelve seconds.
        if begins && cuts % 6 == 0 {
            mux.note(unit.pts, &[0; 64], &mut tape).expect("it is short");
        }
        cuts += i64::from(begins);
    }
    mux.flush(&mut tape);
    let ratio = (tape.packets().count() * PACKET_LEN) as f64 / adts as f64;
    assert!(ratio <= 1.083, "{ratio}");
}

#[test]
fn sound_does_not_wait_long_beside_video() {
    let (mut mux, mut tape) = (Mux::new(&with_video()), Tape::default());
    let mut write = |unit: Owned| mux.write(&unit.packet(), &mut tape).expect("in order");
    write(Owned::video(900_000, Entry::Key, 0, 50));
    write(Owned::audio(900_000, 50));
    // The sound stops, the pictures go on.
    (1..12).for_each(|n| write(Owned::video(900_000 + n * 3_600, Entry::Dependent, 0, 50)));
    let found = demux(Pts::from_ticks(900_000), tape.packets().map(|packet| &packet[..]));
    assert_eq!(found.of(Track::Audio).len(), 1);
}

#[test]
fn the_clock_goes_on_when_pictures_stop_and_when_none_ever_come() {
    let audio = |from: i64, to: i64| (from..to).map(|n| Owned::audio(900_000 + n * 1920, 40));
    let video = |at: i64| Owned::video(900_000 + at, Entry::Key, 0, 50);
    let pictures = |units: Vec<Owned>| {
        let tape = mux(&with_video(), &units, Span::from_millis(60_000));
        let found = demux(Pts::from_ticks(900_000), tape.packets().map(|packet| &packet[..]));
        assert_eq!((found.units.len(), found.faults.len()), (units.len(), 0));
        for pair in found.clocks.windows(2) {
            let gap = pair[1].1 - pair[0].1;
            assert!(gap > Span::ZERO && gap <= PCR_INTERVAL, "PCR gap of {gap:?}");
        }
        let behind = Pts::from_ticks(900_000 + 300 * 1920) - found.clocks.last().expect("clocks").1;
        assert!(behind <= Span::from_millis(1200), "the clock ends {behind:?} before the sound");
        found.clocks.len()
    };
    let once = [vec![video(0)], audio(0, 300).collect()].concat();
    let never = audio(0, 300).collect();
    // It is there again, later than it was waited for.
    let late = [vec![video(0)], audio(0, 200).collect(), vec![video(150 * 1920)], audio(200, 300).collect()];
    for units in [once, never, late.concat()] {
        assert!(pictures(units) > 50);
    }
}

#[test]
fn two_days_over_the_wrap() {
    // PTS wraps after 26.5 hours. Silence: tiny frames, so that the clock alone makes packets.
    let config = he();
    let (mut mux, mut tape) = (Mux::new(&Program::audio_only(config)), Tape::default());
    let mut cutter = Cutter::new(CutGrid::new(Span::from_millis(10_000)));
    let start = Pts::from_ticks(5_000_000_123);
    let (mut demux, mut next, mut clock) = (Demux::new(start), start, None::<Pts>);
    let frame = Span::from_ticks(3840);
    let frames = 48 * 3600 * 90_000 / frame.ticks();
    for n in 0..frames {
        let pts = start + Span::from_ticks(n * frame.ticks());
        if cutter.is_cut(pts) {
            mux.cut(pts, &mut tape);
        }
        let unit = Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data: &[0x21, 0x10] };
        mux.write(&unit, &mut tape).expect("in order");
        if tape.published == tape.records.len() {
            for packet in tape.packets() {
                demux.feed(packet, |event| match event {
                    Event::Unit(unit) => {
                        assert_eq!(unit.pts, next);
                        next += frame;
                    }
                    Event::Clock { pcr, .. } => {
                        let gap = clock.map_or(Span::from_ticks(1), |last| pcr - last);
                        assert!(gap > Span::ZERO && gap <= PCR_INTERVAL, "{gap:?} at {pcr:?}");
                        clock = Some(pcr);
                    }
                    Event::Fault { fault, at } => panic!("{fault} at byte {at}"),
                });
            }
            tape.records.clear();
            tape.published = 0;
        }
    }
    assert!(next > start + Span::from_ticks(47 * 3600 * 90_000));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn radio_comes_out_as_it_went_in(
        high in any::<bool>(),
        start in 0i64..1 << 40,
        lens in prop_oneof![
            proptest::collection::vec(1usize..600, 1..300),
            proptest::collection::vec(1usize..12, 1..300),
            proptest::collection::vec(1usize..8000, 1..60),
        ],
        target in 200i64..3000,
    ) {
        let config = if high { he() } else { lc() };
        let units = radio(&config, start, &lens);
        let tape = mux(&Program::audio_only(config), &units, Span::from_millis(target));
        let found = judge(&tape, units[0].pts);
        prop_assert_eq!(&found.units, &units);
        // Whatever can be known of arrivals: all but those behind the last PCR.
        for (unit, arrival) in units.iter().zip(arrivals(&tape, &found.clocks, &lens)) {
            if let Some(arrival) = arrival {
                prop_assert!(arrival <= unit.dts, "{:?} arrives {:?} late", unit.pts, arrival - unit.dts);
            }
        }
    }

    #[test]
    fn sound_with_holes_keeps_its_clock(
        start in 0i64..1 << 40,
        steps in proptest::collection::vec((1920i64..20_000, 1usize..400), 1..200),
    ) {
        let mut pts = start;
        let units: Vec<_> = steps
            .iter()
            .map(|(step, len)| {
                pts += step;
                Owned::audio(pts, *len)
            })
            .collect();
        let tape = mux(&Program::audio_only(lc()), &units, Span::from_millis(2000));
        let found = demux(units[0].pts, tape.packets().map(|packet| &packet[..]));
        prop_assert_eq!(found.faults, []);
        prop_assert_eq!(found.units.len(), units.len());
        for pair in found.clocks.windows(2) {
            let gap = pair[1].1 - pair[0].1;
            prop_assert!(gap > Span::ZERO && gap <= PCR_INTERVAL, "PCR gap of {:?}", gap);
        }
        let lens: Vec<_> = units.iter().map(|unit| unit.data.len()).collect();
        for (unit, arrival) in units.iter().zip(arrivals(&tape, &found.clocks, &lens)) {
            prop_assert!(arrival.is_none_or(|arrival| arrival <= unit.dts));
        }
    }

    #[test]
    fn picture_and_sound_come_out_as_they_went_in(
        start in 0i64..1 << 40,
        pictures in proptest::collection::vec((900i64..30_000, 0i64..4, 1usize..5000, 0u8..10), 1..80),
        cut in 1usize..400,
    ) {
        let mut dts = start;
        let mut units = Vec::new();
        for (n, (step, delay, len, kind)) in pictures.iter().enumerate() {
            let entry = if n == 0 || *kind == 0 { Entry::Key } else { Entry::Dependent };
            units.push(Owned::video(dts, entry, delay * 3_000, *len));
            dts += step;
        }
        units.extend((0..(dts - start) / 1920).map(|n| Owned::audio(start + n * 1920, 40)));
        units.sort_by_key(|unit| (unit.dts, unit.track == Track::Audio));
        let tape = mux(&with_video(), &units, Span::from_millis(2000));
        let found = judge(&tape, units[0].dts);
        for track in [Track::Video, Track::Audio] {
            let expected: Vec<_> = units.iter().filter(|unit| unit.track == track).cloned().collect();
            let mut found = found.of(track);
            // PTS of frames in one PES packet are counted from its first; these are whole ticks.
            found.sort_by_key(|unit| unit.dts);
            prop_assert_eq!(found, expected);
        }
        // However the bytes are divided, the same comes out.
        let bytes: Vec<u8> = tape.packets().flatten().copied().collect();
        let other = demux(units[0].dts, bytes.chunks(cut));
        prop_assert_eq!(other.units, found.units);
    }

    #[test]
    fn sound_handed_over_late_is_not_late_by_the_clock(
        start in 0i64..1 << 40,
        steps in proptest::collection::vec((900i64..20_000, 1usize..5000), 2..120),
        delays in proptest::collection::vec(0i64..SOUND_DELAY.ticks(), 1..40),
        len in 1usize..600,
    ) {
        let mut arriving = Vec::new();
        let mut dts = start;
        for (n, (step, len)) in steps.iter().enumerate() {
            let entry = if n % 30 == 0 { Entry::Key } else { Entry::Dependent };
            arriving.push((dts, Owned::video(dts, entry, 0, *len)));
            dts += step;
        }
        let mut at = start;
        for n in 0..(dts - start) / 1920 {
            // Frame by frame, each as late as it likes, but in order.
            at = at.max(start + n * 1920 + delays[n as usize % delays.len()]);
            arriving.push((at, Owned::audio(start + n * 1920, len)));
        }
        arriving.sort_by_key(|(at, _)| *at);
        let units: Vec<_> = arriving.into_iter().map(|(_, unit)| unit).collect();
        let tape = mux(&with_video(), &units, Span::from_millis(2000));
        let found = judge(&tape, units[0].dts);
        let sounds: Vec<_> = units.iter().filter(|unit| unit.track == Track::Audio).collect();
        prop_assert_eq!(found.of(Track::Audio).len(), sounds.len());
        let lens: Vec<_> = sounds.iter().map(|unit| unit.data.len()).collect();
        for (unit, arrival) in sounds.iter().zip(arrivals(&tape, &found.clocks, &lens)) {
            if let Some(arrival) = arrival {
                prop_assert!(arrival <= unit.pts, "{:?} arrives {:?} late", unit.pts, arrival - unit.pts);
            }
        }
    }

    #[test]
    fn a_lost_packet_costs_no_more_than_its_pes_packets(lost in 2usize..90, start in 0i64..1 << 34) {
        let units = radio(&lc(), start, &[171; 100]);
        let tape = mux(&Program::audio_only(lc()), &units, Span::from_millis(60_000));
        let kept = tape.packets().enumerate().filter(|(n, _)| *n != lost).map(|(_, packet)| &packet[..]);
        let found = demux(units[0].pts, kept);
        prop_assert!(found.faults.len() <= 2, "{:?}", found.faults);
        prop_assert!(found.units.len() >= 100 - 2 * 17);
        prop_assert!(found.units.iter().all(|unit| units.contains(unit)));
    }

    #[test]
    fn rubbish_before_and_between_is_skipped(rubbish in proptest::collection::vec(any::<u8>(), 1..400)) {
        let units = radio(&lc(), 90_000, &[171; 40]);
        let tape = mux(&Program::audio_only(lc()), &units, Span::from_millis(300));
        let stream: Vec<u8> = tape.packets().flatten().copied().collect();
        let found = demux(units[0].pts, [&rubbish[..], &stream, &stream].into_iter());
        prop_assert!(found.units.len() >= 40, "{} units", found.units.len());
    }

    #[test]
    fn no_bytes_make_the_demultiplexer_panic(
        packets in proptest::collection::vec(
            (prop_oneof![Just(0u16), Just(0x1000), Just(0x100), Just(0x101)], any::<u8>(), any::<u8>(),
             proptest::collection::vec(any::<u8>(), 184)),
            0..40,
        ),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
    ) {
        // A sound beginning, so that the streams are known; then packets that are right only in their PID.
        let mut bytes: Vec<u8> = mux(&with_video(), &[Owned::video(0, Entry::Key, 0, 9)], PCR_INTERVAL)
            .packets().flatten().copied().collect();
        for (pid, flags, counter, payload) in packets {
            bytes.extend([0x47, flags & 0x40 | (pid >> 8) as u8, pid as u8, counter & 0x3F]);
            bytes.extend(payload);
        }
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = demux(Pts::default(), bytes.chunks(97));
    }
}
