//! The shipped binary, as an operator uses it: agents as processes, commands as commands.

mod host;
mod interrupted;
mod moved;
mod refused;
