//! What several tests need: a sound card that isn't there, eyes for the test card.
//!
//! Belongs here: programs and places that tests share. Does not: judgements.

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod card;
pub mod pulse;
