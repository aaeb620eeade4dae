//! The multiplexer: coded units in, marked transport packets out.
//!
//! It keeps everything that must run on from segment to segment: continuity counters, the program clock.

use super::bundle::{Bundle, Clock, Piece};
use super::packet::{self, Adaptation, Counter, PAYLOAD_LEN, Pid, Unit};
use super::psi::{self, Table};
use super::{Join, Mark, Notes, Sink, pes};
use crate::base::{Pts, Span};
use crate::media::aac::AacError;
use crate::media::{Entry, Packet, Program, Track};

/// The longest time between two PCRs (ISO/IEC 13818-1, 2.7.2).
pub(super) const PCR_INTERVAL: Span = Span::from_millis(100);
/// How much sound may wait for its PES packet: it is heard that much later, so with video, where the
/// stuffing saved matters little, only a few frames do.
const AUDIO_WAIT: Span = Span::from_millis(400);
const AUDIO_WAIT_WITH_VIDEO: Span = Span::from_millis(150);
/// Sound may be handed over so much later than the picture of the same instant and yet none of it comes late:
/// a device's period, the encoder's delay and our own block, with room for a source that is waited for.
pub const SOUND_DELAY: Span = Span::from_millis(400);
/// How long before its decoding video arrives. Behind sound, wherever it is written, the next PCR is at most
/// one interval above that of the picture before it.
const VIDEO_LEAD: Span = Span::from_ticks(SOUND_DELAY.ticks() + PCR_INTERVAL.ticks());
/// A greater distance between two units of a track is no gap, but another timeline.
const MAX_STEP: Span = Span::from_millis(10_000);

/// Why a unit was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MuxError {
    /// The program has no such track.
    #[error("the program has no {0:?} track")]
    NoTrack(Track),
    /// The unit cannot follow the one before it. After [`Mux::interrupt`] it can.
    #[error(
        "{track:?} unit at tick {to} does not follow the one at {from} (backwards, or over 10 s); interrupt \
         the stream first",
        to = to.ticks(), from = from.ticks()
    )]
    Jump {
        /// Its track.
        track: Track,
        /// DTS of the track's last unit.
        from: Pts,
        /// DTS of the unit refused.
        to: Pts,
    },
    /// The frame cannot be an ADTS frame.
    #[error(transparent)]
    Aac(#[from] AacError),
    /// The tag does not fit a PES packet.
    #[error("a note of {0} bytes does not fit a packet (65,527 at most)")]
    Note(usize),
}

/// A stream of PES packets.
#[derive(Clone, Debug)]
struct Stream {
    pid: Pid,
    counter: Counter,
    /// DTS of the last unit.
    last: Option<Pts>,
}

impl Stream {
    fn new(pid: Pid) -> Self {
        Self { pid, counter: Counter::default(), last: None }
    }

    fn check(&self, track: Track, to: Pts) -> Result<(), MuxError> {
        match self.last {
            Some(from) if to <= from || to - from > MAX_STEP => Err(MuxError::Jump { track, from, to }),
            _ => Ok(()),
        }
    }

    fn write(
        &mut self,
        sink: &mut impl Sink,
        unit: Unit,
        about: &Adaptation,
        head: &[u8],
        body: &[u8],
    ) -> usize {
        let id = (self.pid, self.counter.take());
        packet::write(sink.slot(Mark::Continue), id, unit, about, head, body)
    }
}

/// How far the present segment has come.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// None is open; the next one joins like this.
    Closed(Join),
    /// Its tables are written, but no media with the program clock yet.
    Begun(Join),
    /// It is going on.
    Running,
}

/// Turns units of one program into transport packets.
///
/// Frames of sound are gathered into PES packets of about 2,930 bytes or 400 ms (150 ms beside video),
/// whichever comes first. PCRs are at most 100 ms apart, in PES packets of sound too, and where there is video
/// they go on without it when it stops. Memory is taken once, when the multiplexer is made.
#[derive(Clone, Debug)]
pub struct Mux {
    pat: Table,
    pmt: Table,
    video: Option<Stream>,
    audio: Option<(Stream, Bundle)>,
    notes: Option<Stream>,
    clock: Track,
    /// The last PCR written.
    pcr: Option<Pts>,
    stage: Stage,
    /// Where the media end, as far as is known.
    end: Pts,
    /// From the last picture but one to the last; zero while there were no two in a row.
    step: Span,
}

impl Mux {
    /// A multiplexer whose first unit begins a segment.
    pub fn new(program: &Program) -> Self {
        Self::make(program, Notes::None)
    }

    /// The same, which announces timed metadata as well, and takes [`Mux::note`].
    pub fn with_notes(program: &Program) -> Self {
        Self::make(program, Notes::Id3)
    }

