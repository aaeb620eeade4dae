//! The peers: ffmpeg for the stream, nginx for the server.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The capture device that both hear, as `tests/support/pulse.rs` calls it.
pub(crate) const DEVICE: &str = "scanner";

/// A program killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).spawn().map(Self).map_err(|error| {
            let program = command.get_program().to_string_lossy();
            io::Error::new(
                error.kind(),
                format!("{program} does not start: {error}; .ci/setup bench installs it"),
            )
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What it writes, for another program to read; once.
    pub(crate) fn take_output(&mut self) -> Stdio {
        self.0.stdout.take().map_or_else(Stdio::null, Stdio::from)
    }
}

impl From<Child> for Running {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx takes its workers along only if asked kindly.
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// ffmpeg making the same stream of the same device as we do: mono, 64 kbit/s, two seconds, into tmpfs.
pub(crate) fn ffmpeg(environment: &[(&str, OsString)], dir: &Path) -> io::Result<Running> {
    let playlist = dir.join("index.m3u8");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-f", "alsa", "-ar", "48000", "-ac", "1", "-i", DEVICE]);
    command.args(["-c:a", "aac", "-b:a", "64k", "-f", "hls", "-hls_time", "2", "-hls_list_size", "450"]);
    command.args(["-hls_flags", "delete_segments+program_date_time"]).arg(&playlist);
    let ffmpeg = Running::start(command.envs(environment.iter().map(|(name, value)| (name, value))))?;
    wait_for("ffmpeg", || playlist.exists())?;
    Ok(ffmpeg)
}

/// nginx serving the files of `root` (in tmpfs) as it does best: sendfile, playlists compressed beforehand.
pub(crate) fn nginx(address: SocketAddr, root: &Path) -> io::Result<Running> {
    let dir = root.join("nginx");
    fs::create_dir_all(&dir)?;
    let (root, place) = (root.display(), dir.display());
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {place}/{what};\n"))
        .concat();
    let configuration = format!(
        "daemon off; {user} worker_processes 1; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; gzip_static on;
    keepalive_requests 100000000; keepalive_timeout 300s;
{temporary}    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{ listen {address}; root {root}; }}
}}
"
    );
    fs::write(dir.join("nginx.conf"), configuration)?;
    let mut command = Command::new("nginx");
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
    command.arg("-p").arg(&dir).arg("-e").arg(dir.join("error.log")).args(["-c", "nginx.conf"]);
    let nginx = Running::start(&mut command)?;
    wait_for("nginx", || std::net::TcpStream::connect(address).is_ok())?;
    Ok(nginx)
}

/// Waits until `what` is `ready`.
pub(crate) fn wait_for(what: &str, mut ready: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ready() {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} is not ready after 10 s")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
