//! Commands that make files for the shell and for `man`.

pub mod complete;
pub mod completion;
pub mod man;
