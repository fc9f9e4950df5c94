//! Whatever is called a model description is read or refused, without much memory and without a panic.
#![no_main]

use std::path::Component;

use libfuzzer_sys::fuzz_target;
use modelferry::controller::description::Description;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(description) = Description::parse(bytes) {
        for wanted in description.wanted() {
            // These name files to read and to write, below a directory that was given.
            assert!(wanted.path().components().all(|part| matches!(part, Component::Normal(_))));
        }
    }
});
