//! Whatever a peer sends decodes or is refused, and what decodes encodes to the same value again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry_protocol::limits::{CONTROL_FRAME_BYTES_MAX, FRAME_HEADER_BYTES};
use modelferry_protocol::message::{ChunkHeader, FrameHeader, Message};
use modelferry_protocol::stream::StreamFrame;

fuzz_target!(|bytes: &[u8]| {
    let Some((header, body)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else { return };
    let Ok(header) = FrameHeader::parse(*header, CONTROL_FRAME_BYTES_MAX) else { return };
    let body = &body[..body.len().min(header.body_bytes as usize)];
    if let Ok(message) = Message::from_body(header.kind, body) {
        let again = message.to_frame();
        assert_eq!(Message::from_body(header.kind, &again[FRAME_HEADER_BYTES..]).unwrap(), message);
    }
    if let Ok(chunk) = ChunkHeader::from_body(header.kind, body) {
        let again = chunk.to_frame();
        assert_eq!(ChunkHeader::from_body(header.kind, &again[FRAME_HEADER_BYTES..]).unwrap(), chunk);
    }
    if let Ok(stream) = StreamFrame::from_body(header.kind, body) {
        let again = stream.to_frame();
        assert_eq!(StreamFrame::from_body(header.kind, &again[FRAME_HEADER_BYTES..]).unwrap(), stream);
    }
});
