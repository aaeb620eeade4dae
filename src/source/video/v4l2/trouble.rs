//! What the error numbers of Video4Linux mean to a person.

use std::io;
use std::path::Path;

use crate::source::Signal;
use crate::source::kernel::Roots;
pub(super) use crate::source::trouble::Trouble;

const SEE: &str = "see `outpost devices` for those that are";

/// From an error while opening or setting up the camera at `node`.
pub(super) fn opening(error: &io::Error, node: &Path, roots: &Roots) -> Trouble {
    let failed = |problem: &str, remedy| Trouble::new(Signal::Failed, format!("{problem} ({error})"), remedy);
    match error.raw_os_error().unwrap_or(0) {
        libc::EBUSY => Trouble::busy(roots.holder_of(node)),
        libc::ENOENT | libc::ENODEV | libc::ENXIO => Trouble::new(
            Signal::NoDevice,
            format!("it is not there ({error})"),
            "plug it in, or see `outpost devices` for what is there",
        ),
        libc::EACCES | libc::EPERM => {
            failed("it may not be opened", "add the user Outpost runs as to the group `video`")
        }
        libc::ENOTTY => failed("it is no camera", SEE),
        libc::EINVAL => failed(
            "it refuses what is asked of it",
            "see `outpost devices` for the formats and sizes it has, and set `format` or `size`",
        ),
        libc::ENOSPC => failed(
            "its USB bus has no bandwidth left for it",
            "set format = \"mjpeg\", a smaller `size` or `rate`, or plug it into another port",
        ),
        libc::ENOMEM => failed(
            "the kernel has no memory for its pictures",
            "set a smaller `size`; on a Raspberry Pi, raise cma= in config.txt",
        ),
        _ => failed("it does not answer as it should", "look at its cable, power supply and kernel log"),
    }
}

/// From an error of a camera that was capturing.
pub(super) fn capturing(error: &io::Error) -> Trouble {
    match error.raw_os_error().unwrap_or(0) {
        libc::ENODEV | libc::ENXIO => {
            Trouble::new(Signal::NoDevice, "it went away while capturing", "plug it in again")
        }
        _ => Trouble::new(
            Signal::Failed,
            format!("it stopped delivering ({error})"),
            "it is opened again; if that happens often, look at its cable, power supply and kernel log",
        ),
    }
}

/// A camera that says it has pictures, and has none.
pub(super) fn restless() -> Trouble {
    Trouble::new(
        Signal::Failed,
        "it says again and again that it has a picture, and has none",
        "it is opened again; if that does not help, unplug it and plug it in again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_cause_and_a_remedy() {
        let table = [
            (libc::EBUSY, Signal::Busy, "another program has it", "stop that program"),
            (libc::ENOENT, Signal::NoDevice, "not there", "plug it in"),
            (libc::ENODEV, Signal::NoDevice, "not there", "plug it in"),
            (libc::EACCES, Signal::Failed, "may not be opened", "`video`"),
            (libc::ENOTTY, Signal::Failed, "no camera", "outpost devices"),
            (libc::EINVAL, Signal::Failed, "refuses", "`size`"),
            (libc::ENOSPC, Signal::Failed, "no bandwidth", "mjpeg"),
            (libc::ENOMEM, Signal::Failed, "no memory", "cma="),
            (libc::EIO, Signal::Failed, "does not answer", "cable"),
            (libc::ETIMEDOUT, Signal::Failed, "does not answer", "cable"),
        ];
        let roots = Roots { sys: "/nonexistent".into(), proc: "/nonexistent".into(), dev: "/dev".into() };
        for (errno, signal, cause, remedy) in table {
            let trouble = opening(&io::Error::from_raw_os_error(errno), Path::new("/dev/video0"), &roots);
            assert_eq!(trouble.signal, signal, "{trouble:?}");
            assert!(trouble.problem.contains(cause) && trouble.remedy.contains(remedy), "{trouble:?}");
        }
    }

    #[test]
    fn what_goes_away_is_told_from_what_breaks() {
        for (errno, signal) in [(libc::ENODEV, Signal::NoDevice), (libc::EIO, Signal::Failed)] {
            assert_eq!(capturing(&io::Error::from_raw_os_error(errno)).signal, signal);
        }
    }
}
