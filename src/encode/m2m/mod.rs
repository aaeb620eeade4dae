//! H.264 by the board's own encoder, as on Raspberry Pi Zero 2, 3 and 4.
//!
//! Belongs here: which device, its parameters, and what it leaves out of an access unit. Does not: the kernel's
//! interface (`sys::m2m`), or what is done when it fails.

use std::time::{Duration, Instant};

use super::video::{Ask, Tuning, VideoEncoder, VideoError, VideoParams};
use crate::base::Pts;
use crate::media::h264::Sps;
use crate::media::{Entry, FrameRate, Packet, Picture, Track, VideoConfig, VideoFrame};
use crate::sys::m2m::{Canvas, Coded, Coder, Control, Device, Loan, Place, Prepared, Trouble};

mod fault;
mod find;
mod level;
mod planes;
#[cfg(test)]
mod tests;
mod unit;

use unit::Units;

/// How long a device may take for a picture. It codes in a few milliseconds, or never.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it may take to come to an end.
const FAREWELL: Duration = Duration::from_millis(100);

/// The items of the kernel's menu of profiles that every phone decodes, the best first: high, main, constrained
/// baseline, baseline.
const PROFILES: [i32; 4] = [4, 2, 1, 0];
/// The item of the kernel's menu for a constant bit rate.
const CONSTANT: i32 = 1;
/// The item of the kernel's menu for parameter sets in one unit with the picture behind them.
const JOINED: i32 = 1;
/// The longest run of pictures without an IDR, if nobody asks for one.
const LONGEST_GOP: f64 = 3600.0;

