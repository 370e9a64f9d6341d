//! Inputs that were once found to be a defect. Every run of a target tries them first.
//!
//! They lie in `found/`, in a folder with the name of their target.

use std::path::PathBuf;

use crate::input::{self, Input};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/found")
}

/// What was found for a target.
pub(crate) fn inputs(target: &str) -> Vec<Input> {
    let Ok(files) = std::fs::read_dir(folder().join(target)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| input::read(file)).collect()
}

/// A folder that no target reads would hold tests that never run.
#[test]
fn every_folder_is_that_of_a_target() {
    for folder in std::fs::read_dir(folder()).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(crate::targets::NAMES.contains(&name.as_str()), "{name}");
    }
}
