//! Programs whose standard output is sound or picture.

use std::fmt;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// Program and arguments, if there is a program.
    pub fn new(argv: Vec<String>) -> Option<Self> {
        argv.first().is_some_and(|program| !program.is_empty()).then_some(Self(argv))
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
