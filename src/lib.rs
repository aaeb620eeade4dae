//! Outpost: live HLS from a small board. `docs/flow.md` tells how the data goes.
//!
//! The rooms stand in the order of the pipeline, and a room imports only rooms above it
//! (`tests/layering.rs` holds that).

pub mod base;
pub mod media;
pub mod container;
pub mod sys;
pub mod ring;
pub mod pixel;
pub mod detect;
pub mod source;
pub mod encode;
pub mod pump;
pub mod timeline;
pub mod segment;
pub mod clip;
pub mod playlist;
pub mod keep;
pub mod observe;
pub mod serve;
pub mod app;