    fn make(program: &Program, notes: Notes) -> Self {
        let wait = if program.video.is_some() { AUDIO_WAIT_WITH_VIDEO } else { AUDIO_WAIT };
        let audio = program
            .audio
            .clone()
            .map(|config| (Stream::new(psi::pid_of(Track::Audio)), Bundle::new(config, wait)));
        Self {
            pat: Table::pat(),
            pmt: Table::pmt(program, notes),
            video: program.video.as_ref().map(|_| Stream::new(psi::pid_of(Track::Video))),
            audio,
            notes: (notes == Notes::Id3).then(|| Stream::new(psi::NOTES_PID)),
            clock: psi::clock_of(program),
            pcr: None,
            stage: Stage::Closed(Join::Continuous),
            end: Pts::default(),
            step: Span::ZERO,
        }
    }

    /// Takes a unit. Units of a track come in decoding order.
    ///
    /// # Errors
    /// If the unit cannot be carried; it is left out, and the next one is taken.
    pub fn write(&mut self, unit: &Packet<'_>, sink: &mut impl Sink) -> Result<(), MuxError> {
        match unit.track {
            Track::Audio => self.write_audio(unit, sink),
            Track::Video => self.write_video(unit, sink),
        }
    }

    /// Says something of the instant `at`, with a tag as [`crate::container::id3`] writes it. It stands in the segment
    /// that is open; where none is, or no metadata is announced, it is left out.
    ///
    /// # Errors
    /// If the tag is longer than 65,527 bytes.
    pub fn note(&mut self, at: Pts, tag: &[u8], sink: &mut impl Sink) -> Result<(), MuxError> {
        if tag.len() > pes::MAX_TAG {
            return Err(MuxError::Note(tag.len()));
        }
        let Some(stream) = self.notes.as_mut().filter(|_| !matches!(self.stage, Stage::Closed(_))) else {
            return Ok(());
        };
        let head = pes::Head::note(at, tag.len());
        let mut used = stream.write(sink, Unit::Starts, &Adaptation::NONE, head.bytes(), tag);
        while used < tag.len() {
            used += stream.write(sink, Unit::GoesOn, &Adaptation::NONE, &[], &tag[used..]);
        }
        sink.publish();
        Ok(())
    }

    /// Ends the segment; the unit at `at`, not yet written, begins the next. Without an open segment this
    /// does nothing.
    pub fn cut(&mut self, at: Pts, sink: &mut impl Sink) {
        self.flush(sink);
        if !matches!(self.stage, Stage::Closed(_)) {
            sink.slot(Mark::End { at });
            sink.publish();
            self.stage = Stage::Closed(Join::Continuous);
        }
    }

    /// Ends the segment, of which packets were lost; the unit at `at` begins the next, whose packets say that they do
    /// not follow. Timestamps run on: it is [`Join::Lost`].
    pub fn lose(&mut self, at: Pts, sink: &mut impl Sink) {
        self.cut(at, sink);
        self.stage = Stage::Closed(Join::Lost);
    }

    /// Ends the segment where its media end; whatever comes next need not follow, and begins a segment
    /// that is [`Join::Broken`].
    pub fn interrupt(&mut self, sink: &mut impl Sink) {
        self.cut(self.end, sink);
        self.stage = Stage::Closed(Join::Broken);
        self.pcr = None;
        self.step = Span::ZERO;
        self.video.iter_mut().for_each(|stream| stream.last = None);
        self.audio.iter_mut().for_each(|(stream, _)| stream.last = None);
    }

    /// Writes the frames of sound that wait for their PES packet to fill.
    pub fn flush(&mut self, sink: &mut impl Sink) {
        if let Some((_, bundle)) = &self.audio {
            self.write_frames(bundle.len(), sink);
        }
    }

    fn begin(&mut self, at: Pts, sink: &mut impl Sink) {
        if let Stage::Closed(join) = self.stage {
            self.pat.write(sink.slot(Mark::Begin { at, join }));
            self.pmt.write(sink.slot(Mark::Continue));
            self.stage = Stage::Begun(join);
            if join == Join::Broken {
                self.end = at;
            }
        }
    }

    fn write_audio(&mut self, unit: &Packet<'_>, sink: &mut impl Sink) -> Result<(), MuxError> {
        let Some((stream, _)) = &self.audio else { return Err(MuxError::NoTrack(Track::Audio)) };
        stream.check(Track::Audio, unit.pts)?;
        while let Some((_, bundle)) = &self.audio
            && !bundle.has_room(unit.data.len(), unit.pts)
        {
            self.write_frames(bundle.best_len(self.audio_clock()), sink);
        }
        let Some((stream, bundle)) = &mut self.audio else { return Err(MuxError::NoTrack(Track::Audio)) };
        bundle.push(unit.data, unit.pts)?;
        stream.last = Some(unit.pts);
        let end = unit.pts + bundle.frame();
        self.begin(unit.pts, sink);
        self.end = self.end.max(end);
        Ok(())
    }

