//! Records in, playlists out: the segmenter and the playlists as a reader of both sees them.

mod golden;
mod low_latency;
mod properties;
mod restart;
mod script;
mod telling;
