//! Sockets that whoever started the program has opened for it (sd_listen_fds(3)).

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The listening TCP sockets handed over, in their order; none from the second call on. What else was handed over is
/// closed.
///
/// # Errors
/// If what the environment says of them makes no sense.
pub fn listeners() -> io::Result<Vec<TcpListener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let sockets = sd_notify::listen_fds()?.map(|number| {
        // SAFETY: LISTEN_PID names this very process, so these descriptors were opened for it and for nobody else in
        // it; TAKEN lets nobody take them a second time.
        unsafe { OwnedFd::from_raw_fd(number) }
    });
    let listening = |socket: OwnedFd| {
        let socket = socket2::Socket::from(socket);
        let good =
            socket.is_listener().unwrap_or(false) && socket.r#type().ok() == Some(socket2::Type::STREAM);
        let listener = TcpListener::from(socket);
        (good && listener.local_addr().is_ok()).then_some(listener)
    };
    Ok(sockets.filter_map(listening).collect())
}
