#![no_std]
//! (filled in below)
