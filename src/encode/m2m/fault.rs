//! What went wrong with an encoder, in words that help.

use std::io;
use std::path::Path;

use crate::encode::{VideoError, VideoParams};
use crate::sys::m2m::Trouble;

/// As the rest of Outpost knows errors.
pub(super) fn fault(encoder: &str, params: &VideoParams, trouble: &Trouble) -> VideoError {
    let (encoder, reason) = (encoder.to_owned(), trouble.to_string());
    let what = format!("{} at {}", params.size, params.rate);
    match trouble {
        Trouble::Size { .. } => {
            VideoError::Parameters { encoder, what, reason: reason + "; set `size` to that" }
        }
        Trouble::Coded(_) | Trouble::Raw(_) => VideoError::Parameters { encoder, what, reason },
        Trouble::Call { source, .. } if source.raw_os_error() == Some(libc::EINVAL) => {
            let help = "; a smaller `size` may help";
            VideoError::Parameters { encoder, what, reason: reason + help }
        }
        Trouble::Call { source, .. } | Trouble::Memory(source) => {
            VideoError::Encoder { encoder, reason: reason + remedy(source) }
        }
        _ => VideoError::Encoder { encoder, reason },
    }
}

/// A node that cannot even be opened.
pub(super) fn unopened(path: &Path, trouble: &Trouble) -> String {
    let help = match trouble {
        Trouble::Call { source, .. } => remedy(source),
        _ => "",
    };
    format!("{}: {trouble}{help}", path.display())
}

fn remedy(fault: &io::Error) -> &'static str {
    match fault.raw_os_error() {
        // Buffers must lie in one piece, in a region set aside at boot.
        Some(libc::ENOMEM | libc::ENOSPC) => {
            "; its buffers come from the kernel's CMA region: choose a smaller `size`, or enlarge the region \
             (on a Raspberry Pi `dtoverlay=vc4-kms-v3d,cma-256` in config.txt, elsewhere `cma=256M` on the \
             kernel's command line)"
        }
        // bcm2835-codec says so when the firmware cannot create its encoder.
        Some(libc::EINVAL) => {
            "; on a Raspberry Pi its firmware lacks memory or all its encoders are taken: raise `gpu_mem` in \
             config.txt, or end what else encodes"
        }
        Some(libc::EBUSY) => "; another program is using it: end that, or set `encoder = \"x264\"`",
        Some(libc::EACCES | libc::EPERM) => "; add the user Outpost runs as to the group `video`",
        Some(libc::ENODEV | libc::ENXIO) => "; the device is gone",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Preset, Tuning};
    use crate::media::{FrameRate, Size};

    #[test]
    fn what_people_can_do_is_said() {
        let size = Size::new(1280, 720).expect("a size");
        let rate = FrameRate::new(30, 1).expect("a rate");
        let tuning = Tuning { bitrate: 2_000_000, rate };
        let params = VideoParams { size, rate, tuning, preset: Preset::default() };
        let kernel = io::Error::from_raw_os_error;
        let call = |code| Trouble::Call { step: "starting it", source: kernel(code) };
        let table = [
            (Trouble::Memory(kernel(libc::ENOMEM)), "cma="),
            (Trouble::Memory(kernel(libc::ENOSPC)), "cma-256"),
            (Trouble::Memory(kernel(libc::EINVAL)), "gpu_mem"),
            (call(libc::EBUSY), "another program is using it"),
            (call(libc::EACCES), "group `video`"),
            (call(libc::EINVAL), "refuses 1280x720 at 30: starting it: "),
            (call(libc::EIO), "starting it: "),
            (call(libc::ENODEV), "the device is gone"),
            (Trouble::Size { width: 640, height: 480 }, "offers 640x480 instead; set `size`"),
            (Trouble::Raw(vec![v4l::FourCC::new(b"RGB3")]), "refuses 1280x720 at 30: it takes none"),
            (Trouble::Silent, "it does not answer"),
            (Trouble::Gone, "/dev/video11 (x): it is gone"),
        ];
        for (trouble, words) in table {
            let text = fault("/dev/video11 (x)", &params, &trouble).to_string();
            assert!(text.starts_with("/dev/video11 (x)") && text.contains(words), "{text}");
        }
    }
}
