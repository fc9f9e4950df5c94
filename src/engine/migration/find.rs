//! The migrations and pre-copies that this agent knows, and which of them an operator means.

use modelferry_protocol::ids::MigrationId;
use tokio::sync::watch;

use crate::engine::base::engine::Engine;
use crate::engine::base::error::EngineError;
use crate::engine::view::MigrationView;

impl Engine {
    /// Returns every migration this agent knows, and every pre-copy from here, newest first.
    pub fn migrations(&self) -> Vec<MigrationView> {
        let mut views: Vec<_> = self.0.all_tracked().iter().map(|tracked| tracked.view()).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.started_ms));
        views
    }

    /// Returns a migration, or a pre-copy.
    pub fn migration(&self, mid: MigrationId) -> Option<MigrationView> {
        self.0.tracked(mid).map(|tracked| tracked.view())
    }

    /// Lets a migration's changes be watched.
    pub fn watch(&self, mid: MigrationId) -> Option<watch::Receiver<MigrationView>> {
        self.0.tracked(mid).map(|tracked| tracked.watch())
    }

    /// Finds a migration, or a pre-copy, by its id in Juju's form, its full id, or its model's name, `owner/name` or UUID:
    /// of a model's the unfinished migration, else the unfinished pre-copy, else the last.
    ///
    /// Errors: [`EngineError::UnknownMigration`].
    pub fn find(&self, text: &str) -> Result<MigrationId, EngineError> {
        let rank = |view: &MigrationView| match (view.ended_ms, view.moves()) {
            (None, true) => 0,
            (None, false) => 1,
            (Some(_), _) => 2,
        };
        // The first of the least, and they come newest first.
        let found = self.named(text).into_iter().min_by_key(rank);
        found.and_then(|view| view.mid.parse().ok()).ok_or_else(|| EngineError::UnknownMigration(text.to_owned()))
    }

    /// Likewise, where only a migration will do.
    ///
    /// Errors: [`EngineError::UnknownMigration`]; [`EngineError::IsPrecopy`] where nothing else has that name.
    pub fn find_migration(&self, text: &str) -> Result<MigrationId, EngineError> {
        let named = self.named(text);
        let precopy = named.iter().find(|view| !view.moves()).map(|view| view.id.clone());
        let found = named.into_iter().filter(MigrationView::moves).min_by_key(|view| view.ended_ms.is_some());
        let otherwise =
            || precopy.map_or_else(|| EngineError::UnknownMigration(text.to_owned()), EngineError::IsPrecopy);
        found.and_then(|view| view.mid.parse().ok()).ok_or_else(otherwise)
    }

    /// Returns what goes by a name, newest first.
    fn named(&self, text: &str) -> Vec<MigrationView> {
        let is_named = |view: &MigrationView| {
            text == view.id
                || text == view.mid
                || text == view.model_uuid
                || text == view.model
                || text.split_once('/') == Some((&view.owner, &view.model))
        };
        let mut views = self.migrations();
        views.retain(is_named);
        views
    }
}
