//! What the tests stand on: a sink that keeps everything, units with their own bytes, what is found in them again.

use super::*;

/// A sink that keeps everything.
#[derive(Default)]
pub(super) struct Tape {
    pub(super) records: Vec<Record>,
    pub(super) published: usize,
}

impl Sink for Tape {
    fn slot(&mut self, mark: Mark) -> &mut [u8; PACKET_LEN] {
        self.records.push(Record { mark, packet: [0; PACKET_LEN] });
        &mut self.records.last_mut().expect("just pushed").packet
    }

    fn publish(&mut self) {
        self.published = self.records.len();
    }
}

impl Tape {
    pub(super) fn packets(&self) -> impl Iterator<Item = &[u8; PACKET_LEN]> {
        self.records
            .iter()
            .filter(|record| !matches!(record.mark, Mark::End { .. }))
            .map(|record| &record.packet)
    }

    pub(super) fn marks(&self) -> Vec<Mark> {
        self.records.iter().map(|record| record.mark).filter(|mark| *mark != Mark::Continue).collect()
    }
}

/// A unit with its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) track: Track,
    pub(super) pts: Pts,
    pub(super) dts: Pts,
    pub(super) entry: Entry,
    pub(super) data: Vec<u8>,
}

impl Owned {
    pub(super) fn audio(pts: i64, len: usize) -> Self {
        let pts = Pts::from_ticks(pts);
        let data = (0..len).map(|n| n as u8 ^ pts.ticks() as u8).collect();
        Self { track: Track::Audio, pts, dts: pts, entry: Entry::Key, data }
    }

    pub(super) fn video(dts: i64, entry: Entry, delay: i64, len: usize) -> Self {
        let nal = if entry == Entry::Key { 0x65 } else { 0x41 };
        let mut data = vec![0, 0, 0, 1, 9, 0xF0, 0, 0, 1, nal];
        data.extend((0..len).map(|n| 1 | n as u8));
        let dts = Pts::from_ticks(dts);
        Self { track: Track::Video, pts: dts + Span::from_ticks(delay), dts, entry, data }
    }

    pub(super) fn packet(&self) -> Packet<'_> {
        Packet { track: self.track, pts: self.pts, dts: self.dts, entry: self.entry, data: &self.data }
    }
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) units: Vec<Owned>,
    pub(super) clocks: Vec<(u64, Pts)>,
    pub(super) faults: Vec<Fault>,
}

impl Found {
    pub(super) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Unit(unit) => {
                let Packet { track, pts, dts, entry, data } = unit;
                self.units.push(Owned { track, pts, dts, entry, data: data.to_vec() });
            }
            Event::Clock { at, pcr, .. } => self.clocks.push((at, pcr)),
            Event::Fault { fault, .. } => self.faults.push(fault),
        }
    }

    pub(super) fn of(&self, track: Track) -> Vec<Owned> {
        self.units.iter().filter(|unit| unit.track == track).cloned().collect()
    }
}

pub(super) fn demux<'a>(near: Pts, pieces: impl Iterator<Item = &'a [u8]>) -> Found {
    let (mut demux, mut found) = (Demux::new(near), Found::default());
    pieces.for_each(|piece| demux.feed(piece, |event| found.take(event)));
    demux.finish(|event| found.take(event));
    found
}

pub(super) fn lc() -> AacConfig {
    AacConfig::parse(&[0x11, 0x88]).expect("valid")
}

pub(super) fn he() -> AacConfig {
    AacConfig::parse(&[0x2B, 0x09, 0x88, 0x00]).expect("valid")
}

pub(super) fn with_video() -> Program {
    Program {
        video: Some(VideoConfig {
            codecs: "avc1.64001f".into(),
            size: "1280x720".parse().expect("a size"),
            rate: FrameRate::new(30, 1).expect("a rate"),
        }),
        audio: Some(lc()),
    }
}

/// Muxes units in order, cutting on the grid where the clock's track allows.
pub(super) fn mux(program: &Program, units: &[Owned], target: Span) -> Tape {
    let (mut mux, mut tape) = (Mux::new(program), Tape::default());
    let mut cutter = Cutter::new(CutGrid::new(target));
    let clock = psi::clock_of(program);
    for unit in units {
        if unit.track == clock && unit.entry == Entry::Key && cutter.is_cut(unit.pts) {
            mux.cut(unit.pts, &mut tape);
        }
        mux.write(&unit.packet(), &mut tape).expect("a unit in order");
    }
    mux.flush(&mut tape);
    assert_eq!(tape.published, tape.records.len(), "all that is written is published");
    tape
}

/// What must hold of every stream; gives what the demultiplexer found.
pub(super) fn judge(tape: &Tape, near: Pts) -> Found {
    assert!(tape.packets().all(|packet| packet[0] == 0x47));
    let found = demux(near, tape.packets().map(|packet| &packet[..]));
    assert_eq!(found.faults, [], "continuity counters and CRCs");
    for pair in found.clocks.windows(2) {
        let gap = pair[1].1 - pair[0].1;
        assert!(gap > Span::ZERO && gap <= PCR_INTERVAL, "PCR gap of {gap:?} at byte {}", pair[1].0);
    }
    // Each segment: PAT, PMT, then media of which the first packet has a PCR and says that decoding can begin.
    for (n, record) in tape.records.iter().enumerate() {
        if let Mark::Begin { join, .. } = record.mark {
            let read = |n: usize| packet::read(&tape.records[n].packet).expect("a sound packet");
            assert_eq!((read(n).pid, read(n + 1).pid), (Pid::PAT, PMT_PID));
            // After a hole there may be clocks on their own before it, and a note anywhere.
            let is_media = |read: &packet::Read<'_>| read.payload.is_some() && read.pid != NOTES_PID;
            let first = (n + 2..).map(read).find(is_media).expect("media");
            assert_eq!((first.unit, first.entry, first.join), (Unit::Starts, Entry::Key, join));
            assert!(first.pcr.is_some());
        }
    }
    found
}

/// When the last byte of each audio frame arrives by the program clock, as a decoder reckons it: linear
/// between PCRs (2.4.2.2).
pub(super) fn arrivals(tape: &Tape, clocks: &[(u64, Pts)], lens: &[usize]) -> Vec<Option<Pts>> {
    let mut bytes_at = Vec::new();
    for (n, packet) in tape.packets().enumerate() {
        let read = packet::read(packet).expect("a sound packet");
        if let (true, Some(payload)) = (read.pid == pid_of(Track::Audio), read.payload) {
            let header = if read.unit == Unit::Starts { pes::AUDIO_HEADER_LEN } else { 0 };
            let begin = (n * PACKET_LEN + PACKET_LEN - payload.len()) as u64;
            bytes_at.extend((header as u64..payload.len() as u64).map(|byte| begin + byte));
        }
    }
    let mut end = 0;
    lens.iter()
        .map(|len| {
            end += len + 7;
            let at = bytes_at[end - 1];
            let next = clocks.iter().position(|(clock_at, _)| *clock_at > at)?;
            let ((from, before), (to, after)) = (clocks[next - 1], clocks[next]);
            let part = (after - before).ticks() * (at - from) as i64 / (to - from) as i64;
            Some(before + Span::from_ticks(part))
        })
        .collect()
}

pub(super) fn radio(config: &AacConfig, start: i64, lens: &[usize]) -> Vec<Owned> {
    let frame = i64::from(config.frame_samples());
    lens.iter()
        .enumerate()
        .map(|(n, len)| {
            let ticks = Span::from_samples(n as i64 * frame, config.rate()).ticks();
            Owned::audio(start + ticks, *len)
        })
        .collect()
}
