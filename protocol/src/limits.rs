//! Every limit of the protocol, with its unit and its reason.
//!
//! A peer's length is compared with these *before* anything is allocated for it.

/// Newest version of the protocol that this crate speaks. Of two agents' ranges the newest common one is spoken.
pub const PROTOCOL_VERSION: u16 = 1;
/// Oldest version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION_OLDEST: u16 = 1;
/// Optional features that an agent names in its `Hello`. 64: two are known.
pub const FEATURES_MAX: usize = 64;
/// Bytes in a feature's name.
pub const FEATURE_BYTES_MAX: usize = 32;

/// Application protocol of a link between paired agents (TLS ALPN).
pub const ALPN_LINK: &[u8] = b"modelferry/1";
/// Application protocol of a pairing, accepted only while an offer is open (TLS ALPN).
pub const ALPN_PAIR: &[u8] = b"modelferry-pair/1";
/// UDP and TCP port of an agent unless the configuration says otherwise.
pub const PORT_DEFAULT: u16 = 17171;

/// Bytes of the header before every frame's body: kind, version, body length (u32, little endian).
pub const FRAME_HEADER_BYTES: usize = 6;
/// Bytes in the body of a control frame. 1 MiB: bincode decodes at most this much, so that a length
/// bomb ends in an error and recursion cannot overflow a stack.
pub const CONTROL_FRAME_BYTES_MAX: u32 = 1 << 20;
/// Bytes in the body of a chunk frame's header part; the chunks' own bytes follow outside of it.
pub const CHUNK_HEADER_BYTES_MAX: u32 = 192;

/// Plain bytes in one chunk, and in all chunks of one frame, at most. 256 KiB is about 2 ms of a 1 Gbit/s link, so a
/// resume repeats little.
pub const CHUNK_BYTES_MAX: u32 = 256 << 10;
/// Plain bytes in one chunk on average, outside of small members of archives.
pub const CHUNK_BYTES_AVERAGE: u32 = 32 << 10;
/// Plain bytes in one chunk at least, save the last of a blob, or of a stretch of an archive.
pub const CHUNK_BYTES_MIN: u32 = 8 << 10;
/// Bytes of a chunk frame's chunks as they travel. zstd's bound is n + n/256 + 64 from 128 KiB up; what grows is stored.
pub const CHUNK_WIRE_BYTES_MAX: u32 = CHUNK_BYTES_MAX;
/// Base-two logarithm of the largest zstd window a receiver allows; 8 MiB.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Chunks named by one manifest page. 1,024 make about 32 MiB of a blob, less of an archive of small files, and 36 KiB
/// of page, so that memory stays bounded however large the blob is.
pub const PAGE_CHUNKS_MAX: usize = 1024;
/// Ranges in one `Need` or `Held`: at worst every second chunk of a page.
pub const RANGES_MAX: usize = PAGE_CHUNKS_MAX / 2;
/// Bytes in the set of chunks that travel in the frame of another one: a bit for each of a page.
pub const CHUNK_OTHERS_BYTES_MAX: usize = PAGE_CHUNKS_MAX / 8;
/// Bytes in one blob. 1 TiB: beyond any charm, agent binary or resource known.
pub const BLOB_BYTES_MAX: u64 = 1 << 40;

/// Blobs that a source may have named over one connection, of all its migrations there that are not at rest.
pub const BLOBS_NAMED_MAX: usize = 1 << 17;

/// Bytes in a model description; 64 MiB as base64 in Juju's envelope.
pub const DESCRIPTION_BYTES_MAX: u64 = 48 << 20;
/// Bytes of one piece of a model's log. 4 MiB: small beside any binary, and a resume repeats none of it.
pub const LOG_SEGMENT_BYTES_MAX: u64 = 4 << 20;
/// Calls in one snapshot: its description, its entries, every binary, and the check at the end.
pub const CALLS_MAX: usize = 4096;
/// Bytes in an encoded snapshot, which travels inside one `Seal`.
pub const SNAPSHOT_BYTES_MAX: usize = 768 << 10;

