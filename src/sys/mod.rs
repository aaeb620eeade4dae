//! The foreign interfaces that need `unsafe`. It stands here and in `ring/`, nowhere else; each use says
//! why it is sound.
//!
//! Belongs here: thin safe faces over C and over the kernel. Does not: decisions about audio, video or streams.

pub mod clock;
pub mod m2m;
pub mod memory;
pub mod pipe;
