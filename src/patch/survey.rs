//! Estimates what two blobs have in common from their directories alone, before anything is opened.

use super::bytes::Bytes;
use super::error::PatchError;
use super::layout::{Kind, Part, PartIndex, parts};

/// The estimated work of a patch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of the new blob that the base lacks.
    pub lacking: u64,
    /// Opened size of the lacking bytes. Both sides inflate, compress and deflate that much.
    pub opened: u64,
    /// Lacking bytes that cannot be opened and are compared as they are.
    pub raw: u64,
}

/// Estimates the work of a patch from `base` to `new`.
///
/// Errors: [`PatchError::Io`].
pub fn survey(new: &(impl Bytes + ?Sized), base: &(impl Bytes + ?Sized)) -> Result<Survey, PatchError> {
    let (new, base) = (parts(new)?, parts(base)?);
    let index = PartIndex::of(&base);
    let mut survey = Survey::default();
    for part in &new {
        match part.kind {
            Kind::Deflated { .. } if index.same(part).is_some() => {}
            Kind::Deflated { plain_bytes, .. } => {
                survey.lacking += part.bytes;
                survey.opened = survey.opened.saturating_add(plain_bytes);
            }
            // Headers are mostly equal, and compress well otherwise.
            Kind::Between => {}
            Kind::Raw => {
                survey.lacking += part.bytes;
                survey.raw += part.bytes;
            }
        }
    }
    Ok(survey)
}

/// Returns the share of `new` that has another version in `base`, in thousandths.
///
/// Errors: [`PatchError::Io`].
pub fn kinship(new: &(impl Bytes + ?Sized), base: &(impl Bytes + ?Sized)) -> Result<u32, PatchError> {
    let (new, base) = (parts(new)?, parts(base)?);
    let index = PartIndex::of(&base);
    // A blob without members has one part, whose name means nothing.
    let members = |parts: &[Part]| parts.iter().filter(|part| part.kind != Kind::Between).count();
    if members(&new) < 2 || members(&base) < 2 {
        return Ok(0);
    }
    let (mut kin, mut all) = (0_u128, 0_u128);
    for part in new.iter().filter(|part| part.kind != Kind::Between) {
        let bytes = u128::from(part.bytes);
        all += bytes;
        kin += match (index.same(part), index.version(part)) {
            (Some(_), _) => bytes,
            (None, Some(_)) => bytes / 2,
            (None, None) => 0,
        };
    }
    Ok((kin * 1000 / all.max(1)) as u32)
}
