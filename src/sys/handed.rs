//! Descriptors that whoever started the program has opened, or kept, for it (sd_listen_fds_with_names(3)).

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// What was handed over.
#[derive(Debug, Default)]
pub struct Handed {
    /// The listening TCP sockets, in their order.
    pub listeners: Vec<TcpListener>,
    /// The rest, with their names, in their order.
    pub others: Vec<(String, OwnedFd)>,
}

/// Takes what was handed over; nothing from the second call on.
///
/// # Errors
/// If what the environment says of it makes no sense.
pub fn take() -> io::Result<Handed> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let mut handed = Handed::default();
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(handed);
    }
    // Names may have been meant for somebody else, as descriptors are not.
    if sd_notify::listen_fds()?.len() == 0 {
        return Ok(handed);
    }
    for (number, name) in sd_notify::listen_fds_with_names()? {
        // SAFETY: LISTEN_PID names this very process, so these descriptors were opened for it and for nobody else in
        // it; TAKEN lets nobody take them a second time.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let socket = socket2::SockRef::from(&descriptor);
        let listens =
            socket.is_listener().unwrap_or(false) && socket.r#type().ok() == Some(socket2::Type::STREAM);
        if !listens {
            handed.others.push((name, descriptor));
            continue;
        }
        let listener = TcpListener::from(descriptor);
        if listener.local_addr().is_ok() {
            handed.listeners.push(listener);
        }
    }
    Ok(handed)
}
