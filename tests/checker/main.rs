//! Live playlists and what they lead to, held to the specification for as long as somebody watches.
//!
//! The judge is shown broken playlists first. By hand, against any server:
//! `OUTPOST_CHECK_URL=http://host/stream/index.m3u8 cargo test --test checker -- --nocapture`.

mod bytes;
mod proof;
mod rules;
mod seen;
mod text;
