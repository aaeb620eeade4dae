//! The man pages and the shells' completions in `cross/deb/papers` are what clap makes of the command line as it is now,
//! and they serve.

#[allow(dead_code)]
#[path = "support/tool.rs"]
mod tool;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap_complete::Shell;
use tool::text;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cross/deb/papers");

/// The files of a folder by their names.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |path: &Path| fs::read_to_string(path).expect("a text");
    let named = entries.map(|entry| entry.expect("an entry").path());
    named.map(|path| (text(path.file_name().expect("a name").as_ref()).to_owned(), read(&path))).collect()
}

#[test]
fn the_papers_are_those_of_the_command_line() {
    // It stays: from there they are renewed.
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("papers");
    let _ = fs::remove_dir_all(&made);
    fs::create_dir_all(&made).expect("a folder");
    clap_mangen::generate_to(outpost::app::cli::command(), &made).expect("man pages");
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut outpost::app::cli::command(), "outpost", &made)
            .expect("a completion");
    }
    let renew = format!(
        "the command line has changed: rm -r {COMMITTED}; cp -r {} {COMMITTED}; and commit that",
        made.display()
    );
    assert!(Path::new(COMMITTED).is_dir(), "{renew}");
    assert!(files(Path::new(COMMITTED)) == files(&made), "{renew}");
}

#[test]
fn bash_completes_commands_and_options() {
    let complete = |line: &str| {
        let ask = format!(
            ". {COMMITTED}/outpost.bash; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _outpost outpost \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo ${{COMPREPLY[*]}}"
        );
        String::from_utf8(tool::run("bash", &["--norc", "-c", &ask])).expect("text").trim_end().to_owned()
    };
    assert_eq!(complete("outpost che"), "check");
    assert_eq!(complete("outpost demo --lis"), "--listen");
}
