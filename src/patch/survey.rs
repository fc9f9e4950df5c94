//! What two blobs have in common, by what they say of themselves: before anything is opened.

use super::layout::{Kind, Part, Shelf, parts};
use super::{Bytes, PatchError};

/// What a patch would have to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of the new blob that the base does not have as they are.
    pub lacking: u64,
    /// Bytes of those, opened: as many are inflated, compressed, and deflated again on both sides.
    pub opened: u64,
    /// Bytes of them that cannot be opened, and are compared as they are.
    pub raw: u64,
}

/// Says what a patch from `base` to `new` would have to do.
///
/// Errors: [`PatchError::Io`].
pub fn survey(new: &(impl Bytes + ?Sized), base: &(impl Bytes + ?Sized)) -> Result<Survey, PatchError> {
    let (new, base) = (parts(new)?, parts(base)?);
    let shelf = Shelf::of(&base);
    let mut survey = Survey::default();
    for part in &new {
        match part.kind {
            Kind::Deflated { .. } if shelf.same(part).is_some() => {}
            Kind::Deflated { plain_bytes, .. } => {
                survey.lacking += part.bytes;
                survey.opened = survey.opened.saturating_add(plain_bytes);
            }
            // Headers mostly are the same, and compress well where they are not.
            Kind::Between => {}
            Kind::Raw => {
                survey.lacking += part.bytes;
                survey.raw += part.bytes;
            }
        }
    }
    Ok(survey)
}

/// How much of `new` another version of it may be found for in `base`, in thousandths.
///
/// Errors: [`PatchError::Io`].
pub fn kinship(new: &(impl Bytes + ?Sized), base: &(impl Bytes + ?Sized)) -> Result<u32, PatchError> {
    let (new, base) = (parts(new)?, parts(base)?);
    let shelf = Shelf::of(&base);
    // What is no archive has one part, of a name that says nothing.
    let members = |parts: &[Part]| parts.iter().filter(|part| part.kind != Kind::Between).count();
    if members(&new) < 2 || members(&base) < 2 {
        return Ok(0);
    }
    let (mut kin, mut all) = (0_u128, 0_u128);
    for part in new.iter().filter(|part| part.kind != Kind::Between) {
        let bytes = u128::from(part.bytes);
        all += bytes;
        kin += match (shelf.same(part), shelf.version(part)) {
            (Some(_), _) => bytes,
            (None, Some(_)) => bytes / 2,
            (None, None) => 0,
        };
    }
    Ok((kin * 1000 / all.max(1)) as u32)
}
