//! Records in, playlists out: the segmenter and the playlists as a reader of both sees them.

mod agreement;
mod assembled;
mod enciphered;
mod extents;
mod golden;
mod low_latency;
mod markers;
mod multivariant;
mod properties;
mod restart;
mod resumed;
mod script;
mod shelves;
mod telling;
