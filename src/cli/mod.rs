//! Commands: one file each. They speak to the control socket and print.

pub mod demo;
