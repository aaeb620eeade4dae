//! The foreign interfaces that need `unsafe`. It stands here and in `ring/`, nowhere else; each use says
//! why it is sound.
//!
//! Belongs here: thin safe faces over C, over the kernel, and over what the borrow checker cannot yet see.
//! Does not: decisions about audio, video or streams.

pub mod clock;
pub mod handed;
pub mod lasting;
pub mod m2m;
pub mod memory;
pub mod pipe;
pub mod reborrow;
pub mod v4l2;
#[cfg(feature = "x264")]
pub mod x264;
