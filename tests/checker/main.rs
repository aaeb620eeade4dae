//! Live playlists and what they lead to, held to the specification for as long as somebody watches.
//!
//! The judge is shown broken playlists first. `OUTPOST_CHECK_MINUTES=10` has it watch longer than it does
//! anyway, through lost sources and a restart; `OUTPOST_CHECK_URL=http://host:8080/stream/index.m3u8` has it watch another server.

#[path = "../support/outpost.rs"]
mod outpost_program;

mod bytes;
mod live;
mod proof;
mod rules;
mod seen;
mod text;
mod watch;
