//! The ring of `src/ring/spsc.rs`, compiled on its own; see Cargo.toml.

#[path = "../../../src/ring/spsc.rs"]
pub mod spsc;

#[cfg(all(test, loom))]
mod interleavings;
#[cfg(all(test, not(loom)))]
mod plain;
