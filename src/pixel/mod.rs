//! Pictures from one layout to another: what cameras give to planar 4:2:0, one size to another, JPEG both ways.
//!
//! Belongs here: calling the SIMD libraries that do it, and the little between them. Does not: devices, or
//! deciding what is wanted.
