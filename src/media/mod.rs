//! The vocabulary: what flows between the rooms.
//!
//! Belongs here: descriptions of audio and video, coded units, and the bits of their own headers.
//! Does not: containers, devices, encoders.

pub mod aac;
pub mod audio;
pub mod grid;
pub mod h264;
pub mod marker;
pub mod note;
pub mod packet;
pub mod parts;
pub mod unit;
pub mod video;

pub use aac::AacConfig;
pub use audio::{AudioBlock, Channels, Pick};
pub use grid::CutGrid;
pub use note::Field;
pub use packet::{Entry, Packet, Program, Track, VideoConfig};
pub use parts::{Parts, Timeline, part_target};
pub use unit::{PartEnd, Place, Unit};
pub use video::{Dmabuf, FrameRate, Picture, Plane, Planes, Size, VideoFrame};
