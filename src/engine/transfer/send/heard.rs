//! Handles the target's messages about blobs in transfer.

use modelferry_protocol::limits::PAGE_CHUNKS_MAX;
use modelferry_protocol::manifest::ChunkSet;
use modelferry_protocol::message::{BlobState, Chunks, Handle, Message};
use tokio::time::Instant;

use super::{Sending, TransferError, Wanted};
use crate::engine::shared::core::Core;

impl Sending<'_> {
    pub(super) async fn heard(&mut self, message: Message) -> Result<(), TransferError> {
        match message {
            Message::BlobState(state) => self.state(state).await,
            Message::Need(chunks) => self.need(&chunks).await,
            Message::Held(chunks) => self.held(&chunks),
            Message::BlobDone(handle) => {
                self.done(handle);
                Ok(())
            }
            Message::Hold(hold) => {
                let reason = Some(hold.reason.into_string()).filter(|reason| !reason.is_empty());
                if let (Some(reason), true) = (&reason, self.tracked.is_apart) {
                    // Nobody would see why it waits.
                    return Err(TransferError::Refused { reason: reason.clone() });
                }
                self.on_hold = reason;
                self.show_waiting();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Looks whether the peer still answers.
    pub(super) fn listen(&mut self) {
        let silent_s = self.silence.look(self.conversation.session.udp_rx_bytes(), Instant::now().into_std());
        if std::mem::replace(&mut self.silent_s, silent_s) != silent_s {
            self.show_waiting();
        }
    }

    fn show_waiting(&self) {
        let silent =
            self.silent_s.map(|seconds| format!("{} has not answered for {seconds} s", self.tracked.terms.peer));
        self.tracked.set_waiting(silent.or_else(|| self.on_hold.clone()));
    }

    async fn state(&mut self, state: BlobState) -> Result<(), TransferError> {
        let Some(blob) = self.open.get(&state.handle).map(|open| open.blob) else { return Ok(()) };
        if state.held {
            self.tracked.counters.add_held(blob.bytes);
            self.tracked.counters.meet(blob.hash, blob.bytes);
            self.done(state.handle);
            self.told();
            return Ok(());
        }
        self.tracked.counters.add_held(state.bytes_held.min(blob.bytes));
        self.tracked.counters.meet(blob.hash, state.bytes_held.min(blob.bytes));
        let sent = self.open.get(&state.handle).map_or(0, |open| open.pages_sent);
        let known = state.pages.max(sent);
        // All pages may be known there already; then the page after the last does not exist.
        let all_known = match known.checked_sub(1) {
            Some(last_known) => self.load_page(blob, last_known).await?.last,
            None => false,
        };
        if let Some(open) = self.open.get_mut(&state.handle) {
            open.is_answered = true;
            open.bytes_held = state.bytes_held.min(blob.bytes);
            open.next_page = (!all_known).then_some(known);
            if state.pages > 0 {
                // The first page went in vain, if it went: what is lacking of it is asked for as of the others.
                open.pages.remove(&0);
            }
        }
        self.told();
        Ok(())
    }

    fn told(&self) {
        if self.waiting.is_empty() && self.open.values().all(|open| open.is_answered) {
            self.tracked.counters.all_told();
        }
    }

    async fn need(&mut self, chunks: &Chunks) -> Result<(), TransferError> {
        let Some(open) = self.open.get_mut(&chunks.handle) else { return Ok(()) };
        let needed = ChunkSet::from_ranges(&chunks.ranges, PAGE_CHUNKS_MAX)?;
        let mut again = Vec::new();
        if let Some(open_page) = open.pages.get_mut(&chunks.page) {
            // Asked again: they arrived damaged. What they took of the window is free.
            for index in needed.iter().filter(|index| open_page.sent.remove(index)) {
                let chunk = open_page.page.chunks.get(index).copied().zip(open_page.page.chunk_offset(index));
                self.window.freed(chunk.map_or(0, |(chunk, _)| chunk.bytes));
                again.extend(chunk);
            }
        }
        if let Some(reader) = open.reader.clone().filter(|_| !again.is_empty()) {
            // Or they were damaged here, before they left, and will be whenever they are read.
            let proven = move || again.iter().try_for_each(|(chunk, offset)| reader.prove_at(*offset, *chunk));
            Core::blocking(proven).await?;
        }
        self.wanted.push_back(Wanted { handle: chunks.handle, page: chunks.page, chunks: needed.iter().collect() });
        Ok(())
    }

    fn held(&mut self, chunks: &Chunks) -> Result<(), TransferError> {
        let Some(open) = self.open.get_mut(&chunks.handle) else { return Ok(()) };
        let Some(open_page) = open.pages.get_mut(&chunks.page) else { return Ok(()) };
        let held = ChunkSet::from_ranges(&chunks.ranges, open_page.page.chunks.len())?;
        let mut arrived = 0;
        for index in held.iter().filter(|index| !open_page.held.contains(*index)).collect::<Vec<_>>() {
            let chunk_bytes = open_page.page.chunks[index].bytes;
            let bytes = u64::from(chunk_bytes);
            open_page.held.insert(index);
            self.tracked.counters.add_held(bytes);
            open.bytes_held += bytes;
            if open_page.sent.remove(&index) {
                self.window.freed(chunk_bytes);
                arrived += bytes;
            } else if open_page.is_new {
                self.tracked.counters.add_reused(bytes);
            }
        }
        let reach = super::reach(&self.conversation.session);
        if let Some(round) = self.window.held(arrived, reach, Instant::now().into_std()) {
            self.compressor.round(round);
        }
        if self.tracked.counters.is_all_held() {
            // The last durable acknowledgement: proving the whole comes after it, and takes its own time.
            self.tracked.publish();
        }
        if open_page.held.is_full() {
            open.pages.remove(&chunks.page);
        }
        Ok(())
    }

    pub(super) fn done(&mut self, handle: Handle) {
        let open = self.open.remove(&handle);
        open.iter().for_each(|open| self.conversation.leave(open.blob.hash, self.claim));
        let pages = open.into_iter().flat_map(|open| open.pages.into_values());
        for page in pages {
            let on_the_way = page.sent.iter().filter_map(|index| page.page.chunks.get(*index));
            on_the_way.for_each(|chunk| self.window.freed(chunk.bytes));
        }
        self.wanted.retain(|wanted| wanted.handle != handle);
        self.conversation.forget(handle);
    }
}