    fn audio_clock(&self) -> Clock {
        match self.clock {
            Track::Audio => Clock::Here(self.pcr),
            Track::Video => Clock::Elsewhere,
        }
    }

    /// Writes the first `frames` frames of sound as a PES packet.
    fn write_frames(&mut self, frames: usize, sink: &mut impl Sink) {
        let clock = self.audio_clock();
        let Some((_, bundle)) = &self.audio else { return };
        let Some(first) = bundle.first().filter(|_| frames > 0) else { return };
        self.go_on_without_video(first, sink);
        let Some((stream, bundle)) = &mut self.audio else { return };
        let head = pes::Head::audio(first, bundle.end(frames));
        let (mut unit, mut head) = (Unit::Starts, head.bytes());
        for Piece { from, to, pcr } in bundle.layout(frames, clock) {
            let mut about = Adaptation { pcr, ..Adaptation::NONE };
            if let Some(now) = pcr {
                if let Some(last) = self.pcr {
                    fill_gap(last, now, stream, sink);
                }
                self.pcr = Some(now);
                if let Stage::Begun(join) = self.stage {
                    (about.join, about.entry) = (join, Entry::Key);
                    self.stage = Stage::Running;
                }
            }
            stream.write(sink, unit, &about, head, &bundle.bytes()[from..to]);
            (unit, head) = (Unit::GoesOn, &[]);
        }
        bundle.remove(frames);
        sink.publish();
    }

    /// Keeps the video's clock going for sound that begins at `first`: no earlier than a picture of the same
    /// instant, itself handed over late, still could.
    fn go_on_without_video(&mut self, first: Pts, sink: &mut impl Sink) {
        let Some(stream) = &self.video else { return };
        let now = first - VIDEO_LEAD - SOUND_DELAY;
        match self.pcr {
            Some(last) => self.pcr = Some(fill_gap(last, now, stream, sink)),
            None => {
                let mut about = Adaptation { pcr: Some(now), ..Adaptation::NONE };
                if let Stage::Begun(join) = self.stage {
                    about.join = join;
                    self.stage = Stage::Running;
                }
                packet::write_clock(sink.slot(Mark::Continue), stream.pid, stream.counter.previous(), &about);
                self.pcr = Some(now);
            }
        }
    }

    fn write_video(&mut self, unit: &Packet<'_>, sink: &mut impl Sink) -> Result<(), MuxError> {
        let Some(stream) = &self.video else { return Err(MuxError::NoTrack(Track::Video)) };
        stream.check(Track::Video, unit.dts)?;
        // Behind this picture it would come late.
        if let Some((_, bundle)) = &self.audio
            && bundle.first().is_some_and(|first| unit.dts - first > SOUND_DELAY)
        {
            self.flush(sink);
        }
        self.begin(unit.pts, sink);
        let Some(stream) = &mut self.video else { return Err(MuxError::NoTrack(Track::Video)) };
        let step = stream.last.map_or(Span::ZERO, |last| unit.dts - last);
        // It lasts as long as the one before did; a hole between the two belongs to neither.
        let lasts = if self.step == Span::ZERO { step } else { step.min(self.step) };
        self.step = step;
        self.end = self.end.max(unit.pts + lasts);
        stream.last = Some(unit.dts);

        let mut now = unit.dts - VIDEO_LEAD;
        if let Some(last) = self.pcr {
            // The clock may have gone on without a picture as late as this.
            now = now.max(fill_gap(last, now, stream, sink) + Span::from_ticks(1));
        }
        self.pcr = Some(now);
        let join = if let Stage::Begun(join) = self.stage { join } else { Join::Continuous };
        self.stage = Stage::Running;
        let first = Adaptation { join, entry: unit.entry, pcr: Some(now) };
        let head = pes::Head::video(unit.pts, unit.dts, unit.data);
        let used = stream.write(sink, Unit::Starts, &first, head.bytes(), unit.data);
        for body in unit.data[used..].chunks(PAYLOAD_LEN) {
            stream.write(sink, Unit::GoesOn, &Adaptation::NONE, &[], body);
        }
        sink.publish();
        Ok(())
    }
}

/// Writes PCRs on their own while `now` is more than the interval from the last; gives the last one then.
fn fill_gap(mut last: Pts, now: Pts, stream: &Stream, sink: &mut impl Sink) -> Pts {
    while now - last > PCR_INTERVAL {
        last += PCR_INTERVAL;
        let about = Adaptation { pcr: Some(last), ..Adaptation::NONE };
        packet::write_clock(sink.slot(Mark::Continue), stream.pid, stream.counter.previous(), &about);
    }
    last
}
