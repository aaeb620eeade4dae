//! What is found in sound: transmissions of every kind of receiver, beside what was put there.

mod cases;
mod synth;
