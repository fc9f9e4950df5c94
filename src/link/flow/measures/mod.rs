//! Measures of a link that the model is made of: delivery rate, queue, loss.

pub mod filter;
pub mod flights;
pub mod losses;
pub mod queue;
