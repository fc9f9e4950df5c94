//! What a connection speaks about: a controller, or one of its models.

/// What a connection speaks about. It decides which facades there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `/api` and `/`: the controller and its models from outside.
    Controller,
    /// `/model/UUID/api`: the inside of one model. The text is as the client dialled it: it may name no model.
    Model(String),
}
