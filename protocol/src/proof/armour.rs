//! A proof as text that survives e-mail: wrapping, CRLF, quoting and trailing blanks change nothing.
//!
//! One field a line, names as in the specification, values in lower case. What an e-mail adds are line
//! ends, blanks, and `>` at the begin of lines; none of them can be part of a value, so all are skipped.

use std::fmt;
use std::str::FromStr;

use super::statement::{Proof, Statement, Verdict};
use crate::limits::PROOF_MAIL_BYTES_MAX;

const BEGIN: &str = "BEGIN MODELFERRY PROOF";
const END: &str = "END MODELFERRY PROOF";
const FIELDS: [&str; 11] =
    ["verdict", "migration", "model", "epoch", "root", "source", "target", "journal", "time-ms", "key", "signature"];
/// In the place of a root, where the verdict names none.
const NOTHING: &str = "none";

/// Text that is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadArmour {
    /// There is no proof in it.
    #[error("there is no proof in it: no line says `{BEGIN}`; copy all that `show-migration ID --proof` printed")]
    NoBegin,
    /// The end of the proof is missing.
    #[error("the proof is cut off: no line says `{END}`; copy all that `show-migration ID --proof` printed")]
    NoEnd,
    /// A field is missing.
    #[error("the proof has no field `{0}`; copy all that `show-migration ID --proof` printed")]
    Missing(&'static str),
    /// A field comes twice.
    #[error("the proof has the field `{0}` twice; hand over one proof at a time")]
    Twice(&'static str),
    /// A field that no proof has.
    #[error("the proof has a field `{0}` that is not known")]
    Unknown(String),
    /// A field whose value is none.
    #[error("the proof's field `{0}` is damaged; copy it again from what `show-migration ID --proof` printed")]
    Damaged(&'static str),
    /// More text than a proof and the mail around it.
    #[error("{0} bytes are more than a proof has, also with an e-mail around it")]
    TooLong(usize),
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| (digit as char).to_digit(16);
        *byte = (nibble(pair[0])? << 4 | nibble(pair[1])?) as u8;
    }
    (digits.len() == 2 * N).then_some(bytes)
}

impl Proof {
    fn values(&self) -> [String; FIELDS.len()] {
        let statement = &self.statement;
        [
            statement.verdict.name().to_lowercase(),
            statement.mid.to_string(),
            statement.model.to_string(),
            statement.epoch_to.to_string(),
            statement.root.map_or_else(|| NOTHING.to_owned(), |root| root.to_string()),
            statement.source.to_string(),
            statement.target.to_string(),
            statement.journal.to_string(),
            statement.time_ms.to_string(),
            Hex(&self.key).to_string(),
            Hex(&self.signature).to_string(),
        ]
    }
}

impl fmt::Display for Proof {
    /// Writes the proof as text, at most [`PROOF_BYTES_MAX`](crate::limits::PROOF_BYTES_MAX).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "----- {BEGIN} -----")?;
        for (name, value) in FIELDS.iter().zip(self.values()) {
            // Lines of at most 76 characters are wrapped by no mail program; the signature alone is longer.
            match value.split_at_checked(64) {
                Some((first, rest)) if !rest.is_empty() => writeln!(f, "{name}: {first}\n  {rest}")?,
                _ => writeln!(f, "{name}: {value}")?,
            }
        }
        writeln!(f, "----- {END} -----")
    }
}

impl FromStr for Proof {
    type Err = BadArmour;

    fn from_str(text: &str) -> Result<Self, BadArmour> {
        if text.len() > PROOF_MAIL_BYTES_MAX {
            return Err(BadArmour::TooLong(text.len()));
        }
        let values = fields(text)?;
        let damaged = |field: &'static str| move || BadArmour::Damaged(field);
        let [verdict, mid, model, epoch, root, source, target, journal, time_ms, key, signature] = &values;
        let verdict = Verdict::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(verdict));
        let verdict = verdict.ok_or_else(damaged("verdict"))?;
        let root = match root.as_str() {
            NOTHING => None,
            root => Some(root.parse().map_err(|_| BadArmour::Damaged("root"))?),
        };
        if root.is_some() != verdict.has_root() {
            return Err(BadArmour::Damaged("root"));
        }
        let statement = Statement {
            verdict,
            mid: mid.parse().map_err(|_| BadArmour::Damaged("migration"))?,
            model: model.parse().map_err(|_| BadArmour::Damaged("model"))?,
            epoch_to: epoch.parse().map_err(|_| BadArmour::Damaged("epoch"))?,
            root,
            source: source.parse().map_err(|_| BadArmour::Damaged("source"))?,
            target: target.parse().map_err(|_| BadArmour::Damaged("target"))?,
            journal: journal.parse().map_err(|_| BadArmour::Damaged("journal"))?,
            time_ms: time_ms.parse().map_err(|_| BadArmour::Damaged("time-ms"))?,
        };
        let proof = Self {
            statement,
            key: hex(key).ok_or_else(damaged("key"))?,
            signature: hex(signature).ok_or_else(damaged("signature"))?,
        };
        // One proof has one text, so that whatever was altered is noticed: upper case, `+7`, `007`.
        let altered = FIELDS.iter().zip(proof.values()).zip(&values).find(|((_, printed), read)| printed != *read);
        altered.map_or(Ok(proof), |((field, _), _)| Err(BadArmour::Damaged(field)))
    }
}

/// Returns the fields' values, in the order of [`FIELDS`], without the blanks inside.
fn fields(text: &str) -> Result<[String; FIELDS.len()], BadArmour> {
    let (_, body) = text.split_once(BEGIN).ok_or(BadArmour::NoBegin)?;
    let (body, _) = body.split_once(END).ok_or(BadArmour::NoEnd)?;
    let mut found: [Option<String>; FIELDS.len()] = Default::default();
    let mut current = None;
    for line in body.lines() {
        // Quoted-printable ends a line that it wraps with `=`; the markers are decorated with `-`.
        let line = line.trim_start_matches(['>', ' ', '\t', '|']).trim_end().trim_end_matches('=');
        for word in line.split_whitespace().filter(|word| !word.bytes().all(|byte| matches!(byte, b'-' | b'>'))) {
            let Some(name) = word.strip_suffix(':') else {
                let value: &mut Option<String> = match current {
                    Some(field) => &mut found[field],
                    None => return Err(BadArmour::Unknown(word.chars().take(40).collect())),
                };
                value.get_or_insert_default().push_str(word);
                continue;
            };
            let field = FIELDS.iter().position(|known| *known == name);
            let field = field.ok_or_else(|| BadArmour::Unknown(name.chars().take(40).collect()))?;
            if found[field].replace(String::new()).is_some() {
                return Err(BadArmour::Twice(FIELDS[field]));
            }
            current = Some(field);
        }
    }
    let mut values: [String; FIELDS.len()] = Default::default();
    for ((value, found), field) in values.iter_mut().zip(found).zip(FIELDS) {
        *value = found.filter(|found| !found.is_empty()).ok_or(BadArmour::Missing(field))?;
    }
    Ok(values)
}
