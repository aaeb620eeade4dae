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
mod trouble;

use ::alsa::{Direction, PCM};

pub use cards::{Holder, Roots};
pub use identity::{DeviceId, DeviceIdError};
pub use list::{CaptureDevice, Kind, Offers, Use, list};

use super::{AudioDevice, AudioInput, SourceError};
use input::AlsaInput;
use trouble::{Trouble, hush, log_said};

/// A capture device by its name or marks, which are looked up anew each time it is opened.
#[derive(Clone, Debug)]
pub struct AlsaDevice {
    id: DeviceId,
    name: String,
    roots: Roots,
}

impl AlsaDevice {
    /// The device `id` means; it need not be there yet.
    pub fn new(id: DeviceId) -> Self {
        Self::with_roots(id, Roots::default())
    }

    /// The same with another view of the kernel's, for tests.
    pub fn with_roots(id: DeviceId, roots: Roots) -> Self {
        Self { name: id.to_string(), id, roots }
    }

    fn try_open(&self) -> Result<AlsaInput, Trouble> {
        let target = self.roots.find(&self.id)?;
        let opening = |error| Trouble::opening(error, target.place, &self.roots);
        let pcm = open_pcm(&target.pcm).map_err(opening)?;
        let setup = params::set_up(&pcm).map_err(|refused| refused.into_trouble(opening))?;
        Ok(AlsaInput::new(pcm, self.name.clone(), setup))
    }
}

/// Opens a PCM so that a busy one answers at once instead of waiting until it is free.
fn open_pcm(name: &str) -> ::alsa::Result<PCM> {
    PCM::new(name, Direction::Capture, true)
}

impl AudioDevice for AlsaDevice {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Box<dyn AudioInput>, SourceError> {
        hush();
        let opened = self.try_open();
        log_said(&self.name);
        match opened {
            Ok(input) => Ok(Box::new(input)),
            Err(trouble) => Err(trouble.with(&self.name)),
        }
    }
}
