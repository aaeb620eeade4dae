//! What systemd is told of the program (sd_notify(3)). Without systemd nobody is told anything.
//!
//! Belongs here: the words of that protocol. Does not: when they are said.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use sd_notify::NotifyState;

/// How often systemd wants a sign of life, if it wants any: it takes the service for hung after twice that.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

/// Everything is served that can be.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Another configuration is being read; [`ready`] tells when that is over.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd cannot be told"),
    }
}

/// The program is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// All is well: the sign of life.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Whether anybody is told anything.
pub fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// What is behind the descriptor is to be kept under that name, and handed over when the program is started again.
///
/// # Errors
/// If systemd cannot be told.
pub fn keep(name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(name)], &[descriptor])
}

/// What was kept under that name is not needed any more.
pub fn forget(name: &str) {
    tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

fn tell(what: &[NotifyState<'_>]) {
    // systemd itself is gone, or wants to hear nothing: there is nobody else to tell.
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