/// What does the work: [`Coder`], or in tests what stands in for it.
trait Hardware: Send {
    fn set(&mut self, control: Control, value: i32) -> Result<Option<i32>, Trouble>;
    fn set_rate(&mut self, rate: FrameRate) -> Result<FrameRate, Trouble>;
    fn submit(
        &mut self,
        pts: Pts,
        deadline: Instant,
        fill: &mut dyn FnMut(Canvas<'_>),
    ) -> Result<(), Trouble>;
    fn lend(&mut self, frame: &VideoFrame<'_>) -> Loan;
    fn fetch(&mut self, deadline: Instant, into: &mut Vec<u8>) -> Result<Coded, Trouble>;
    fn take_back(&mut self, deadline: Instant) -> Result<(), Trouble>;
    fn halt(&mut self);
    fn drain(&mut self) -> Result<(), Trouble>;
}

impl Hardware for Coder {
    fn set(&mut self, control: Control, value: i32) -> Result<Option<i32>, Trouble> {
        self.device().set(control, value)
    }

    fn set_rate(&mut self, rate: FrameRate) -> Result<FrameRate, Trouble> {
        Self::set_rate(self, rate)
    }

    fn submit(
        &mut self,
        pts: Pts,
        deadline: Instant,
        fill: &mut dyn FnMut(Canvas<'_>),
    ) -> Result<(), Trouble> {
        Self::submit(self, pts, deadline, fill)
    }

    fn lend(&mut self, frame: &VideoFrame<'_>) -> Loan {
        Self::lend(self, frame)
    }

    fn fetch(&mut self, deadline: Instant, into: &mut Vec<u8>) -> Result<Coded, Trouble> {
        Self::fetch(self, deadline, into)
    }

    fn take_back(&mut self, deadline: Instant) -> Result<(), Trouble> {
        Self::take_back(self, deadline)
    }

    fn halt(&mut self) {
        Self::halt(self);
    }

    fn drain(&mut self) -> Result<(), Trouble> {
        Self::drain(self)
    }
}

/// An encoder of the board, behind V4L2's memory-to-memory interface.
pub struct M2m(Encoder<Coder>);

impl M2m {
    /// Looks for an encoder that takes such pictures, and tries it on two black ones.
    ///
    /// # Errors
    /// If there is none, it is in use, lacks memory, or does not do what it must.
    pub fn open(params: VideoParams) -> Result<Self, VideoError> {
        let (best, others) = find::encoders()?;
        Self::on(best, params)
            .or_else(|fault| others.into_iter().find_map(|device| Self::on(device, params).ok()).ok_or(fault))
    }

    fn on(device: Device, params: VideoParams) -> Result<Self, VideoError> {
        let name = format!("{} ({})", device.path().display(), device.card());
        let fault = |trouble: Trouble| fault::fault(&name, &params, &trouble);
        let prepared = Prepared::new(device, find::h264(), params.size).map_err(fault)?;
        // A driver that cannot be told is taken to count with what it is given.
        let counted = prepared.set_rate(params.tuning.rate).unwrap_or(params.tuning.rate);
        controls(&name, &params, counted, |control, value| prepared.device().set(control, value))?;
        let coder = prepared.start().map_err(fault)?;
        Encoder::prove(coder, name, params, counted).map(Self)
    }
}

impl VideoEncoder for M2m {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn config(&self) -> &VideoConfig {
        &self.0.config
    }

    fn encode(
        &mut self,
        frame: &VideoFrame<'_>,
        ask: Ask,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), VideoError> {
        self.0.encode(frame, ask, unit)
    }

    fn tune(&mut self, tuning: Tuning) -> Result<(), VideoError> {
        self.0.tune(tuning)
    }
}

/// Sets everything that is set once. What a driver lacks is left as it is, unless nothing works without it.
fn controls(
    name: &str,
    params: &VideoParams,
    counted: FrameRate,
    mut set: impl FnMut(Control, i32) -> Result<Option<i32>, Trouble>,
) -> Result<(), VideoError> {
    let gop = (params.rate.hertz() * LONGEST_GOP) as i32;
    let welcome = [
        (Control::FRAME_RC_ENABLE, 1),
        (Control::BITRATE_MODE, CONSTANT),
        (Control::B_FRAMES, 0),
        (Control::GOP_SIZE, gop),
        (Control::I_PERIOD, gop),
        (Control::HEADER_MODE, JOINED),
        (Control::REPEAT_SEQ_HEADER, 1),
        (Control::PREPEND_SPSPPS_TO_IDR, 1),
        (Control::AU_DELIMITER, 1),
    ];
    for (control, value) in welcome {
        if let Ok(None) | Err(_) = set(control, value) {
            tracing::debug!("{name} has no {} to be set to {value}", control.name);
        }
    }
    let mut pick =
        |control, items: &[i32]| items.iter().any(|item| matches!(set(control, *item), Ok(Some(_))));
    let levels: Vec<i32> = (level::item(params)..=level::HIGHEST).collect();
    for (control, items) in [(Control::H264_PROFILE, &PROFILES[..]), (Control::H264_LEVEL, &levels)] {
        if !pick(control, items) {
            tracing::debug!("{name} has no {} to be set to any of {items:?}", control.name);
        }
    }
    match set(Control::BITRATE, share(params.tuning, counted)) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(lacks(name, Control::BITRATE)),
        Err(trouble) => Err(fault::fault(name, params, &trouble)),
    }
}

/// What is told to a device that counts with `counted` pictures a second, so that each of those that come gets
/// its share of the bits.
fn share(tuning: Tuning, counted: FrameRate) -> i32 {
    (f64::from(tuning.bitrate) * counted.hertz() / tuning.rate.hertz()) as i32
}

fn lacks(name: &str, control: Control) -> VideoError {
    let reason = format!("it lacks the control {}, without which it is of no use for a stream", control.name);
    VideoError::Encoder { encoder: name.to_owned(), reason }
}

/// An encoder that has shown what it can.
struct Encoder<H: Hardware> {
    hardware: H,
    name: String,
    params: VideoParams,
    config: VideoConfig,
    units: Units,
    /// How many pictures a second the device counts with.
    counted: FrameRate,
    state: State,
    lending: Lending,
}

/// Whether the camera's pictures are read where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lending {
    Untried,
    Works,
    /// They are copied, for good.
    Impossible,
}

impl Lending {
    /// Lends a picture to `encoder`, if it can be lent; else it must be copied.
    fn lend(&mut self, hardware: &mut impl Hardware, frame: &VideoFrame<'_>, encoder: &str) -> Loan {
        if *self == Self::Impossible || frame.memory.is_none() {
            return Loan::Declined;
        }
        let loan = hardware.lend(frame);
        match &loan {
            Loan::Taken if *self == Self::Untried => {
                tracing::info!(encoder, "reads the camera's pictures where they lie, without a copy");
                *self = Self::Works;
            }
            Loan::Impossible(why) => {
                tracing::info!(encoder, why, "the camera's pictures are copied for the encoder");
                *self = Self::Impossible;
            }
            Loan::Taken | Loan::Declined => {}
        }
        loan
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing that has been coded was for the stream.
    Fresh,
    Running,
    /// Nothing it says is believed any more.
    Failed,
}

impl<H: Hardware> Encoder<H> {
    /// Has two black pictures coded: the first one tells what a decoder must know, the second one shows that
    /// IDR pictures come when they are asked for, without which segments could not begin.
    fn prove(hardware: H, name: String, params: VideoParams, counted: FrameRate) -> Result<Self, VideoError> {
        let config = VideoConfig { codecs: String::new(), size: params.size, rate: params.rate };
        let (units, state, lending) = (Units::new(), State::Fresh, Lending::Untried);
        let mut encoder = Self { hardware, name, params, config, units, counted, state, lending };
        let black = Picture::black(params.size);
        // Long before anything a camera delivers, but not zero: some drivers take that for no time at all.
        let mut pts = Pts::default();
        for ask in [Ask::Any, Ask::Idr] {
            pts += params.rate.span();
            let frame = VideoFrame { pts, size: params.size, planes: black.planes(), memory: None };
            if encoder.code(&frame, ask)? == Entry::Dependent {
                return Err(encoder.fails("its first picture is not an IDR picture"));
            }
        }
        encoder.config.codecs = encoder.describe()?.codecs();
        Ok(encoder)
    }

