//! What is found in sound: transmissions of every kind of receiver, and what ails it, beside what was put there.

mod cases;
mod health;
mod synth;
