//! Programs that judge what we write, and a place for their files.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of a test's own, gone when it ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        Self::under(&std::env::temp_dir(), name)
    }

    /// The same, in a directory other than the temporary one.
    pub(crate) fn under(parent: &Path, name: &str) -> Self {
        let path = parent.join(format!("outpost-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a program that must succeed and say nothing on standard error; gives its standard output.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} is needed by this test, .ci/setup test brings it: {error}")
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program} {arguments:?}: {complaints}");
    output.stdout
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}
