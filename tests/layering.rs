//! The house rules that can be read off the source text.
//!
//! A room imports only rooms above it in `src/lib.rs`; `unsafe` stands in `sys` and `ring` alone; no file
//! is longer than anyone would read. The rules are first tried on text that breaks them.

use std::path::{Path, PathBuf};

const MAX_LINES: usize = 600;
const UNSAFE_ROOMS: [&str; 2] = ["sys", "ring"];

/// Source text with comments, strings and character literals blanked, line by line.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !code.ends_with(is_word) => literal(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let taken = if skipped > 0 { skipped } else { c.len_utf8() };
        match skipped {
            0 => code.push(c),
            _ => {
                code.push(' ');
                code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            }
        }
        rest = &rest[taken..];
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the block comment `text` begins with; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of the string in double quotes `text` begins with.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the byte, C or raw string `text` begins with; 0 if it begins with none.
fn literal(text: &str) -> usize {
    let prefix = text.len() - text.trim_start_matches(['b', 'c', 'r']).len();
    let hashes = text[prefix..].len() - text[prefix..].trim_start_matches('#').len();
    let begin = prefix + hashes;
    if !text[begin..].starts_with('"') || (hashes > 0 && !text[..prefix].ends_with('r')) {
        return 0;
    }
    if !text[..prefix].ends_with('r') {
        return prefix + string(&text[prefix..]);
    }
    let close = format!("\"{}", "#".repeat(hashes));
    text[begin + 1..].find(&close).map_or(text.len(), |at| begin + 1 + at + close.len())
}

/// Length of the character literal `text` begins with; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => text[3..].find('\'').map_or(0, |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The rooms in their order.
fn rooms(lib: &str) -> Vec<String> {
    let name = |line: &str| Some(line.trim().strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    code_only(lib).lines().filter_map(name).collect()
}

/// The room a file under `src/` belongs to, and how deep its module lies: `ring/mod.rs` is 1, as `pump.rs` is.
fn room_of(path: &str) -> (&str, usize) {
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    (module.split('/').next().unwrap_or(module), module.split('/').count())
}

/// The modules of the crate's root that code names: `crate::a`, `crate::{a::b, c}`, and the ways out of the
/// room by `super::`.
fn named(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, at) in roots(code, depth) {
        let rest = code[at..].trim_start();
        match rest.strip_prefix('{') {
            Some(list) => found.extend(first_words(list).into_iter().map(|word| (number, word))),
            None => found.push((number, rest.chars().take_while(|c| is_word(*c)).collect())),
        }
    }
    found
}

/// Where a path from the crate's root goes on, with its line.
fn roots(code: &str, depth: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let up = "super::".repeat(depth);
    for prefix in ["crate::", &up] {
        for (at, _) in code.match_indices(prefix) {
            let before = &code[..at];
            if before.ends_with(is_word) || before.ends_with("super::") {
                continue;
            }
            // One `super::` more, where it stands in a module within the file, leads to the same place.
            let mut end = at + prefix.len();
            while code[end..].starts_with("super::") {
                end += "super::".len();
            }
            found.push((before.matches('\n').count() + 1, end));
        }
    }
    found
}

/// The first word of each item of a list in braces whose opening brace has been read.
fn first_words(list: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut depth, mut fresh) = (1, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if is_word(c) && fresh && depth == 1 => {
                words.push(list[at..].chars().take_while(|c| is_word(*c)).collect());
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    words
}

/// Everything in the file at `path` (below `src/`) that breaks a rule.
fn faults(path: &str, text: &str, rooms: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{path}: {lines} lines, {MAX_LINES} at most"));
    }
    let (room, depth) = room_of(path);
    let code = code_only(text);
    if !UNSAFE_ROOMS.contains(&room) {
        for (number, line) in code.lines().enumerate() {
            if line.split(|c| !is_word(c)).any(|word| word == "unsafe") {
                faults.push(format!("{path}:{}: unsafe outside of {UNSAFE_ROOMS:?}", number + 1));
            }
        }
    }
    if path == "lib.rs" || path == "main.rs" {
        return faults;
    }
    let place = |room: &str| rooms.iter().position(|known| known == room);
    let Some(own) = place(room) else {
        faults.push(format!("{path}: no room {room} is declared in lib.rs"));
        return faults;
    };
    for (number, word) in named(&code, depth) {
        if place(&word).is_some_and(|other| other > own) {
            faults.push(format!("{path}:{number}: {room} imports {word}, which stands below it"));
        }
    }
    faults
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
    found
}

