//! Checks that the model which arrived equals the one that left, and that no acknowledged write is missing.

use std::fs;
use std::path::{Path, PathBuf};

use super::control::ask;
use super::narration::{Narration, Show};
use super::stage::{Model, Stage};
use super::trouble::Trouble;
use super::users::{Acknowledged, Notes};
use crate::agent::control::{Request, Response};
use crate::sample::binaries::Binary;

/// What the destination has, compared with what left.
#[derive(Debug)]
pub(super) struct Proof {
    /// Binaries that the description names.
    pub(super) blob_count: usize,
    /// Those of them that arrived as they were.
    pub(super) blobs_identical: usize,
    /// Whether the description arrived byte for byte.
    pub(super) description_identical: bool,
    /// Acknowledged writes that are missing, changed, or out of order.
    pub(super) writes_lost: usize,
}

/// Shows both sides after the move.
pub(super) async fn both_sides(stage: &Stage, narration: &mut Narration<'_>) -> Result<(), Trouble> {
    narration.step("Both sides afterwards: the source redirects, the destination serves");
    let model = &stage.model.name;
    let redirected = narration.run(&stage.src, &["status", "-m", model], Show::All).await?;
    if redirected.status.success() {
        return Err(Trouble::new("the source still shows the model as its own"));
    }
    narration.run_ok(&stage.dst, &["status", "-m", model], Show::First(2)).await?;
    Ok(())
}

/// Exports the model on the destination and compares it with what was imported on the source.
pub(super) async fn of_arrival(
    stage: &Stage,
    notes: &Notes,
    scratch: &Path,
    narration: &mut Narration<'_>,
) -> Result<Proof, Trouble> {
    narration.step("Proof: what arrived is compared with what left");
    let dir = scratch.join("arrived");
    let name = &stage.model.name;
    let arguments = ["embedded", "export", name, &dir.to_string_lossy()];
    narration.run_ok(&stage.dst, &arguments, Show::Nothing).await?;
    let proof = Proof {
        blob_count: stage.model.told.wanted().len(),
        blobs_identical: identical_blobs(&stage.model, &dir)?,
        description_identical: fs::read(&stage.model.description)? == fs::read(dir.join("model.yaml"))?,
        writes_lost: lost(stage, notes).await?,
    };
    let said = if proof.description_identical { "identical, byte for byte" } else { "NOT IDENTICAL" };
    narration.remark(format_args!("binaries: {}/{} identical", proof.blobs_identical, proof.blob_count));
    narration.remark(format_args!("description: {said}"));
    narration.remark(format_args!("writes: {} acknowledged, {} lost", notes.acknowledged.len(), proof.writes_lost));
    Ok(proof)
}

fn identical_blobs(model: &Model, dir: &Path) -> Result<usize, Trouble> {
    let mut identical = 0;
    for path in model.told.wanted().iter().map(|wanted| wanted.path()) {
        let digest = |root: &PathBuf| Binary::of(&root.join(&path)).map(|binary| (binary.bytes, binary.sha384));
        identical += usize::from(digest(&model.blobs)? == digest(&dir.to_path_buf())?);
    }
    Ok(identical)
}

/// Counts the acknowledged writes that the destination does not have under the number and with the value they were
/// given.
async fn lost(stage: &Stage, notes: &Notes) -> Result<usize, Trouble> {
    let request = Request::EmbeddedGet { model: stage.model.name.clone(), key: None, held: false };
    let entries = match ask(&stage.dst.socket, &request).await? {
        Response::Entries(entries) => entries,
        other => return Err(Trouble::new(format!("reading the model was answered with {other:?}"))),
    };
    let there = |write: &Acknowledged| {
        entries.iter().any(|entry| (entry.number, &entry.key, &entry.value) == (write.number, &write.key, &write.key))
    };
    Ok(notes.acknowledged.iter().filter(|write| !there(write)).count())
}
