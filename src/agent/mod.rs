//! The daemon: supervision, control socket, systemd.

pub mod control;
