//! The embedded controller.

pub mod view;
