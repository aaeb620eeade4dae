//! ALSA capture devices.
//!
//! Belongs here: finding a card again after it was renumbered, choosing parameters, reading samples with
//! honest timestamps, recovering from what one can recover from, and naming what one cannot.
//! Does not: waiting for a device to come back, filling gaps, holding samples to the clock.

mod cards;
mod convert;
mod identity;
mod input;
mod list;
mod params;
mod patience;
mod trouble;

use std::ffi::CString;

use ::alsa::{Direction, PCM};

pub use super::kernel::{Holder, Roots, Use};
pub use identity::{DeviceId, DeviceIdError};
pub use list::{CaptureDevice, Kind, Offers, SoundCard, list, present};

use super::{AudioDevice, AudioInput, SourceError};
use input::AlsaInput;
use patience::{Call, Closing, Outcome};
use trouble::{Trouble, hush, log_said};

/// A capture device by its name or marks, which are looked up anew each time it is opened.
pub struct AlsaDevice {
    name: String,
    wanted: Wanted,
    /// An opening that took too long to be waited for.
    opening: Option<Call<Result<AlsaInput, Trouble>>>,
}

#[derive(Clone)]
struct Wanted {
    id: DeviceId,
    roots: Roots,
}

impl AlsaDevice {
    /// The device `id` means; it need not be there yet.
    pub fn new(id: DeviceId) -> Self {
        Self::with_roots(id, Roots::default())
    }

    /// The same with another view of the kernel's, for tests.
    pub fn with_roots(id: DeviceId, roots: Roots) -> Self {
        Self { name: id.to_string(), wanted: Wanted { id, roots }, opening: None }
    }
}

impl Wanted {
    fn open(&self) -> Result<AlsaInput, Trouble> {
        let name = self.id.to_string();
        hush();
        let opened = self.try_open(&name);
        log_said(&name);
        opened
    }

    fn try_open(&self, name: &str) -> Result<AlsaInput, Trouble> {
        let target = self.roots.find(&self.id)?;
        let opening = |error| Trouble::opening(error, target.place, &self.roots);
        let pcm = open_pcm(&target.pcm).map_err(opening)?;
        let setup = params::set_up(&pcm).map_err(|refused| refused.into_trouble(opening))?;
        pcm.start().map_err(opening)?;
        Ok(AlsaInput::new(pcm, name.to_owned(), setup))
    }
}

/// Opens a PCM so that a busy one answers at once instead of waiting until it is free.
fn open_pcm(name: &str) -> ::alsa::Result<PCM> {
    // The crate's own conversion panics at a NUL.
    let name = CString::new(name).map_err(|_| ::alsa::Error::new("snd_pcm_open", libc::EINVAL))?;
    PCM::open(&name, Direction::Capture, true)
}

impl AudioDevice for AlsaDevice {
    fn name(&self) -> &str {
        &self.name
    }

    /// Waits for half a second at most. What takes longer goes on by itself, and the next call asks what
    /// has become of it.
    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        let call = self.opening.take().unwrap_or_else(|| {
            let wanted = self.wanted.clone();
            Call::start(move || wanted.open())
        });
        let trouble = match call.wait() {
            Outcome::Done(Ok(input)) => return Ok(Box::new(Closing::new(input))),
            Outcome::Done(Err(trouble)) => trouble,
            Outcome::Pending(call) => {
                self.opening = Some(call);
                Trouble::unanswered()
            }
            Outcome::Lost => Trouble::no_thread(),
        };
        Err(trouble.with(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Signal;

    #[test]
    fn a_refusal_names_the_device_the_cause_and_the_remedy() {
        let table = [
            (DeviceId::Pcm("no_such_name".to_owned()), Signal::NoDevice, "snd_pcm_open: No such file"),
            (DeviceId::Pcm("a\0b".to_owned()), Signal::Failed, "snd_pcm_open: Invalid argument"),
            ("usb:255-9".parse().expect("a port"), Signal::NoDevice, "not plugged in"),
        ];
        for (id, signal, cause) in table {
            let mut device = AlsaDevice::new(id);
            let error = device.open().err().expect("it is not there");
            assert_eq!((error.signal, error.device.as_str()), (signal, device.name()), "{error}");
            assert!(error.problem.contains(cause) && error.remedy.contains("outpost devices"), "{error}");
        }
    }
}
