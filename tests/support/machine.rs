//! A machine with a kernel in which sound cards come and go as directories do; each of them hears PulseAudio. What stands
//! under its /sys/class and /run the program alone sees, in a mount namespace of its own (unshare, of util-linux).

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::outpost_program::{Outpost, free_address};
use crate::pulse::{Player, Pulse};

/// A machine of its own: what is plugged into it, and the configuration that lies there.
pub(crate) struct Machine {
    pulse: Pulse,
    place: PathBuf,
}

impl Machine {
    /// With nothing plugged in.
    pub(crate) fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("outpost-{name}-{}", std::process::id()));
        let pulse = Pulse::present();
        for folder in ["class/sound", "class/video4linux", "run", "state"] {
            fs::create_dir_all(place.join(folder)).expect("a folder");
        }
        // Whatever card is opened is this one.
        let any = format!(
            "pcm.!hw {{ @args [ CARD DEV ]
               @args.CARD {{ type string }}
               @args.DEV {{ type integer }}
               type pulse server \"unix:{}/pulse.sock\" device \"scanner.monitor\" }}\n",
            pulse.home().display()
        );
        let conf = pulse.home().join("asound.conf");
        let before = fs::read_to_string(&conf).expect("a configuration");
        fs::write(conf, before + &any).expect("a configuration");
        Self { pulse, place }
    }

    /// A file beside what it is made of: `state/outpost.log`, `run/…`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Plays a tone into all cards, until it is dropped.
    pub(crate) fn play_tone(&self) -> Player {
        self.pulse.play_tone(1000.0, 0.25)
    }

    /// Plugs a card into a USB socket.
    pub(crate) fn plug(&self, port: &str, number: u32) {
        let device = self.file(&format!("devices/usb1/{port}"));
        let card = device.join(format!("{port}:1.0/sound/card{number}"));
        fs::create_dir_all(card.join(format!("pcmC{number}D0c"))).expect("a folder");
        fs::write(card.join("id"), format!("Device_{number}\n")).expect("a file");
        fs::write(device.join("idVendor"), "0d8c\n").expect("a file");
        fs::write(device.join("idProduct"), "0014\n").expect("a file");
        symlink(&card, self.file(&format!("class/sound/card{number}"))).expect("a link");
    }

    pub(crate) fn unplug(&self, number: u32) {
        fs::remove_file(self.file(&format!("class/sound/card{number}"))).expect("it was there");
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.file("state/outpost.toml"), text).expect("a configuration");
    }

    /// Starts the program in the folder of its configuration. Its /sys/class and its /run are ours, for it alone.
    pub(crate) fn start(&self, arguments: &[&str], environment: &[(&str, OsString)]) -> Outpost {
        let (class, rest) = (self.file("class"), self.file("run"));
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount --bind \"$0\" /sys/class && mount --bind \"$1\" /run && shift && exec \"$@\"");
        command.args([&class.to_string_lossy(), &rest.to_string_lossy(), env!("CARGO_BIN_EXE_outpost")]);
        let state = self.file("state");
        command.current_dir(&state);
        let all: Vec<_> = self.pulse.environment().into_iter().chain(environment.iter().cloned()).collect();
        Outpost::start_by(command, free_address(), arguments, &all, &state)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("state/outpost.log")).expect("a log")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.place);
    }
}
