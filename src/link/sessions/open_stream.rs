//! Opens byte streams to a peer.

use modelferry_protocol::stream::{Open, StreamFrame};
use modelferry_protocol::version::Feature;

use super::session::Session;
use super::streams::{ByteStream, StreamRefused, begin};
use crate::link::transport::close::SessionClosed;

impl Session {
    /// Opens a byte stream to the peer.
    ///
    /// Errors: [`StreamRefused`].
    pub async fn open_stream(&self, open: Open) -> Result<ByteStream, StreamRefused> {
        if !self.agreed().has(Feature::Relay) {
            return Err(StreamRefused::NotThere);
        }
        let (slots, guard, frame) = self.for_streams();
        let slot = slots.take().ok_or(StreamRefused::TooMany)?;
        let lost = || StreamRefused::Closed(SessionClosed { reason: guard.connection.end().unwrap_or_default() });
        let (mut send, recv) = guard.connection.quic.open_bi().await.map_err(|_| lost())?;
        send.write_all(&StreamFrame::Open(open).to_frame()).await.map_err(|_| lost())?;
        Ok(begin(send, recv, slot, guard.clone(), frame))
    }
}
