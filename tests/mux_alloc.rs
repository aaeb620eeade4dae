//! In their steady state the multiplexer and the passthrough take no memory: every allocation of the test's
//! thread is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use outpost::base::{Pts, Span};
use outpost::container::fmp4::{self, TrackConfig};
use outpost::container::ts::{Mark, Mux, PACKET_LEN, Sink};
use outpost::encode::copy::{Copy, CopyNews};
use outpost::media::FrameRate;
use outpost::media::h264::{self, AccessUnits, NalType, ParameterSets};
use outpost::media::packet::VideoConfig;
use outpost::media::{AacConfig, Entry, Packet, Program, Track};

struct Counting;

thread_local! {
    // Of one thread alone: the test harness has another, which allocates when it likes.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps GlobalAlloc's contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, that is from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Counts packets and forgets them.
struct Count(usize, [u8; PACKET_LEN]);

impl Sink for Count {
    fn slot(&mut self, _: Mark) -> &mut [u8; PACKET_LEN] {
        self.0 += 1;
        &mut self.1
    }

    fn publish(&mut self) {}
}

#[test]
fn not_one_allocation_however_units_come() {
    let audio = AacConfig::parse(&[0x11, 0x88]).expect("valid");
    let video = VideoConfig {
        codecs: "avc1.64001f".into(),
        size: "1280x720".parse().expect("a size"),
        rate: FrameRate::new(30, 1).expect("a rate"),
    };
    let data = vec![1; 60_000];
    for program in
        [Program::audio_only(audio.clone()), Program { video: Some(video), audio: Some(audio.clone()) }]
    {
        let (mut mux, mut sink) = (Mux::with_notes(&program), Count(0, [0; PACKET_LEN]));
        let before = ALLOCATIONS.get();
        let mut units = 0_usize;
        for n in 0..6_000 {
            let pts = Pts::from_ticks(n * 1920);
            if n % 94 == 0 {
                mux.cut(pts, &mut sink);
            }
            if n % 2 == 0 && program.video.is_some() {
                let entry = if n % 94 == 0 { Entry::Key } else { Entry::Dependent };
                let data = &data[..20 + n as usize * 7919 % 59_000];
                let unit = Packet { track: Track::Video, pts, dts: pts, entry, data };
                units += usize::from(mux.write(&unit, &mut sink).is_ok());
            }
            // All lengths there can be, the longest that is refused among them.
            let data = &data[..n as usize * 37 % 8_190];
            let unit = Packet { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data };
            units += usize::from(mux.write(&unit, &mut sink).is_ok());
            mux.note(pts, &[0; 300][..n as usize % 300], &mut sink).expect("it is short");
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert!(units > 5_900 && sink.0 > 20_000, "{units} units, {} packets", sink.0);
    }
}

#[test]
fn fragments_take_no_memory_but_for_what_they_hand_out() {
    let unit = [film(), vec![1; 60_000]].concat();
    let sets = ParameterSets::of(&unit).expect("it begins with them");
    let film = TrackConfig::Video { sets: sets.clone(), rate: FrameRate::new(25, 1).expect("a rate") };
    let sound = TrackConfig::Audio(AacConfig::parse(&[0x11, 0x88]).expect("valid"));
    for (track, step) in [(film, 3_600), (sound, 1_920)] {
        let mut mux = fmp4::Mux::new(&track);
        let mut out = Vec::with_capacity(100);
        let (mut units, mut bytes) = (0, 0);
        let mut play = |from: i64, to: i64| {
            for n in from..to {
                let pts = Pts::from_ticks(n * step + n % 7);
                let data = &unit[..20 + n as usize * 7919 % 59_000];
                let packet = Packet { track: Track::Video, pts, dts: pts, entry: Entry::Key, data };
                units += usize::from(sets.cover(data) && mux.push(&packet).is_ok());
                if n % 8 == 7 {
                    mux.note(pts, &[0; 64]);
                    mux.finish(&mut out);
                    bytes += out.iter().map(Bytes::len).sum::<usize>();
                    out.clear();
                }
            }
        };
        play(0, 1_000);
        let before = ALLOCATIONS.get();
        play(1_000, 10_000);
        // Slabs of 32 KiB, each with its own counter of who holds it.
        let slabs = bytes / (32 << 10) + 1;
        assert!(ALLOCATIONS.get() - before <= 2 * slabs, "{} for {slabs}", ALLOCATIONS.get() - before);
        assert!(units > 9_900, "{units} units");
    }
}

/// A film without B pictures, whose parameter sets come once.
fn film() -> Vec<u8> {
    let film: &[u8] = include_bytes!("data/ts/pictures.h264");
    let mut sets = 0;
    let nals = h264::nal_units(film).filter(|nal| match NalType::of(nal[0]) {
        // Pictures nothing depends on are the B pictures here (nal_ref_idc 0).
        NalType::Slice => nal[0] & 0x60 != 0,
        NalType::Sps | NalType::Pps => {
            sets += 1;
            sets <= 2
        }
        _ => true,
    });
    nals.flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
}

#[test]
fn not_one_allocation_from_a_camera_s_bytes_to_what_is_sent() {
    let film = film();
    let mut parser = AccessUnits::default();
    let mut copy = Copy::new(FrameRate::new(25, 1).expect("a rate"), Span::from_millis(4000));
    let (mut number, mut keys, mut bytes) = (0, 0, 0);
    let mut play = |times: usize| {
        for piece in std::iter::repeat_n(film.chunks(3_000), times).flatten() {
            parser.push(piece);
            while let Some(unit) = parser.next_unit() {
                let unit = unit.expect("nothing is wrong with it");
                number += 1;
                let pts = Pts::from_ticks(number * 3_600);
                let mut out = |packet: &Packet<'_>| {
                    keys += usize::from(packet.entry == Entry::Key);
                    bytes += packet.data.len();
                };
                while copy.unit(pts, unit, &mut out).expect("it can be sent") == CopyNews::Changed {}
            }
        }
    };
    play(2);
    let before = ALLOCATIONS.get();
    play(100);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(keys > 200 && bytes > 100 * film.len(), "{keys} entry points, {bytes} bytes");
}
