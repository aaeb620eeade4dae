//! What ALSA's error numbers mean to a person, and where alsa-lib's own words go.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use ::alsa::Output;

use super::cards::Place;
use crate::source::Signal;
use crate::source::kernel::Roots;
pub(super) use crate::source::trouble::Trouble;

impl Trouble {
    /// From an error while opening or setting up. `place` is where the device sits, if it is one of a card.
    pub(super) fn opening(error: ::alsa::Error, place: Option<Place>, roots: &Roots) -> Self {
        match error.errno() {
            libc::EBUSY | libc::EAGAIN => Self::busy(place.and_then(|place| place.holder(roots))),
            // A PCM that stands for a sound server says by the third that the server is away.
            libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ECONNREFUSED => Self::new(
                Signal::NoDevice,
                format!("it is not there ({})", reason(error)),
                "plug it in, or see `outpost devices` for what is there",
            ),
            libc::EACCES | libc::EPERM => Self::new(
                Signal::Failed,
                format!("it may not be opened ({})", reason(error)),
                "add the user Outpost runs as to the group `audio`",
            ),
            _ => Self::new(
                Signal::Failed,
                format!("it cannot be opened for capture ({})", reason(error)),
                "see `outpost devices` for those that can be",
            ),
        }
    }

    /// From an error of an opened device.
    pub(super) fn reading(error: ::alsa::Error) -> Self {
        match error.errno() {
            libc::ENODEV | libc::ENXIO => Self::gone(),
            _ => Self::new(
                Signal::Failed,
                format!("it stopped delivering ({})", reason(error)),
                "it is opened again; if that happens often, look at its cable, power supply and kernel log",
            ),
        }
    }

    /// Opening it takes longer than one can wait.
    pub(super) fn unanswered() -> Self {
        Self::new(
            Signal::Stalled,
            "it does not answer to being opened",
            "unplug it and plug it in again, or restart the sound server behind it",
        )
    }

    /// The system has no thread for opening it.
    pub(super) fn no_thread() -> Self {
        Self::new(
            Signal::Failed,
            "the system has no thread to open it with",
            "look for what uses up its memory",
        )
    }

    /// An opened device stops as often as it is started.
    pub(super) fn restless() -> Self {
        Self::new(
            Signal::Failed,
            "it stops again and again without delivering anything",
            "it is opened again; if that does not help, unplug it and plug it in again",
        )
    }

    /// An opened device went away.
    pub(super) fn gone() -> Self {
        Self::new(Signal::NoDevice, "it went away while capturing", "plug it in again")
    }
}

/// The system's words for an error, and the call it came from.
fn reason(error: ::alsa::Error) -> String {
    format!("{}: {}", error.func(), io::Error::from_raw_os_error(error.errno()))
}

thread_local! {
    /// What alsa-lib said on this thread since it was last asked.
    static SAID: RefCell<Option<Rc<RefCell<Output>>>> = const { RefCell::new(None) };
}

/// Keeps alsa-lib from printing on the standard error output from this thread; call before using it.
pub(super) fn hush() {
    SAID.with_borrow_mut(|said| {
        if said.is_none() {
            *said = Output::local_error_handler().ok();
        }
    });
}

/// Logs what alsa-lib wanted to print meanwhile, for those who look for the cause of an error.
pub(super) fn log_said(device: &str) {
    SAID.with_borrow_mut(|said| {
        let Some(output) = said.as_ref() else { return };
        let text = output.borrow().buffer_string(|text| String::from_utf8_lossy(text).into_owned());
        if !text.is_empty() {
            tracing::debug!(device, "alsa-lib: {}", text.trim_end());
            // The buffer cannot be emptied, only replaced.
            *said = Output::local_error_handler().ok();
        }
    });
}
