//! One migration: transfer, switchover, recovery, progress.

pub mod view;
