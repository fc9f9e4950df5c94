//! Descriptions as Juju writes them, and what only looks like one.
