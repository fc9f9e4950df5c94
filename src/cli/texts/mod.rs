//! Texts that several commands print: plans, checklists, and the state of a model whose migration failed or is in doubt.

pub mod aftermath;
pub mod checklist;
pub mod doubt;
pub mod plan_text;
pub mod redirect;
