//! What is found in sound and pictures, with scenes of which it is known what happens.

mod cases;
mod health;
mod motions;
mod scene;
mod synth;
