//! Records in, playlists out: the segmenter and the playlists as a reader of both sees them.

mod agreement;
mod golden;
mod properties;
mod restart;
mod script;
mod telling;
