//! Commands about peers and their controllers: pairing, limits, lists.

pub mod controllers;
pub mod limit;
pub mod pair;
pub mod peers;
pub mod set;
pub mod show_controller;
pub mod unpair;
