//! Faults without secrets: what is shown of a configuration may end up in a log.

/// Words after which nothing of a line is shown, nor what is written nearly so.
const SECRETIVE: [&str; 7] = ["access", "token", "secret", "password", "passphrase", "authorization", "wifi"];
/// Keys that tell nothing, shown among what is not.
const HARMLESS: [&str; 3] = ["access", "token", "token_file"];
/// Words at least this similar (Jaro-Winkler, 0 to 1) count as nearly written so: in doubt, one sees less.
const SIMILAR: f64 = 0.85;

/// Whether what stands behind this word, a key or part of one, may be a secret.
pub(super) fn is_secretive(word: &str) -> bool {
    let word = word.to_lowercase();
    SECRETIVE
        .iter()
        .any(|secretive| word.contains(secretive) || strsim::jaro_winkler(&word, secretive) >= SIMILAR)
}

/// Whether the lines that follow `before` belong to a table whose values may be secrets.
pub(super) fn is_in_secretive_table(before: &str) -> bool {
    let header = before.lines().rev().find_map(|line| line.trim_start().strip_prefix('['));
    header
        .is_some_and(|header| header.split(']').next().is_some_and(|path| path.split('.').any(is_secretive)))
}

/// The line with a star for each letter and digit of what may be a secret: all of it if it is `secretive`, else what
/// stands behind a word that is.
pub(super) fn line(line: &str, secretive: bool) -> String {
    // The head of a table holds names alone.
    let mut hidden = secretive && !line.trim_start().starts_with('[');
    let (mut shown, mut rest) = (String::with_capacity(line.len()), line);
    while !rest.is_empty() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        match hidden && !HARMLESS.contains(&word) {
            true => shown.extend(word.chars().map(|_| '*')),
            false => shown.push_str(word),
        }
        hidden |= is_secretive(word);
        let (between, next) = after.split_at(after.find(is_word).unwrap_or(after.len()));
        shown.push_str(between);
        rest = next;
    }
    address(&shown)
}

/// The text without who an address is asked as: `rtsp://name:password@host/`.
pub(super) fn address(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let authority = part.find(['/', '"', '\'', ' ']).unwrap_or(part.len());
        let host = part[..authority].rfind('@').unwrap_or(0);
        let stars = part[..host].chars().map(|c| if c.is_alphanumeric() { '*' } else { c });
        shown.push_str("://");
        shown.extend(stars.chain(part[host..].chars()));
    }
    shown
}

/// What the parser says, without the value it says it of: `invalid type: string "…", expected a table`.
pub(super) fn message(text: &str) -> String {
    let quote = |c: char| c == '"' || c == '`';
    match (text.split_once(": "), text.rsplit_once(", expected ")) {
        (Some((kind @ ("invalid type" | "invalid value"), value)), Some((_, expected))) => {
            let name = value.split(quote).next().unwrap_or_default().trim_end().trim_end_matches(',');
            let name = name.split(", expected").next().unwrap_or_default();
            format!("{kind}: {name}, expected {expected}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_may_be_a_secret_is_starred() {
        let table = [
            (false, "access.token = \"abc-Def\" # old: x", "access.token = \"***-***\" # ***: *"),
            (false, "acces = { tokn = \"abc\" }", "acces = { **** = \"***\" }"),
            (false, "size = \"640x360\"", "size = \"640x360\""),
            (true, "word = \"größe\"", "**** = \"*****\""),
            (true, "[stream.access]", "[stream.access]"),
            (true, "  token_file = \"/token\"", "  token_file = \"/token\""),
            (
                false,
                "[\"-i\", \"rtsp://me:a@b/c@h/1\", \"ftp://h/a@b\"]",
                "[\"-i\", \"rtsp://**:*@b/c@h/1\", \"ftp://h/a@b\"]",
            ),
        ];
        for (secretive, line, expected) in table {
            assert_eq!(super::line(line, secretive), expected);
        }
    }

    #[test]
    fn a_message_does_without_the_value() {
        for (message, expected) in [
            (
                "invalid type: string \"a, expected b\", expected a table",
                "invalid type: string, expected a table",
            ),
            ("invalid type: integer `12`, expected text", "invalid type: integer, expected text"),
            ("invalid type: map, expected text", "invalid type: map, expected text"),
            ("12 characters are out of range", "12 characters are out of range"),
        ] {
            assert_eq!(super::message(message), expected);
        }
    }
}
