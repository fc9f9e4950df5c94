//! Whatever a stranger says on the stream of a pairing decodes or is refused, and whatever a person types as a code is one or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry_protocol::codec::{decode, encode};
use modelferry_protocol::ids::Pin;
use modelferry_protocol::pairing::{Code, PairRequest, PairResponse, SECRET_BYTES, Side};

/// What TLS exported, and the pins: of a connection that no proof below was made for.
const EXPORTER: [u8; 32] = [7; 32];
const PINS: [Pin; 2] = [Pin([1; 32]), Pin([2; 32])];

fn proves(proof: &[u8; 32], side: Side) -> bool {
    Code::new([0; SECRET_BYTES]).verify(proof, side, &EXPORTER, PINS[0], PINS[1])
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = decode::<PairRequest>(bytes) {
        assert_eq!(decode::<PairRequest>(&encode(&request)).unwrap(), request);
        assert!(!proves(&request.proof, Side::Accepting), "a proof out of nothing");
    }
    if let Ok(response) = decode::<PairResponse>(bytes) {
        assert_eq!(decode::<PairResponse>(&encode(&response)).unwrap(), response);
        assert!(!proves(&response.proof, Side::Offering), "a proof out of nothing");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(code) = text.parse::<Code>()
    {
        assert_eq!(code.to_string().parse::<Code>().unwrap(), code);
    }
});
