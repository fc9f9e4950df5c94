//! The crash matrix: the shipped code, killed before and after every record and effect, restarted, and
//! looked at from outside. Built with the feature `failpoints`; `scripts/test` does.

#[path = "../system/host.rs"]
#[allow(dead_code, reason = "the other system tests use the rest")]
mod host;
mod matrix;
