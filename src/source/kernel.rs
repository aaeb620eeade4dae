//! What the kernel tells about devices in its file systems, and who holds one.
//!
//! Belongs here: reading sysfs and procfs for any kind of device. Does not: opening anything.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel's file systems are mounted; elsewhere only in tests.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Usually `/sys`.
    pub sys: PathBuf,
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// Usually `/dev`.
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { sys: PathBuf::from("/sys"), proc: PathBuf::from("/proc"), dev: PathBuf::from("/dev") }
    }
}

/// A program that has a device open.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    /// Its process (or thread) id.
    pub pid: u32,
    /// Its name, where the kernel tells.
    pub name: Option<String>,
}

/// Whether a device can be had.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// It could be opened.
    Free,
    /// A program has it, where that can be told: this one.
    Busy(Option<Holder>),
    /// It could not be opened for another reason.
    Failed(String),
    /// It was not tried.
    Unknown,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Busy(None) => f.write_str("busy"),
            Self::Busy(Some(Holder { pid, name: None })) => write!(f, "busy: process {pid}"),
            Self::Busy(Some(Holder { pid, name: Some(name) })) => write!(f, "busy: {name} ({pid})"),
            Self::Failed(reason) => f.write_str(reason),
            Self::Unknown => f.write_str("-"),
        }
    }
}

impl Roots {
    /// The process `pid`.
    pub(super) fn holder(&self, pid: u32) -> Holder {
        Holder { pid, name: line(&self.proc.join(format!("{pid}/comm"))) }
    }

    /// What is there of sound and pictures at the moment, by its place in the system: another answer, other devices.
    pub fn plugged(&self) -> Vec<PathBuf> {
        let classes = ["class/sound", "class/video4linux"].map(|class| self.sys.join(class));
        let place = |class: &PathBuf, name: String| fs::read_link(class.join(&name)).unwrap_or(name.into());
        let all =
            classes.iter().flat_map(|class| names(class).into_iter().map(move |name| place(class, name)));
        let mut places: Vec<_> = all.collect();
        places.sort_unstable();
        places
    }

    /// A process that has the file `node` open, other than this one, as far as one may look.
    pub(super) fn holder_of(&self, node: &Path) -> Option<Holder> {
        let own = std::process::id();
        let mut pids: Vec<u32> = names(&self.proc).iter().filter_map(|name| name.parse().ok()).collect();
        pids.sort_unstable();
        pids.retain(|pid| *pid != own);
        let holds = |pid: &u32| {
            let open = self.proc.join(format!("{pid}/fd"));
            names(&open).iter().any(|fd| fs::read_link(open.join(fd)).is_ok_and(|target| target == node))
        };
        pids.into_iter().find(holds).map(|pid| self.holder(pid))
    }
}

/// The text of a file of one line; none if it is missing or empty.
pub(super) fn line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The names in a directory; none if it is missing.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
