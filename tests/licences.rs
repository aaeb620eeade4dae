//! Whose code we take in, and on what terms: nothing comes in unseen.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The terms that may stand in a program given away under MIT or Apache-2.0, as the packages write them.
const ALLOWED: &[&str] = &[
    "(MIT OR Apache-2.0) AND Unicode-3.0",
    "0BSD OR Apache-2.0",
    "Apache-2.0",
    "Apache-2.0 / MIT",
    "Apache-2.0 AND ISC",
    "Apache-2.0 OR BSD-3-Clause",
    "Apache-2.0 OR ISC OR MIT",
    "Apache-2.0 OR MIT",
    "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    "Apache-2.0/MIT",
    "BSD-3-Clause",
    "BSD-3-Clause OR Apache-2.0",
    "ISC",
    "MIT",
    "MIT OR Apache-2.0",
    "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
    "MIT/Apache-2.0",
    "Unicode-3.0",
    "Unlicense OR MIT",
    "Zlib",
    "Zlib OR MIT OR Apache-2.0",
];

/// Terms that may stand in what only builds the program, and is not in it.
const ALLOWED_IN_BUILD: &[&str] = &["Apache-2.0 WITH LLVM-exception", "ISC"];

/// Terms that may stand in test programs only, which nobody is given.
const ALLOWED_IN_TESTS: &[&str] = &["(MIT OR Apache-2.0) AND ISC", "MPL-2.0"];

/// `name version: terms` of each package whose terms are not among `allowed`.
fn strangers(edges: &str, allowed: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "tree",
            "--all-features",
            "--locked",
            "--prefix",
            "none",
            "--edges",
            edges,
            "--format",
            "{p}\t{l}",
        ])
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let lines: BTreeSet<_> =
        String::from_utf8(tree.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    assert!(lines.len() > 20, "cargo tree shows hardly anything: {lines:?}");
    lines
        .iter()
        // Lines without a tab are headings.
        .filter_map(|line| line.trim_end_matches(" (*)").split_once('\t'))
        .filter(|(_, terms)| !allowed.contains(terms))
        .map(|(package, terms)| format!("{package}: {terms:?}"))
        .collect()
}

#[test]
fn the_program_holds_only_code_on_terms_we_have_read() {
    assert_eq!(strangers("normal", ALLOWED), Vec::<String>::new());
}

#[test]
fn so_does_what_builds_it() {
    assert_eq!(strangers("normal,build", &[ALLOWED, ALLOWED_IN_BUILD].concat()), Vec::<String>::new());
}

#[test]
fn so_do_the_tests() {
    let allowed = [ALLOWED, ALLOWED_IN_BUILD, ALLOWED_IN_TESTS].concat();
    assert_eq!(strangers("all", &allowed), Vec::<String>::new());
}

#[test]
fn other_terms_would_be_noticed() {
    let without_mit: Vec<_> = ALLOWED.iter().copied().filter(|terms| *terms != "MIT").collect();
    let strangers = strangers("normal", &without_mit);
    assert!(strangers.iter().any(|stranger| stranger.starts_with("tokio v")), "{strangers:?}");
}

#[test]
fn every_direct_dependency_has_its_reason_in_the_documentation() {
    let read = |path: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
            .expect("a file of the project")
    };
    let manifest: toml::Table = read("Cargo.toml").parse().expect("a manifest");
    let used: BTreeSet<String> = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|section| section.keys().cloned())
        .collect();
    let told: BTreeSet<String> = read("docs/dependencies.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(used, told, "Cargo.toml on the left, docs/dependencies.md on the right");
}
