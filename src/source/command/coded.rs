//! A program's H.264, access unit by access unit.

use std::time::Duration;

use super::pace::{Pace, Pacing};
use super::process::{Await, Output, Process};
use crate::base::{Clock, Monotonic};
use crate::media::h264::{self, AccessUnits, Fault, NalType, Sps};
use crate::source::video::{Glimpse, Image, Shot, VideoFormat, VideoInput};
use crate::source::{Signal, SourceError};
use crate::sys::clock::RealClock;

/// Read at once.
const PIECE: usize = 64 << 10;
/// A pause is never taken for the end of a picture later than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many pictures in a row that came whole show that all do.
const PROOF: u32 = 60;
/// Buffers are of so many bytes, or of several times that: what fills them may go on with the next.
const BLOCK: usize = 4096;

/// How the program writes its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// So many came whole since one did not.
    Unknown(u32),
    /// Each at once, but for buffers that are full: no pause is needed to know where one ends.
    Whole,
    /// One that came whole so far has sent a rest of a picture after all.
    Pieces,
}

/// What was read of the picture under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Nothing, or full buffers alone.
    Open,
    /// It may be all.
    Closed,
    /// More than what might have been all.
    Split,
}

/// The program under way.
pub(super) struct Coded {
    process: Process,
    format: VideoFormat,
    pace: Pace,
    pacing: Pacing,
    parser: AccessUnits,
    piece: Box<[u8]>,
    /// The access unit to be given next, and whether there is one.
    unit: Vec<u8>,
    has_unit: bool,
    /// When bytes came last.
    heard: Monotonic,
    /// A pause that long ends a picture. Only the beginning of the next one proves its end, but that would make
    /// each picture late by a whole interval.
    pause: Duration,
    manner: Manner,
    reading: Reading,
    /// When something damaged may be told next: what comes without a pace must not keep us busy.
    damage_due: Monotonic,
    /// The pipe was read empty, and it has not been seen since that there is more.
    drained: bool,
    ended: bool,
}

impl Coded {
    pub(super) fn new(process: Process, format: VideoFormat) -> Self {
        let interval = format.rate.interval();
        let now = RealClock.now();
        Self {
            process,
            pace: Pace::new(interval),
            pacing: Pacing::Program,
            parser: AccessUnits::default(),
            piece: vec![0; PIECE].into_boxed_slice(),
            unit: Vec::new(),
            has_unit: false,
            heard: now,
            pause: interval / 2,
            manner: Manner::Unknown(0),
            reading: Reading::Open,
            damage_due: now,
            drained: false,
            ended: false,
            format,
        }
    }

    /// Looks for the next access unit in what was read; says what is wrong if there is none to be had of it.
    fn find(&mut self) -> Option<Fault> {
        match self.parser.next_unit()? {
            Ok(unit) => {
                self.unit.clear();
                self.unit.extend_from_slice(unit);
                self.has_unit = true;
                self.reading = Reading::Open;
                if let Some(rate) = claimed_rate(unit) {
                    self.pace.claim(rate);
                }
                None
            }
            Err(fault) => Some(fault),
        }
    }

    /// Reads what is there, or waits for it; says whether there may be an access unit in it.
    fn fetch(&mut self, deadline: Monotonic) -> Result<bool, SourceError> {
        if self.ended {
            return Err(self.process.epitaph());
        }
        if !self.drained {
            match self.process.read(&mut self.piece)? {
                Output::Bytes(count) => {
                    self.pacing = self.process.pacing(count);
                    self.heard = RealClock.now();
                    self.drained = count < PIECE;
                    self.reading = match (self.reading, count % BLOCK) {
                        (Reading::Open, 0) => Reading::Open,
                        (Reading::Open, _) => Reading::Closed,
                        (Reading::Closed | Reading::Split, _) => Reading::Split,
                    };
                    self.parser.push(&self.piece[..count]);
                    return Ok(true);
                }
                Output::End => {
                    self.ended = true;
                    self.parser.flush();
                    return Ok(true);
                }
                Output::Empty => self.drained = true,
            }
        }
        let pause = self.heard + self.pause;
        let now = RealClock.now();
        let whole =
            (self.manner, self.reading, self.pacing) == (Manner::Whole, Reading::Closed, Pacing::Program);
        if self.parser.has_picture() && (whole || now >= pause) {
            self.learn();
            self.parser.flush();
            return Ok(true);
        }
        let until = if self.parser.has_picture() { pause.min(deadline) } else { deadline };
        self.drained = !self.process.wait(Await::Output, until)?;
        Ok(now < deadline)
    }

    /// A pause has ended a picture, or would have.
    fn learn(&mut self) {
        self.manner = match (self.manner, self.reading) {
            (Manner::Unknown(count), Reading::Closed) if count + 1 < PROOF => Manner::Unknown(count + 1),
            (Manner::Unknown(_), Reading::Closed) => Manner::Whole,
            (Manner::Unknown(_), Reading::Split) => Manner::Unknown(0),
            (manner, _) => manner,
        };
    }

    /// What is told of a fault.
    fn blame(&mut self, fault: Fault, deadline: Monotonic) -> Result<Glimpse<'_>, SourceError> {
        match fault {
            Fault::TooLong => return Err(self.rubbish()),
            Fault::Late if self.manner == Manner::Whole => self.manner = Manner::Pieces,
            // It makes longer pauses within a picture than we thought.
            Fault::Late => self.pause = (self.pause * 2).min(LONGEST_PAUSE),
            Fault::Headless => {}
        }
        self.process.wait(Await::Time, self.damage_due.min(deadline))?;
        self.damage_due = RealClock.now() + self.pace.interval();
        Ok(Glimpse::Damaged(fault.words()))
    }

    fn rubbish(&self) -> SourceError {
        SourceError {
            signal: Signal::Failed,
            device: self.process.name().to_owned(),
            problem: format!("what it prints is no H.264: {}", Fault::TooLong),
            remedy: "let it print H.264 in Annex B form on its standard output, and nothing else, or say by \
                     `output` what it prints"
                .to_owned(),
        }
    }
}

impl VideoInput for Coded {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let deadline = RealClock.now() + patience;
        while !self.has_unit {
            if let Some(fault) = self.find() {
                return self.blame(fault, deadline);
            }
            if !self.has_unit && !self.fetch(deadline)? {
                return Ok(Glimpse::Nothing);
            }
        }
        if let Some(due) = self.pace.due(self.pacing) {
            if due > RealClock.now() {
                self.process.wait(Await::Time, due.min(deadline))?;
            }
            if due > RealClock.now() {
                return Ok(Glimpse::Nothing);
            }
        }
        self.has_unit = false;
        let captured = self.pace.place(self.pacing, RealClock.now());
        Ok(Glimpse::Shot(Shot { captured, missed: 0, image: Image::H264(&self.unit), memory: None }))
    }
}

/// The interval between pictures that an access unit's parameter set claims, if it has one that does.
fn claimed_rate(unit: &[u8]) -> Option<Duration> {
    let sps = h264::head(unit).find(|nal| h264::nal_type(nal) == Some(NalType::Sps))?;
    Some(Sps::parse(sps).ok()?.rate?.interval())
}
