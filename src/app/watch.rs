//! What changes around the program while it runs: what is plugged in, and where nobody is there to tell of it, files.
//!
//! Belongs here: noticing that something is different. Does not: what is made of it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::report::BoxReport;
use crate::source::alsa::Roots;

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(2);
/// Where other programs of this machine leave what people should know, line by line: `outpost network` that of its file.
const NOTICES: &str = "/run/outpost-network.problem";
/// So much of that is shown.
const NOTICES_SIZE: u64 = 4096;

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Something was plugged in or unplugged.
    Devices,
    /// The configuration was written.
    File,
}

/// Looks again and again.
pub(super) struct Watch {
    /// The configuration, if it is looked after.
    file: Option<PathBuf>,
    report: Arc<BoxReport>,
    pause: Interval,
    last: Signs,
    /// What has been told of.
    told: Signs,
}

/// What tells that something is different.
#[derive(Clone, PartialEq, Eq)]
struct Signs {
    devices: Vec<PathBuf>,
    /// When it was written and how long it is; none while it is not there.
    file: Option<(SystemTime, u64)>,
    notices: Vec<String>,
}

impl Signs {
    fn now(file: Option<&Path>) -> Self {
        let written = |file: &Path| fs::metadata(file).and_then(|it| Ok((it.modified()?, it.len()))).ok();
        Self {
            devices: Roots::default().plugged(),
            file: file.and_then(written),
            notices: file.map(|_| notices(Path::new(NOTICES))).unwrap_or_default(),
        }
    }
}

impl Watch {
    /// From what there is now on; `file` is looked after too, and what others have to tell is reported beside it. To be
    /// called where timers run.
    pub(super) fn new(file: Option<PathBuf>, report: Arc<BoxReport>) -> Self {
        let now = Signs::now(file.as_deref());
        let mut pause = interval(PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        report.notices.store(Arc::new(now.notices.clone()));
        Self { file, report, pause, last: now.clone(), told: now }
    }

    /// The configuration is read now, without having been told of.
    pub(super) async fn caught_up(&mut self) {
        self.look().await;
        self.told.file = self.last.file;
    }

    /// Waits until something is different, and has been for one look: a camera's microphone comes a moment after it, and
    /// the right to open both; and a file is written in pieces.
    pub(super) async fn news(&mut self) -> News {
        loop {
            self.pause.tick().await;
            let settled = self.look().await;
            if settled && self.last.file != self.told.file {
                self.told.file = self.last.file;
                return News::File;
            }
            if settled && self.last.devices != self.told.devices {
                self.told.devices.clone_from(&self.last.devices);
                return News::Devices;
            }
        }
    }

    /// Looks; says whether all is as it was last time.
    async fn look(&mut self) -> bool {
        let file = self.file.clone();
        // A card may take its time to say when a file was written.
        let Ok(now) = tokio::task::spawn_blocking(move || Signs::now(file.as_deref())).await else {
            return false;
        };
        if now.notices != self.last.notices {
            self.report.notices.store(Arc::new(now.notices.clone()));
        }
        let settled = now == self.last;
        self.last = now;
        settled
    }
}

/// The lines of a file that need not be there.
fn notices(path: &Path) -> Vec<String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(NOTICES_SIZE).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if read.is_ok() { lines.map(str::to_owned).collect() } else { Vec::new() }
}
