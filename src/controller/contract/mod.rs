//! What every adapter of the port must do: one suite for all of them.
//!
//! An adapter writes a [`Rig`] and calls [`controller_contract`] with it, or [`target_contract`] if it only takes models in; it
//! writes no tests of its own for what is promised here.

mod arriving;
mod leaving;
mod rig;

pub(crate) use self::arriving::*;
pub(crate) use self::leaving::*;
pub(crate) use self::rig::{Rig, SourceRig};

/// Makes tests of claims about `$rigs`, in brackets.
macro_rules! claims {
    ($rigs:tt: $($claim:ident),+ $(,)?) => {
        $($crate::controller::contract::claims!(@one $claim $rigs);)+
    };
    (@one $claim:ident [$($rig:ty),+]) => {
        #[tokio::test]
        async fn $claim() { $crate::controller::contract::$claim::<$($rig),+>().await; }
    };
}
pub(crate) use claims;
/// Runs what the suite claims of targets against an adapter that models come to from `$source`.
macro_rules! target_contract {
    ($suite:ident, $source:ident, $target:ident) => {
        mod $suite {
            $crate::controller::contract::claims!([super::$source, super::$target]:
                an_examination_names_the_model_and_changes_nothing,
                staging_can_be_repeated_at_every_call,
                a_copy_survives_a_restart_and_nobody_can_use_it,
                a_copy_belongs_to_its_migration,
                half_a_copy_cannot_be_activated,
                a_blob_of_something_else_is_refused,
                an_activation_can_be_repeated,
                what_is_live_cannot_be_aborted,
                an_abort_leaves_nothing_to_activate,
            );
        }
    };
}
pub(crate) use target_contract;
/// Runs the whole suite against an adapter: `controller_contract!(contract, EmbeddedRig)`.
macro_rules! controller_contract {
    ($suite:ident, $rig:ident) => {
        $crate::controller::contract::target_contract!(target_contract, $rig, $rig);
        mod $suite {
            $crate::controller::contract::claims!([super::$rig]:
                a_freeze_can_be_repeated_and_survives_a_restart,
                a_frozen_model_belongs_to_its_migration,
                a_thaw_gives_the_model_back_as_it_was,
                a_thaw_of_what_was_never_frozen_changes_nothing,
                only_a_frozen_model_is_exported,
                an_export_stages_and_does_nothing_else,
                its_own_freeze_is_no_finding,
                a_copy_is_not_frozen,
                a_live_model_is_no_leftover_of_a_migration,
                a_model_handed_over_redirects_and_never_comes_back_by_itself,
                a_model_can_come_home,
            );
        }
    };
}
pub(crate) use controller_contract;
