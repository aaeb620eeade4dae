//! V4L2 memory-to-memory encoders: pictures in at one end of a device node, coded units out at the other.
//!
//! Belongs here: the stateful encoder interface of the kernel's documentation, single- and multi-planar, with
//! memory of the driver mapped into ours, or of a camera's driver. Does not: which device, which parameters,
//! what H.264 is.
//!
//! The way of things: [`Device::open`], [`Prepared::new`] (formats), controls, [`Prepared::start`] (memory),
//! then [`Coder::submit`] and [`Coder::fetch`]; without a copy, [`Coder::lend`], [`Coder::fetch`] and
//! [`Coder::take_back`].

use std::io;

use v4l::FourCC;

mod abi;
mod coder;
mod control;
mod device;
mod layout;
mod memory;
mod queue;
mod share;

pub use coder::{Coded, Coder, Loan, Place, Prepared};
pub use control::Control;
pub use device::{Device, nodes};
pub use layout::{Canvas, PlaneMut};

/// Why a device does not encode.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The kernel refused a step.
    #[error("{step}: {source}")]
    Call {
        /// What was being done.
        step: &'static str,
        /// The kernel's words.
        source: io::Error,
    },
    /// No memory for its buffers.
    #[error("taking memory for its buffers: {0}")]
    Memory(io::Error),
    /// It settled on another code than it was asked for.
    #[error("it codes {0} instead")]
    Coded(FourCC),
    /// It takes no pictures of a kind we make.
    #[error("it takes none of NV12 and YU12, only {}", list(.0))]
    Raw(Vec<FourCC>),
    /// It settled on another size.
    #[error("it offers {width}x{height} instead")]
    Size {
        /// Luma samples in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// It describes its memory in a way that cannot be.
    #[error("it describes the memory of its pictures wrongly")]
    Layout,
    /// Nothing came in time.
    #[error("it does not answer")]
    Silent,
    /// It says itself that a unit is of no use.
    #[error("it reports an error in what it coded")]
    Spoiled,
    /// A unit filled its buffer to the brim, so it may go on in the next one.
    #[error("a coded picture is larger than its buffer")]
    Full,
    /// It was taken away.
    #[error("it is gone")]
    Gone,
}

impl Trouble {
    fn at(step: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Call { step, source }
    }
}

fn list(codes: &[FourCC]) -> String {
    let codes: Vec<String> = codes.iter().map(|code| format!("{:?}", code.to_string())).collect();
    codes.join(", ")
}
