//! The foreign interfaces that need `unsafe`. It stands here and in `ring/`, nowhere else; each use says
//! why it is sound.
//!
//! Belongs here: thin safe faces over C. Does not: decisions about audio, video or streams.

pub mod clock;
pub mod memory;
pub mod pipe;
