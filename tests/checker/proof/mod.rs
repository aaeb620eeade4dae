//! The judge on trial.
