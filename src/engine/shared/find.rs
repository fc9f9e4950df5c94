//! Finds migrations and pre-copies by what an operator typed.

use std::sync::Arc;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use tokio::sync::watch;

use super::engine::Engine;
use crate::engine::base::error::EngineError;
use crate::engine::migration::tracking::tracked::Tracked;
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
        let rank = |tracked: &Arc<Tracked>| match (tracked.is_at_rest(), tracked.is_precopy()) {
            (false, false) => 0,
            (false, true) => 1,
            (true, _) => 2,
        };
        // The first of the least, and they come newest first.
        let found = self.named(text).into_iter().min_by_key(rank);
        found.map(|tracked| tracked.terms.mid).ok_or_else(|| EngineError::UnknownMigration(text.to_owned()))
    }

    /// Finds a migration in the same way, and no pre-copy.
    ///
    /// Errors: [`EngineError::UnknownMigration`]; [`EngineError::IsPrecopy`] where nothing else has that name.
    pub fn find_migration(&self, text: &str) -> Result<MigrationId, EngineError> {
        let (precopies, migrations): (Vec<_>, Vec<_>) =
            self.named(text).into_iter().partition(|tracked| tracked.is_precopy());
        let found = migrations.into_iter().min_by_key(|tracked| tracked.is_at_rest());
        found.map(|tracked| tracked.terms.mid).ok_or_else(|| match precopies.first() {
            Some(precopy) => EngineError::IsPrecopy(precopy.id()),
            None => EngineError::UnknownMigration(text.to_owned()),
        })
    }

    /// Returns the model of a migration that has not ended, by any of the migration's names.
    pub fn model_under_way(&self, text: &str) -> Option<ModelUuid> {
        let migrations = self.named(text).into_iter().filter(|tracked| !tracked.is_precopy());
        migrations.into_iter().find(|tracked| !tracked.is_at_rest()).map(|tracked| tracked.terms.model)
    }

    /// Returns the models of the migrations and pre-copies that go by a name, the newest first.
    pub fn models_named(&self, text: &str) -> Vec<ModelUuid> {
        self.named(text).iter().map(|tracked| tracked.terms.model).collect()
    }

    /// Returns what goes by a name, newest first.
    fn named(&self, text: &str) -> Vec<Arc<Tracked>> {
        let is_named = |tracked: &Arc<Tracked>| {
            let terms = &tracked.terms;
            text == tracked.id()
                || text == terms.mid.to_string()
                || text == terms.model.to_string()
                || text == &*terms.name
                || text.split_once('/') == Some((&*terms.owner, &*terms.name))
        };
        let mut named = self.0.all_tracked();
        named.retain(is_named);
        named.sort_by_key(|tracked| std::cmp::Reverse(tracked.started_ms()));
        named
    }
}
