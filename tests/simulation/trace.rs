//! What happened, in order: the last lines to be read, all of them to be compared.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Arc, Mutex};

const LINES_KEPT: usize = 200;

#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now_ms: u64,
    hasher: blake3::Hasher,
    lines: VecDeque<String>,
}

impl Trace {
    pub fn set_time(&self, now_ms: u64) {
        self.0.lock().unwrap().now_ms = now_ms;
    }

    pub fn now_ms(&self) -> u64 {
        self.0.lock().unwrap().now_ms
    }

    /// Notes an event. What it says must be the same in every run of a seed.
    pub fn note(&self, event: impl Display) {
        let mut inner = self.0.lock().unwrap();
        let line = format!("{:>7} ms  {event}", inner.now_ms);
        inner.hasher.update(line.as_bytes());
        inner.lines.push_back(line);
        if inner.lines.len() > LINES_KEPT {
            inner.lines.pop_front();
        }
    }

    /// Notes a datagram: too many to be read, but part of what is compared.
    pub fn datagram(&self, from: usize, bytes: usize) {
        let mut inner = self.0.lock().unwrap();
        let numbers = [inner.now_ms, from as u64, bytes as u64];
        numbers.iter().for_each(|number| _ = inner.hasher.update(&number.to_le_bytes()));
    }

    pub fn hash(&self) -> blake3::Hash {
        self.0.lock().unwrap().hasher.finalize()
    }

    pub fn last_lines(&self) -> String {
        let inner = self.0.lock().unwrap();
        inner.lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}
