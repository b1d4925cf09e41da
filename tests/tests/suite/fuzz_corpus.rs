//! Every input of the fuzz corpus, replayed: what a fuzzer has found once stays found.
//!
//! A crash that a fuzzer finds goes to `tests/fuzz/corpus/<target>/` under a telling name. To make
//! the starting points anew: `cargo test -p talaria-tests --test fuzz_corpus -- --ignored`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use talaria_tests::fuzz::{Target, seeds};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
}

#[test]
fn every_input_is_taken_without_panic() {
    for target in Target::ALL {
        let folder = fuzz().join("corpus").join(target.name);
        let mut inputs = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            (target.run)(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{} has no corpus", target.name);
        (target.run)(&[]);
    }
}

#[test]
fn targets_binaries_and_corpora_are_the_same_list() {
    let expected: BTreeSet<_> = Target::ALL.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names_in(&fuzz().join("fuzz_targets")), expected);
    assert_eq!(names_in(&fuzz().join("corpus")), expected);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in expected {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no binary");
    }
}

#[test]
#[ignore = "writes the files"]
fn regenerate() {
    for (target, name, bytes) in seeds() {
        let folder = fuzz().join("corpus").join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