#[test]
fn the_house_keeps_its_rules() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read =
        |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let rooms = rooms(&read(&src.join("lib.rs")));
    assert_eq!(rooms.first().map(String::as_str), Some("base"));
    assert_eq!(rooms.last().map(String::as_str), Some("app"));
    let found: Vec<String> = files(&src)
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(&src).expect("it was found there").to_string_lossy();
            faults(&path, &read(file), &rooms)
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn rules_are_seen_to_be_broken() {
    let rooms = rooms(
        "//! pub mod app;\npub mod base;\npub mod container;\n// pub mod x;\npub mod ring;\npub mod app;\n",
    );
    assert_eq!(rooms, ["base", "container", "ring", "app"]);
    let table: &[(&str, &str, &[&str])] = &[
        ("ring/mod.rs", "use crate::base::Pts;\nuse crate::ring::x;", &[]),
        (
            "ring/mod.rs",
            "\nuse crate::app::run;",
            &["ring/mod.rs:2: ring imports app, which stands below it"],
        ),
        ("container/ts/mux.rs", "use crate::container::ts;\nuse super::pes;", &[]),
        (
            "container/ts/mux.rs",
            "fn f() { crate::ring::g() }",
            &["container/ts/mux.rs:1: container imports ring, which stands below it"],
        ),
        (
            "base/time.rs",
            "use crate::{\n    base::{Pts, ring},\n    container::{app, ts}, app as b,\n};",
            &[
                "base/time.rs:1: base imports container, which stands below it",
                "base/time.rs:1: base imports app, which stands below it",
            ],
        ),
        (
            "base/time.rs",
            "use super::super::app;",
            &["base/time.rs:1: base imports app, which stands below it"],
        ),
        (
            "base/time.rs",
            "mod tests { use super::super::super::app; }",
            &["base/time.rs:1: base imports app, which stands below it"],
        ),
        ("base/time.rs", "use super::ring; use super::super::base;", &[]),
        ("pump.rs", "", &["pump.rs: no room pump is declared in lib.rs"]),
        ("ring.rs", "use super::app;", &["ring.rs:1: ring imports app, which stands below it"]),
        (
            "base/mod.rs",
            "// crate::app\n/* crate::app /* */ unsafe */ \"crate::app\"; r#\"\"unsafe\"#; b\"unsafe\"",
            &[],
        ),
        (
            "base/mod.rs",
            "'\"'; crate::app; '\\''; '\"'",
            &["base/mod.rs:1: base imports app, which stands below it"],
        ),
        ("base/mod.rs", "fn f<'a>(x: &'a str) { my_crate::app(x) }", &[]),
        (
            "base/mod.rs",
            "/* one\ntwo */ \"\\\"\n\"; unsafe {}",
            &["base/mod.rs:3: unsafe outside of [\"sys\", \"ring\"]"],
        ),
        ("lib.rs", "unsafe { crate::app::run() }", &["lib.rs:1: unsafe outside of [\"sys\", \"ring\"]"]),
        ("base/mod.rs", "#![deny(unsafe_op_in_unsafe_fn)]", &[]),
        ("ring/mod.rs", "unsafe {}", &[]),
    ];
    for (path, text, expected) in table {
        assert_eq!(faults(path, text, &rooms), *expected, "{path}: {text}");
    }
    assert_eq!(faults("base/mod.rs", &"\n".repeat(MAX_LINES), &rooms), [""; 0]);
    assert_eq!(
        faults("base/mod.rs", &"\n".repeat(MAX_LINES + 1), &rooms),
        ["base/mod.rs: 601 lines, 600 at most"]
    );
}
