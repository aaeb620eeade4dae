//! Clips judged by ffmpeg, which also makes what is in the window.

#[path = "../support/tool.rs"]
mod tool;
mod window;

mod film;
mod hurt;
mod sound;
