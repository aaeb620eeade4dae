//! The card as it lies on the table: what a laptop puts on it, and what a power cut has left of it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the first partition begins (`board/image`).
const FIRST: u64 = 1 << 20;

/// A card that is in no board.
pub(crate) struct Card {
    pub(crate) path: PathBuf,
}

fn run(program: &str, arguments: &[&str]) -> Output {
    // Debian has some of these in /usr/sbin.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).env("PATH", path).args(arguments).output();
    output.unwrap_or_else(|error| {
        panic!("{program} is needed by this test, .ci/setup image brings it: {error}")
    })
}

/// Everything that was said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Card {
    /// Where the data begin, and how long they are, in bytes: the third partition of the table.
    pub(crate) fn data(&self) -> (u64, u64) {
        let mut table = [0; 512];
        fs::File::open(&self.path).and_then(|mut it| it.read_exact(&mut table)).expect("a partition table");
        let word =
            |at: usize| u64::from(u32::from_le_bytes(table[at..at + 4].try_into().expect("four bytes")));
        let entry = 446 + 2 * 16;
        (word(entry + 8) * 512, word(entry + 12) * 512)
    }

    /// What the power cut has left of the data can be read at once, by the journal alone, and nothing in it is wrong.
    pub(crate) fn check(&self) {
        let copy = self.copy("checked");
        let place = format!("{}?offset={}", copy.display(), self.data().0);
        run("e2fsck", &["-y", "-E", "journal_only", &place]);
        let checked = run("e2fsck", &["-f", "-n", &place]);
        assert!(checked.status.success(), "{}", said(&checked));
        fs::remove_file(copy).expect("it was there");
    }

    /// A file on the data partition, as it is without what only the journal has.
    pub(crate) fn kept(&self, file: &str) -> Vec<u8> {
        let copy = self.copy("read");
        let place = format!("{}?offset={}", copy.display(), self.data().0);
        run("e2fsck", &["-y", "-E", "journal_only", &place]);
        let kept = run("debugfs", &["-R", &format!("cat {file}"), &place]);
        fs::remove_file(copy).expect("it was there");
        assert!(!kept.stdout.is_empty(), "{file}: {}", said(&kept));
        kept.stdout
    }

    /// The same card once more; holes stay holes.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let copy = self.path.with_extension(name);
        let done = run("cp", &["--sparse=always", text(&self.path), text(&copy)]);
        assert!(done.status.success(), "{}", said(&done));
        copy
    }

    /// That what the board starts from, and the system, are to the last bit what they are on `other`.
    pub(crate) fn starts_as(&self, other: &Path) {
        let (data, first) = (self.data().0, FIRST.to_string());
        let length = (data - FIRST).to_string();
        let compared = run("cmp", &["-i", &first, "-n", &length, text(&self.path), text(other)]);
        assert!(compared.status.success(), "{}", said(&compared));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}
