//! A device node that may be an encoder.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use v4l::FourCC;
use v4l::v4l_sys as c;

use super::Trouble;
use super::abi::{self, Kind, Planarity, Side};
use super::control::Control;

/// An open memory-to-memory device.
#[derive(Debug)]
pub struct Device {
    file: File,
    path: PathBuf,
    card: String,
    driver: String,
    planarity: Planarity,
}

impl Device {
    /// Opens a node; none if it is something else than a memory-to-memory device, as cameras are.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Option<Self>, Trouble> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open(path).map_err(Trouble::at("opening it"))?;
        let (driver, card, caps) = match abi::capability(file.as_fd()) {
            Ok(found) => found,
            Err(fault) if fault.raw_os_error() == Some(libc::ENOTTY) => return Ok(None),
            Err(fault) => return Err(Trouble::at("asking what it is")(fault)),
        };
        let planarity = match caps & c::V4L2_CAP_STREAMING {
            0 => None,
            _ if caps & c::V4L2_CAP_VIDEO_M2M_MPLANE != 0 => Some(Planarity::Multi),
            _ if caps & c::V4L2_CAP_VIDEO_M2M != 0 => Some(Planarity::Single),
            _ => None,
        };
        Ok(planarity.map(|planarity| Self { file, path: path.to_owned(), card, driver, planarity }))
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it calls itself: `bcm2835-codec-encode`.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// The kernel's driver: `bcm2835-codec`.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// Whether pictures come out of it in `coded`: then it is an encoder for that.
    pub fn codes(&self, coded: FourCC) -> bool {
        self.formats(Side::Capture).any(|found| found == coded)
    }

    /// Sets a control, to the nearest value there is; what comes back is that value, or none if the device
    /// has no such control, or no such item in its menu.
    ///
    /// # Errors
    /// If it has, but cannot set it now.
    pub fn set(&self, control: Control, value: i32) -> Result<Option<i32>, Trouble> {
        match abi::set_control(self.fd(), control.id, value) {
            Ok(value) => Ok(Some(value)),
            // EINVAL: no such control or item; ERANGE: no such item; EACCES: it can only be read;
            // ENOTTY: no controls at all.
            Err(fault) => match fault.raw_os_error() {
                Some(libc::EINVAL | libc::ERANGE | libc::EACCES | libc::ENOTTY) => Ok(None),
                _ => Err(Trouble::Call { step: control.name, source: fault }),
            },
        }
    }

    pub(super) fn get(&self, control: Control) -> Option<i32> {
        abi::control(self.fd(), control.id).ok()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn kind(&self, side: Side) -> Kind {
        Kind { side, planarity: self.planarity }
    }

    pub(super) fn formats(&self, side: Side) -> impl Iterator<Item = FourCC> {
        let kind = self.kind(side);
        (0..u32::from(u16::MAX)).map_while(move |index| abi::format_at(self.fd(), kind, index).ok())
    }
}

/// The video device nodes of this machine, in the order of their numbers.
///
/// # Errors
/// If `/dev` cannot be read.
pub fn nodes() -> io::Result<Vec<PathBuf>> {
    let number = |entry: io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name();
        name.to_str()?.strip_prefix("video")?.parse::<u32>().ok()
    };
    let mut numbers: Vec<u32> = std::fs::read_dir("/dev")?.filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| PathBuf::from(format!("/dev/video{number}"))).collect())
}
