//! Hardware and software parameters, chosen by us: nobody should have to find buffer sizes by trial.

use ::alsa::ValueOr;
use ::alsa::pcm::{Access, Format, HwParams, PCM, TstampType};

use super::convert::SampleFormat;
use super::trouble::Trouble;
use crate::media::audio::SAMPLE_RATE;
use crate::source::{InputFormat, Signal};

/// How much sound the driver keeps for us, in µs: a busy board may keep us waiting that long before
/// anything is lost.
const BUFFER_TIME: u32 = 800_000;
/// How often the driver looks, in µs: half of the AAC frame (21 ms) that waits for it.
const PERIOD_TIME: u32 = 10_000;

/// What was agreed with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    pub(super) format: InputFormat,
    pub(super) sample: SampleFormat,
    /// Sample frames the driver's buffer holds.
    pub(super) buffer: usize,
    /// Sample frames from one of its interrupts to the next.
    pub(super) period: usize,
}

impl Setup {
    /// Bytes of one sample of all channels.
    pub(super) const fn frame_bytes(&self) -> usize {
        self.sample.bytes() * self.format.channels
    }
}

/// Why a device could not be set up.
pub(super) enum Refused {
    /// A call failed.
    Alsa(::alsa::Error),
    /// It has no sample format we understand.
    NoFormat(String),
}

impl From<::alsa::Error> for Refused {
    fn from(error: ::alsa::Error) -> Self {
        Self::Alsa(error)
    }
}

impl Refused {
    /// Without a format of ours, ALSA's own conversion helps.
    pub(super) fn into_trouble(self, opening: impl FnOnce(::alsa::Error) -> Trouble) -> Trouble {
        match self {
            Self::Alsa(error) => opening(error),
            Self::NoFormat(formats) => Trouble::new(
                Signal::Failed,
                format!("it has none of the sample formats we read, only {formats}"),
                "let ALSA convert: name it as plughw:CARD=…,DEV=… (see `outpost devices`)",
            ),
        }
    }
}

/// Sets up an opened capture PCM.
pub(super) fn set_up(pcm: &PCM) -> Result<Setup, Refused> {
    let setup = set_hardware(pcm)?;
    let software = pcm.sw_params_current()?;
    // Plugins may not have these; what timestamps they then give is checked with each read.
    let _ = software.set_tstamp_mode(true);
    let _ = software.set_tstamp_type(TstampType::Monotonic);
    pcm.sw_params(&software)?;
    Ok(setup)
}

fn set_hardware(pcm: &PCM) -> Result<Setup, Refused> {
    let hardware = HwParams::any(pcm)?;
    // The card's own rate: our resampler is better than that of ALSA's plugins, and has to run anyway.
    hardware.set_rate_resample(false)?;
    hardware.set_access(Access::RWInterleaved)?;
    let sample = preference(&hardware)
        .into_iter()
        .find(|sample| hardware.test_format(sample.alsa()).is_ok())
        .ok_or_else(|| Refused::NoFormat(formats(&hardware).join(", ")))?;
    hardware.set_format(sample.alsa())?;
    hardware.set_channels(preferred_channels(&hardware)?)?;
    hardware.set_rate_near(SAMPLE_RATE, ValueOr::Nearest)?;
    // The buffer first: where a driver limits the number of periods, a longer period is the lesser evil.
    hardware.set_buffer_time_near(BUFFER_TIME, ValueOr::Nearest)?;
    hardware.set_period_time_near(PERIOD_TIME, ValueOr::Nearest)?;
    pcm.hw_params(&hardware)?;
    Ok(Setup {
        format: InputFormat { rate: hardware.get_rate()?.max(1), channels: count(hardware.get_channels()?) },
        sample,
        buffer: usize::try_from(hardware.get_buffer_size()?).unwrap_or(0).max(1),
        period: usize::try_from(hardware.get_period_size()?).unwrap_or(0).max(1),
    })
}

/// Hardware has few formats, and floats hardly ever: take its best. What offers floats too is software that
/// gives whatever one asks for, and 16 bits is what sound servers and files mostly hold.
fn preference(hardware: &HwParams<'_>) -> [SampleFormat; 5] {
    let mut formats = SampleFormat::BEST_FIRST;
    if hardware.test_format(SampleFormat::Float.alsa()).is_ok() {
        formats.rotate_right(1);
    }
    formats
}

fn count(channels: u32) -> usize {
    usize::try_from(channels).unwrap_or(1).max(1)
}

/// Two if there are two: a stereo card may carry a scanner on each side, and one that is asked for a single
/// channel may give the left one alone. Then one, then as few as there are.
fn preferred_channels(hardware: &HwParams<'_>) -> ::alsa::Result<u32> {
    match [2, 1].into_iter().find(|&channels| hardware.test_channels(channels).is_ok()) {
        Some(channels) => Ok(channels),
        None => hardware.get_channels_min(),
    }
}

/// The names of the formats a device offers.
pub(super) fn formats(hardware: &HwParams<'_>) -> Vec<String> {
    // alsa-lib aborts the process if it is asked about `Unknown`, which the crate counts among the formats.
    let known = Format::all().iter().filter(|format| **format != Format::Unknown);
    known.filter(|format| hardware.test_format(**format).is_ok()).map(Format::to_string).collect()
}
