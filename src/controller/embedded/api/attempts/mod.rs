//! Attempts to log in: their rate, and the logins that wait for a user.

pub mod devices;
pub mod gate;