/// Bytes in a name: controller, model, user, peer, region.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes in a sentence for people: a cause, a finding, a fix.
pub const TEXT_BYTES_MAX: usize = 2048;
/// Bytes in an answer's free-form part as it travels: 3.5 s of a link of 150 kB/s.
pub const ANSWER_BYTES_MAX: usize = 512 << 10;
/// Bytes of that part once it is unpacked, as many as a control socket answers.
pub const ANSWER_PLAIN_BYTES_MAX: usize = 16 << 20;
/// Users of a model, or of a controller, in a plan.
pub const USERS_MAX: usize = 1024;
/// Users of a model's offers alone, in its facts. 256: more than that are cut, and found by the import.
pub const OFFER_USERS_MAX: usize = 256;
/// Sections of a model description whose versions are in a model's facts. A description of version 14 has 31.
pub const SECTIONS_MAX: usize = 64;
/// Kinds of things in a model's facts that some versions of Juju refuse. 64: some ten are known.
pub const HURDLES_MAX: usize = 64;
/// Bytes that name the things of one kind, or the commands that mend them: the first few, for people.
pub const HURDLE_BYTES_MAX: usize = 1024;
/// Findings in a plan: as many as one answer holds with all their sentences at full length.
pub const FINDINGS_MAX: usize = 240;
/// Models in one `OwnershipReport`: all that two agents have ever exchanged and all that the sender serves, or as many as one message holds.
pub const CLAIMS_MAX: usize = 4096;
/// Spaces that a controller tells about.
pub const SPACES_MAX: usize = 256;
/// Subnets that a controller tells about: with every name at full length they fit one answer.
pub const SUBNETS_MAX: usize = 1024;
/// Bytes of a subnet's CIDR: an IPv6 network in full has 43.
pub const CIDR_BYTES_MAX: usize = 64;
/// API addresses of a controller.
pub const ADDRESSES_MAX: usize = 16;
/// Bytes of a controller's CA certificate, DER: Juju's, with an RSA key of 3072 bits, has 1.1 KiB.
pub const CA_CERT_BYTES_MAX: usize = 1280;
/// Bytes in the arguments of Juju's `Activate` call: the source controller's CA certificate, its addresses,
/// and the models on the other side of relations.
pub const ACTIVATE_BYTES_MAX: usize = 4096;
/// Bytes in the parameters of a call that names hardly more than a model: a version, a tag.
pub const PARAMS_BYTES_MAX: usize = 512;
/// Bytes in the query of an upload: a resource's has some 400, with a user's name in it.
pub const QUERY_BYTES_MAX: usize = 2048;
/// Bytes of what a call returned, as it travels: `CheckMachines` tells about every machine that is missing.
pub const REPLY_BYTES_MAX: usize = 256 << 10;
/// Bytes of what a call returned, where a journal keeps it to answer with it again.
pub const REPLY_KEPT_BYTES_MAX: usize = 2048;
/// Bytes of a verbatim call's parameters, or of its reply, that travel in the frame itself. 1 MiB but for what stands
/// around them; more travels as a blob.
pub const VERBATIM_FRAME_BYTES_MAX: usize = CONTROL_FRAME_BYTES_MAX as usize - (4 << 10);
/// Bytes of a verbatim call's parameters, or of its reply: as much as a message of Juju's API may have.
pub const VERBATIM_BYTES_MAX: u64 = 64 << 20;
/// Byte streams at once on one connection, both sides' together.
pub const STREAMS_MAX: usize = 64;
/// Bytes of data on a byte stream, in one direction, that the other side has not given credit for.
pub const STREAM_CREDIT_BYTES: u32 = 256 << 10;
/// Bytes of data in one frame of a byte stream.
pub const STREAM_PIECE_BYTES_MAX: usize = 16 << 10;
/// Bytes in the body of a frame on a byte stream.
pub const STREAM_FRAME_BYTES_MAX: u32 = (STREAM_PIECE_BYTES_MAX + 64) as u32;
/// Bytes of the request's head that opened a byte stream.
pub const STREAM_HEAD_BYTES_MAX: usize = 8192;
/// Largest epoch that an offer may name: far beyond any that is counted or forced, far below an overflow.
pub const EPOCH_MAX: u64 = 1 << 62;
/// What an operator's last resort adds to the epoch, so that the side that was taken for destroyed loses, however
/// often the model was moved meanwhile: more than any model is.
pub const EPOCH_FORCED_STEP: u64 = 1 << 32;
/// Largest epoch that a source learns from a target and goes beyond: room for more than sixty thousand last resorts. A
/// peer that lies about more is not believed, so it cannot use up the epochs of a model.
pub const EPOCH_LEARNED_MAX: u64 = 1 << 48;
/// Bytes in a proof's text: it is pasted into a mail, a chat, a ticket.
pub const PROOF_BYTES_MAX: usize = 1 << 10;
/// Bytes of text in which a proof is looked for: a mail with its headers, quoted a few times.
pub const PROOF_MAIL_BYTES_MAX: usize = 64 << 10;
/// Bytes in one journal record. The longest is a migration's terms with every address of a controller;
/// the reserve of 1 MiB holds more than a hundred of them, far more than a migration can need.
pub const RECORD_BYTES_MAX: usize = 8192;
/// Offers of one peer that are open at a target. A source leaves more unanswered offers waiting without harm: it repeats each.
pub const OFFERS_OPEN_MAX: usize = 256;
/// Offers that a target takes of one peer at once; each is a few journal records.
pub const OFFERS_BURST: u32 = 256;
/// Seconds after which a target takes one more.
pub const OFFER_SECONDS_EACH: u64 = 10;
/// Offers of one peer that came to nothing and that a target remembers with all their records, the newest ones. Of an older
/// one stays its id.
pub const OFFERS_PAST_MAX: usize = 64;
/// Ids in a record of tombstones.
pub const TOMBSTONES_MAX: usize = 256;
/// Alarms about one peer, raised by what it says, that are recorded at once.
pub const ALARMS_BURST: u32 = 16;
/// Seconds after which one more is recorded.
pub const ALARM_SECONDS_EACH: u64 = 3600;
/// Questions of one peer, on one connection, that are being answered; the next is read once one of them is.
pub const QUESTIONS_AT_ONCE_MAX: usize = 8;
/// Questions of a peer's operators that are being answered; one more is refused.
pub const QUERIES_AT_ONCE_MAX: usize = 8;
/// Models of one peer that are tried, and patches of it that are applied, at once. Well above what a source lets run.
pub const TRIES_AT_ONCE_MAX: usize = 32;
/// Calls of one peer that are on their way to the controller at once.
pub const RELAYS_AT_ONCE_MAX: usize = 32;
/// Copies of one peer that come in at once, to be kept or ahead of a migration.
pub const COPIES_AT_ONCE_MAX: usize = 32;
/// Messages of one peer about incoming blobs that wait for the disk.
pub const BLOB_MESSAGES_MAX: usize = 64;
/// Milliseconds of work that one peer's questions, of each kind, may cause without waiting: hundreds of them.
pub const WORK_QUESTIONS_MS_BURST: u64 = 1000;
/// Beyond that, while a migration with another peer is under way, they get one part in so many of the time of one thread.
pub const WORK_ONE_IN: u32 = 40;
/// Milliseconds of work that dry runs, patches, copies and logs of one peer may cause without waiting.
pub const WORK_STAGING_MS_BURST: u64 = 10_000;
/// Beyond that, while a migration with another peer is under way, they get one part in so many of the time of one thread.
pub const WORK_STAGING_ONE_IN: u32 = 20;
/// Seconds that a piece of work waits for its peer's budget at most.
pub const WORK_WAIT_SECONDS_MAX: u64 = 60;
/// Seconds that a piece of work for a peer's operator waits at most for a model that another peer's migration has frozen.
pub const QUERY_FREEZE_SECONDS_MAX: u64 = 1;

