//! The command line: a command, a file; each speaks to the control socket and prints.

pub mod demo;
mod output;
