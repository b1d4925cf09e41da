//! The files in `tests/vectors` hold against the implementation, byte for byte.
//!
//! To make them anew after a conscious change of the protocol:
//! `cargo test -p talaria-tests --test suite -- --ignored regenerate`

use std::path::PathBuf;

use talaria_tests::vectors::Topic;

fn path(topic: &Topic) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(topic.file)
}

#[test]
fn every_field_follows_from_the_inputs() {
    for topic in Topic::ALL {
        let text = std::fs::read_to_string(path(&topic)).unwrap();
        let recomputed = topic.recompute(&text).unwrap_or_else(|e| panic!("{}: {e}", topic.file));
        let differs = text.lines().zip(recomputed.lines()).find(|(a, b)| a != b);
        assert!(text == recomputed, "{}: {differs:.200?}", topic.file);
    }
}

#[test]
fn the_files_are_what_their_seeds_make() {
    for topic in Topic::ALL {
        let text = std::fs::read_to_string(path(&topic)).unwrap();
        assert!(text == topic.generate(), "{} was made by other seeds or rules", topic.file);
    }
}

#[test]
fn no_file_is_without_a_topic() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let known = |topic: &Topic| path.ends_with(topic.file);
            assert!(Topic::ALL.iter().any(known), "{} is verified by nobody", path.display());
        }
    }
}

#[test]
#[ignore = "writes the files"]
fn regenerate() {
    for topic in Topic::ALL {
        std::fs::write(path(&topic), topic.generate()).unwrap();
    }
}
