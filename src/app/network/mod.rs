//! What a card tells a box of its network: `docs/network.md` describes every key.
//!
//! Belongs here: reading `network.toml`, and the files for systemd-networkd, wpa_supplicant and sshd that follow from it.
//! Does not: setting anything up; that is these programs' own affair.

mod read;
mod ssh;
mod values;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use self::read::read;
use super::config::decoded;

/// Much more than anybody writes; what is longer is some other file.
const LONGEST: u64 = 64 * 1024;

/// Reads `file` and writes what follows from it below `root`. Whatever the file is, there will be a network by cable; what
/// can be taken of it is. Gives back what cannot, a line each, and leaves the same where the page finds it.
pub fn set_up(file: &Path, root: &Path) -> Vec<String> {
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let (network, mut problems) = match text(file) {
        Ok(text) => read(&text, &name),
        Err(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "put it on the card, beside outpost.toml",
                _ => "write it anew",
            };
            let problem =
                format!("{name}: cannot be read ({error}); until then the network is by cable; {remedy}");
            (Default::default(), vec![problem])
        }
    };
    problems.extend(write::all(&network, root));
    problems.extend(write::problems(&problems, root));
    problems
}

fn text(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    Ok(decoded(&bytes))
}

/// Every key the file can have, as a path through the tables: `wifi.name`.
pub fn keys() -> Vec<String> {
    read::all_keys()
}
