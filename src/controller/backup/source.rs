//! Where the files of a backup come from.

use std::io::Read;

use super::manifest::{File, Manifest};
use crate::controller::port::ControllerError;

/// Takes a file of a backup: what the manifest says about it, and its bytes.
pub type Take<'a> = dyn FnMut(&File, &mut dyn Read) -> Result<(), ControllerError> + 'a;

/// Where the files of a backup come from.
pub trait Source {
    /// Returns what the backup says about itself.
    fn manifest(&self) -> &Manifest;

    /// Hands every file to `take`, in the manifest's order, and proves it: an error after `take` means that
    /// what was taken is not what was backed up.
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), ControllerError>;
}
