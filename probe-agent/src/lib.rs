//! (filled in below)
pub mod hierarchy;
pub mod kernel;
