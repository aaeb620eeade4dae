//! What standard output is.

use std::io::{IsTerminal, stdout};

/// What standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// It can be redrawn and shows colours.
    Terminal,
    /// A file, a pipe, or a terminal that only prints.
    Plain,
}

impl Screen {
    /// Ours.
    pub fn ours() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if stdout().is_terminal() && !dumb { Self::Terminal } else { Self::Plain }
    }
}
