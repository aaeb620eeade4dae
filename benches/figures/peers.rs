//! The peers, and the sound card that is not there.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).spawn().map(Self).map_err(|error| {
            let program = command.get_program().to_string_lossy();
            io::Error::new(error.kind(), format!("{program} does not start: {error}; .ci/setup bench installs it"))
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
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

/// A private PulseAudio whose null sink stands behind the ALSA capture device `scanner`, in real time, and
/// somebody who plays noise of changing loudness into it.
pub(crate) struct SoundCard {
    _player: Running,
    _daemon: Running,
}

impl SoundCard {
    /// Name of the capture device, for whoever has `ALSA_CONFIG_PATH` set to [`SoundCard::alsa_config`].
    pub(crate) const DEVICE: &str = "scanner";

    pub(crate) fn start(dir: &Path) -> io::Result<Self> {
        let socket = dir.join("pulse.sock");
        let socket = socket.display();
        fs::write(
            dir.join("asound.conf"),
            format!("pcm.scanner {{ type pulse server \"unix:{socket}\" device \"scanner.monitor\" }}\n"),
        )?;
        let mut daemon = Command::new("pulseaudio");
        daemon.args(["--daemonize=no", "--exit-idle-time=-1", "-n", "--log-level=error"]);
        daemon.arg("-L").arg(format!("module-native-protocol-unix auth-anonymous=1 socket={socket}"));
        daemon.args(["-L", "module-null-sink sink_name=scanner rate=48000 channels=1"]);
        daemon.env("HOME", dir).env("XDG_RUNTIME_DIR", dir).stderr(Stdio::null());
        let daemon = Running::start(&mut daemon)?;
        let noise = dir.join("noise.wav");
        let sox = Command::new("sox")
            .args(["-n", "-r", "48000", "-b", "16", "-c", "1"])
            .arg(&noise)
            .args(["synth", "300", "pinknoise", "tremolo", "0.2", "90", "vol", "0.5"])
            .status()?;
        if !sox.success() {
            return Err(io::Error::other(format!("sox made no noise: {sox}")));
        }
        wait_for("PulseAudio", || dir.join("pulse.sock").exists())?;
        let mut player = Command::new("paplay");
        player.args(["-d", "scanner"]).arg(noise).env("PULSE_SERVER", format!("unix:{socket}"));
        Ok(Self { _player: Running::start(player.env("HOME", dir))?, _daemon: daemon })
    }

    /// The value of `ALSA_CONFIG_PATH` that makes the device known.
    pub(crate) fn alsa_config(dir: &Path) -> String {
        format!("/usr/share/alsa/alsa.conf:{}", dir.join("asound.conf").display())
    }
}

/// ffmpeg making the same stream of the same device as we do: mono, 64 kbit/s, two seconds, into tmpfs.
pub(crate) fn ffmpeg(alsa_config: &str, dir: &Path) -> io::Result<Running> {
    let playlist = dir.join("index.m3u8");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-f", "alsa", "-ar", "48000", "-ac", "1", "-i", SoundCard::DEVICE]);
    command.args(["-c:a", "aac", "-b:a", "64k", "-f", "hls", "-hls_time", "2", "-hls_list_size", "450"]);
    command.args(["-hls_flags", "delete_segments+program_date_time"]).arg(&playlist);
    let ffmpeg = Running::start(command.env("ALSA_CONFIG_PATH", alsa_config))?;
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

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ready() {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} is not ready after 10 s")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