// Of a machine with two cores, all work that a peer causes beyond its budget takes a tenth at most: three kinds of questions, and the rest.
const _: () = assert!(10 * (3 * WORK_STAGING_ONE_IN + WORK_ONE_IN) <= 2 * WORK_STAGING_ONE_IN * WORK_ONE_IN);
const _: () = assert!(TOMBSTONES_MAX * 16 + NAME_BYTES_MAX + 64 < RECORD_BYTES_MAX);
const _: () = assert!(STREAM_HEAD_BYTES_MAX + 64 < STREAM_PIECE_BYTES_MAX && TEXT_BYTES_MAX < STREAM_PIECE_BYTES_MAX);
const _: () = assert!(STREAM_PIECE_BYTES_MAX * 4 <= STREAM_CREDIT_BYTES as usize);
const _: () = assert!(PROTOCOL_VERSION_OLDEST <= PROTOCOL_VERSION);
const _: () = assert!(EPOCH_FORCED_STEP < EPOCH_LEARNED_MAX && EPOCH_LEARNED_MAX < EPOCH_MAX / 2);
const _: () = assert!(CHUNK_BYTES_MIN <= CHUNK_BYTES_AVERAGE && CHUNK_BYTES_AVERAGE <= CHUNK_BYTES_MAX);
const _: () = assert!(CHUNK_BYTES_MAX >= 128 << 10, "zstd's bound above holds from 128 KiB up");
const _: () = assert!(PAGE_CHUNKS_MAX * 40 < CONTROL_FRAME_BYTES_MAX as usize);
const _: () = assert!(SNAPSHOT_BYTES_MAX + 256 < CONTROL_FRAME_BYTES_MAX as usize);
const _: () = assert!(CALLS_MAX * 41 + 64 < CONTROL_FRAME_BYTES_MAX as usize);
// A claim with both proofs has at most 240 bytes.
const _: () = assert!(CLAIMS_MAX * 240 + 256 < CONTROL_FRAME_BYTES_MAX as usize);
const _: () = assert!(FINDINGS_MAX * (2 * TEXT_BYTES_MAX + 128) < CONTROL_FRAME_BYTES_MAX as usize);
const _: () = assert!(
    SUBNETS_MAX * (CIDR_BYTES_MAX + 3 * NAME_BYTES_MAX + 12) + SPACES_MAX * (NAME_BYTES_MAX + 4)
        < CONTROL_FRAME_BYTES_MAX as usize
);
const _: () = assert!(ANSWER_BYTES_MAX + 256 < CONTROL_FRAME_BYTES_MAX as usize);
const _: () = assert!((ADDRESSES_MAX + 9) * (NAME_BYTES_MAX + 8) + CA_CERT_BYTES_MAX + 256 < RECORD_BYTES_MAX);
const _: () = assert!(ACTIVATE_BYTES_MAX + PARAMS_BYTES_MAX + NAME_BYTES_MAX + 512 < RECORD_BYTES_MAX);
const _: () =
    assert!(PARAMS_BYTES_MAX + TEXT_BYTES_MAX + REPLY_KEPT_BYTES_MAX + NAME_BYTES_MAX + 512 < RECORD_BYTES_MAX);
const _: () = assert!(REPLY_BYTES_MAX + 256 < CONTROL_FRAME_BYTES_MAX as usize);
const _: () = assert!(TEXT_BYTES_MAX + NAME_BYTES_MAX + 256 < RECORD_BYTES_MAX);
