//! A capture device without hardware: the ALSA PCM `scanner` hears what is played into the null sink of a
//! PulseAudio daemon of our own, paced in real time. Killing that daemon unplugs it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Tells a test run apart from the others where it lives.
const HOME_VARIABLE: &str = "OUTPOST_TEST_PULSE_HOME";
/// A test that takes longer hangs.
const LONGEST_TEST: Duration = Duration::from_secs(90);
/// A daemon that is not there by then does not come.
const LONGEST_START: Duration = Duration::from_secs(20);

/// The daemon's directory, with the ALSA configuration in it, and the daemon while it runs.
pub struct Pulse {
    home: PathBuf,
    daemon: Option<Child>,
    ownership: Ownership,
}

#[derive(PartialEq)]
enum Ownership {
    Ours,
    Parents,
}

/// A program that plays; it ends when dropped.
pub struct Player(Child);

impl Drop for Player {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Pulse {
    /// A device that is not plugged in yet.
    pub fn absent() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("outpost-pulse-{}-{count}", std::process::id()));
        fs::create_dir_all(home.join("run")).expect("a temporary directory");
        let text = format!(
            r#"pcm.scanner {{
                type pulse
                server "unix:{home}/pulse.sock"
                device "scanner.monitor"
                hint {{ show on description "A scanner that isn't there" }}
            }}
            pcm.looped {{
                type file
                slave.pcm null
                file /dev/null
                infile "{home}/looped.raw"
                format raw
            }}
            "#,
            home = home.display()
        );
        fs::write(home.join("asound.conf"), text).expect("a configuration");
        Self { home, daemon: None, ownership: Ownership::Ours }
    }

    /// A device that is plugged in.
    pub fn present() -> Self {
        let mut pulse = Self::absent();
        pulse.plug();
        pulse
    }

    /// Where it lives; `looped.raw` in there (16 bits, stereo, 48 kHz) is what the PCM `looped` captures,
    /// as fast as it is read.
    pub fn home(&self) -> &Path {
        &self.home
    }

    fn socket(&self) -> PathBuf {
        self.home.join("pulse.sock")
    }

    /// What a program needs in its environment to capture from the PCM `scanner`. ALSA reads it once.
    pub fn environment(&self) -> [(&'static str, OsString); 4] {
        let alsa = format!("/usr/share/alsa/alsa.conf:{}", self.home.join("asound.conf").display());
        [
            ("HOME", self.home.clone().into()),
            ("XDG_RUNTIME_DIR", self.home.join("run").into()),
            ("ALSA_CONFIG_PATH", alsa.into()),
            ("PULSE_SERVER", format!("unix:{}", self.socket().display()).into()),
        ]
    }

    /// Starts the daemon and waits until it answers.
    pub fn plug(&mut self) {
        let log = File::create(self.home.join("pulse.log")).expect("a log");
        let socket = self.socket();
        let _ = fs::remove_file(&socket);
        let mut daemon = Command::new("pulseaudio")
            .args(["--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-n"])
            // The socket last: once it answers, the sink is there.
            .args(["-L", "module-null-sink sink_name=scanner rate=48000"])
            .arg("-L")
            .arg(format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display()))
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("pulseaudio starts (Debian: pulseaudio, libasound2-plugins)");
        fs::write(self.home.join("pulse.pid"), daemon.id().to_string()).expect("a pid file");
        let patience = Instant::now() + LONGEST_START;
        while UnixStream::connect(&socket).is_err() {
            let log = || fs::read_to_string(self.home.join("pulse.log")).unwrap_or_default();
            if let Some(status) = daemon.try_wait().expect("a child of ours") {
                panic!("pulseaudio ended ({status}):\n{}", log());
            }
            if Instant::now() > patience {
                end(&mut daemon);
                panic!("pulseaudio does not answer:\n{}", log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.daemon = Some(daemon);
    }

    /// Kills the daemon: the device disappears.
    pub fn unplug(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            end(&mut daemon);
        }
        let _ = fs::remove_file(self.home.join("pulse.pid"));
    }

    /// Stops the daemon where it stands: the device is there, and nothing comes.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen daemon go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("it is plugged in");
        let pid = Pid::from_raw(i32::try_from(daemon.id()).expect("a pid"));
        kill(pid, signal).expect("a child of ours");
    }

    /// Plays a sine of `hertz` and `amplitude` (full scale 1.0) into the device for a minute.
    pub fn play_tone(&self, hertz: f64, amplitude: f64) -> Player {
        let wave = self.home.join("tone.wav");
        let made = Command::new("sox")
            .args(["-n", "-r", "48000", "-c", "2", "-b", "16"])
            .arg(&wave)
            .args(["synth", "60", "sine", &hertz.to_string(), "vol", &amplitude.to_string()])
            .status()
            .expect("sox starts (Debian: sox)");
        assert!(made.success(), "sox: {made}");
        let player = Command::new("paplay")
            .args(["--device", "scanner"])
            .arg(&wave)
            .envs(self.environment())
            .spawn()
            .expect("paplay starts (Debian: pulseaudio-utils)");
        Player(player)
    }

    /// Runs `body` in a process of its own whose ALSA knows this device, absent at first: `test` is the
    /// name of the calling test, which is started once more for that.
    pub fn apart(test: &str, body: impl FnOnce(&mut Self)) {
        if let Some(home) = std::env::var_os(HOME_VARIABLE) {
            body(&mut Self { home: home.into(), daemon: None, ownership: Ownership::Parents });
            return;
        }
        let pulse = Self::absent();
        let output = pulse.home.join("output.txt");
        let file = File::create(&output).expect("a file for the output");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([test, "--exact", "--nocapture", "--include-ignored"])
            .envs(pulse.environment())
            .env(HOME_VARIABLE, &pulse.home)
            .stdout(file.try_clone().expect("a descriptor"))
            .stderr(file)
            .spawn()
            .expect("this test starts once more");
        let patience = Instant::now() + LONGEST_TEST;
        let status = loop {
            match child.try_wait().expect("a child of ours") {
                Some(status) => break Some(status),
                None if Instant::now() > patience => break None,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        end(&mut child);
        let output = fs::read_to_string(output).unwrap_or_default();
        print!("{output}");
        let status = status.map_or_else(|| "hung".to_owned(), |status| status.to_string());
        assert!(output.contains("1 passed"), "{test} in a process of its own: {status}");
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.unplug_left_over();
        self.unplug();
        if self.ownership == Ownership::Ours {
            let _ = fs::remove_dir_all(&self.home);
        }
    }
}

impl Pulse {
    /// A test that hung was killed and left its daemon behind.
    fn unplug_left_over(&self) {
        let Ok(pid) = fs::read_to_string(self.home.join("pulse.pid")) else { return };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let ours = String::from_utf8_lossy(&command).contains(&*self.home.to_string_lossy());
        if let (true, Ok(pid)) = (ours, pid.parse()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