    /// What the parameter sets tell, if it is what was asked for.
    fn describe(&self) -> Result<Sps, VideoError> {
        let Some(sps) = self.units.sps() else {
            return Err(self.fails("it gives no sequence parameter set"));
        };
        let sps = Sps::parse(sps)
            .map_err(|fault| self.fails(&format!("its sequence parameter set is of no use: {fault}")))?;
        match sps.size == self.params.size {
            true => Ok(sps),
            false => Err(VideoError::Parameters {
                encoder: self.name.clone(),
                what: self.params.size.to_string(),
                reason: format!("it codes {} instead; set `size` to that, or to multiples of 16", sps.size),
            }),
        }
    }

    fn encode(
        &mut self,
        frame: &VideoFrame<'_>,
        ask: Ask,
        unit: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<(), VideoError> {
        let ask = if self.state == State::Fresh { Ask::Idr } else { ask };
        let entry = self.code(frame, ask)?;
        self.state = State::Running;
        let data = self.units.unit();
        unit(&Packet { track: Track::Video, pts: frame.pts, dts: frame.pts, entry, data });
        Ok(())
    }

    /// Codes a picture; the access unit is in `units`.
    fn code(&mut self, frame: &VideoFrame<'_>, ask: Ask) -> Result<Entry, VideoError> {
        if frame.size != self.params.size {
            return Err(VideoError::Parameters {
                encoder: self.name.clone(),
                what: format!("a picture of {}", frame.size),
                reason: format!("it is set to {}", self.params.size),
            });
        }
        let coded = self.try_code(frame, ask);
        if coded.is_err() {
            self.state = State::Failed;
            // What was lent is about to be written to again.
            self.hardware.halt();
        }
        coded
    }

    fn try_code(&mut self, frame: &VideoFrame<'_>, ask: Ask) -> Result<Entry, VideoError> {
        let Self { hardware, name, params, units, lending, .. } = self;
        let fault = |trouble: Trouble| fault::fault(name, params, &trouble);
        if ask == Ask::Idr && hardware.set(Control::FORCE_KEY_FRAME, 1).map_err(fault)?.is_none() {
            return Err(lacks(name, Control::FORCE_KEY_FRAME));
        }
        let deadline = Instant::now() + PATIENCE;
        if lending.lend(hardware, frame, name) != Loan::Taken {
            hardware.submit(frame.pts, deadline, &mut |canvas| planes::copy(frame, canvas)).map_err(fault)?;
        }
        let (coded, entry) = loop {
            let coded = hardware.fetch(deadline, units.room()).map_err(fault)?;
            // Some drivers give parameter sets in a unit of their own.
            match units.take() {
                Some(entry) => break (coded, entry),
                None if coded.place == Place::Last => return Err(fault(Trouble::Gone)),
                None if Instant::now() > deadline => return Err(fault(Trouble::Silent)),
                None => {}
            }
        };
        hardware.take_back(deadline).map_err(fault)?;
        match entry {
            _ if coded.pts != frame.pts => Err(self.fails("it holds pictures back, or mixes up their times")),
            Entry::Dependent if ask == Ask::Idr => {
                Err(self.fails("it gives no IDR picture when asked for one"))
            }
            entry => Ok(entry),
        }
    }

    fn tune(&mut self, tuning: Tuning) -> Result<(), VideoError> {
        // Many drivers count with the rate they were told before they started: then the bit rate must make up
        // for the difference.
        let counted = self.hardware.set_rate(tuning.rate).unwrap_or(self.counted);
        match self.hardware.set(Control::BITRATE, share(tuning, counted)) {
            Ok(Some(_)) => {
                (self.counted, self.params.tuning) = (counted, tuning);
                Ok(())
            }
            refused => {
                self.counted = self.hardware.set_rate(self.params.tuning.rate).unwrap_or(self.counted);
                Err(match refused {
                    Err(trouble) => fault::fault(&self.name, &self.params, &trouble),
                    Ok(_) => lacks(&self.name, Control::BITRATE),
                })
            }
        }
    }

    fn fails(&self, reason: &str) -> VideoError {
        VideoError::Encoder { encoder: self.name.clone(), reason: reason.to_owned() }
    }
}

impl<H: Hardware> Drop for Encoder<H> {
    /// Firmware likes to be told that the stream has ended; from a device that has failed nothing is to be
    /// expected, though.
    fn drop(&mut self) {
        if self.state == State::Failed || self.hardware.drain().is_err() {
            return;
        }
        let deadline = Instant::now() + FAREWELL;
        while let Ok(Coded { place: Place::Amidst, .. }) = self.hardware.fetch(deadline, self.units.room()) {}
    }
}
