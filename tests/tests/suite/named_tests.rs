//! The tests that `THREAT_MODEL.md` and `PRIVACY.md` name are there.

use std::fs;
use std::path::Path;

const PAGES: [&str; 2] = ["mixnet/THREAT_MODEL.md", "mixnet/PRIVACY.md"];
/// Beside these there are generated and fetched things.
const FOLDERS: [&str; 5] = ["wire", "deaddrop", "mixnet", "client", "tests"];

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            sources(&entry, all);
        } else if entry.extension().is_some_and(|ext| ext == "rs") {
            all.push_str(&fs::read_to_string(&entry).unwrap());
        }
    }
}

/// What stands in `code` in a table and can only be the name of a test.
fn named(page: &str) -> impl Iterator<Item = &str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let is_name = |code: &&str| {
        code.matches('_').count() >= 2
            && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(is_name)
}

#[test]
fn every_test_that_the_pages_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = String::new();
    FOLDERS.iter().for_each(|folder| sources(&root.join(folder), &mut all));
    let mut count = 0;
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for name in named(&text) {
            assert!(
                all.contains(&format!("fn {name}(")),
                "{page} names {name}, which is not there"
            );
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}
