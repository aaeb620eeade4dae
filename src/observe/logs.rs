//! Logs: one line per event on standard error, made for whoever reads it there.
//!
//! A person at a terminal gets the time of day and colours; a file gets the full date; the journal, which
//! stamps lines itself, gets the priority before the line (sd-daemon(3)) and the fields in it, so that
//! `journalctl` shows them without being asked.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// How much is told, unless RUST_LOG says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Changes of state.
    Usual,
    /// And how they came about.
    Verbose,
}

/// RUST_LOG holds something that is no filter.
#[derive(Debug, thiserror::Error)]
#[error("RUST_LOG={text:?} is no log filter: {reason}; write a level such as RUST_LOG=debug, or unset it")]
pub struct BadFilter {
    text: String,
    reason: String,
}

/// Begins to write logs. To be called once, first of all.
///
/// # Errors
/// If the environment's RUST_LOG cannot be understood; the usual is told then.
pub fn init(detail: Detail) -> Result<(), BadFilter> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (filter, understood) = match filter(variable("RUST_LOG"), detail) {
        Ok(filter) => (filter, Ok(())),
        Err(bad) => (filter(None, detail)?, Err(bad)),
    };
    let reader = Reader::of(std::io::stderr(), &variable);
    // It fails only if logs are being written already, and then nothing is amiss.
    let _ = tracing::subscriber::set_global_default(subscriber(filter, reader, std::io::stderr));
    understood
}

fn filter(wish: Option<String>, detail: Detail) -> Result<Targets, BadFilter> {
    let usual = match detail {
        Detail::Usual => "warn,outpost=info",
        Detail::Verbose => "info,outpost=debug",
    };
    let text = wish.unwrap_or_else(|| usual.to_owned());
    // An empty part would be a level by itself: the lowest.
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.join(",").parse().map_err(|error: ParseError| BadFilter { reason: error.to_string(), text })
}

fn subscriber<W>(filter: Targets, reader: Reader, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines =
        tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(writer).event_format(reader);
    tracing_subscriber::registry().with(filter).with(lines)
}

/// Who reads the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Somebody looking on, in colour.
    Colour,
    /// Somebody looking on, without.
    Plain,
    /// A file or a pipe.
    File,
    /// systemd's journal.
    Journal,
}

impl Reader {
    fn of(output: impl AsFd + IsTerminal, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let dumb = variable("TERM").is_none_or(|term| term == "dumb");
        match () {
            () if is_journal(&output, variable("JOURNAL_STREAM").as_deref()) => Self::Journal,
            () if !output.is_terminal() => Self::File,
            () if dumb || variable("NO_COLOR").is_some() => Self::Plain,
            () => Self::Colour,
        }
    }
}

/// Whether `output` is the very stream that JOURNAL_STREAM names by device and inode (systemd.exec(5)):
/// the variable alone is inherited by whoever is started with another standard error.
fn is_journal(output: &impl AsFd, stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else { return false };
    let Ok(file) = output.as_fd().try_clone_to_owned().map(std::fs::File::from) else { return false };
    file.metadata().is_ok_and(|file| {
        device.parse() == Ok::<u64, _>(file.dev()) && inode.parse() == Ok::<u64, _>(file.ino())
    })
}

impl<S, N> FormatEvent<S, N> for Reader
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let (name, priority, colour) = match level {
            Level::ERROR => ("ERROR", 3, "31"),
            Level::WARN => ("WARN ", 4, "33"),
            Level::INFO => ("INFO ", 6, "32"),
            Level::DEBUG => ("DEBUG", 7, "34"),
            Level::TRACE => ("TRACE", 7, "35"),
        };
        let now = jiff::Zoned::now();
        match self {
            Self::Colour => {
                write!(out, "\x1b[2m{}\x1b[0m \x1b[{colour}m{name}\x1b[0m ", now.strftime("%H:%M:%S%.3f"))?;
            }
            Self::Plain => write!(out, "{} {name} ", now.strftime("%H:%M:%S%.3f"))?,
            Self::File => write!(out, "{} {name} ", now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"))?,
            Self::Journal => write!(out, "<{priority}>")?,
        }
        if level > Level::INFO {
            write!(out, "{}: ", event.metadata().target())?;
        }
        let mut line = Line::default();
        event.record(&mut line);
        out.write_str(&line.message)?;
        if *self == Self::Colour && !line.fields.is_empty() {
            return writeln!(out, "\x1b[2m{}\x1b[0m", line.fields);
        }
        writeln!(out, "{}", line.fields)
    }
}

/// An event's words: its message, and ` name=value` for each field.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = one_line(value);
            return;
        }
        let value = one_line(value);
        let whole = !value.is_empty() && !value.contains([' ', '"', '=']);
        // Writing to a String cannot fail.
        let _ = match whole {
            true => write!(self.fields, " {}={value}", field.name()),
            false => write!(self.fields, " {}=\"{}\"", field.name(), value.replace('"', "'")),
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }
}

/// Control characters made visible: what a stranger sends can neither begin a line of its own nor
/// speak to the terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn told(reader: Reader, filter: Targets, tell: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(subscriber(filter, reader, Written(Arc::clone(&text))), tell);
        let text = text.lock().expect("nobody panicked").clone();
        String::from_utf8(text).expect("text")
    }

    struct Written(Arc<Mutex<Vec<u8>>>);

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Pen<'a>;
        fn make_writer(&'a self) -> Pen<'a> {
            Pen(&self.0)
        }
    }

    struct Pen<'a>(&'a Mutex<Vec<u8>>);

    impl std::io::Write for Pen<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn usual() -> Targets {
        filter(None, Detail::Usual).expect("our own filter")
    }

    #[test]
    fn the_journal_gets_priority_message_and_fields() {
        let text = told(Reader::Journal, usual(), || {
            tracing::warn!(device = "hw:1", cause = %"not there", tries = 3, "no sound");
            tracing::info!("sound again");
            tracing::debug!("not told");
        });
        assert_eq!(text, "<4>no sound device=hw:1 cause=\"not there\" tries=3\n<6>sound again\n");
    }

    #[test]
    fn a_file_gets_the_date_and_a_terminal_the_time() {
        let tell = || tracing::error!(port = 8080, "port taken");
        let text = told(Reader::File, usual(), tell);
        let (date, rest) = text.split_once(' ').expect("date and rest");
        assert_eq!(rest, "ERROR port taken port=8080\n");
        assert!(date.parse::<jiff::Timestamp>().is_ok(), "{date}");
        let text = told(Reader::Plain, usual(), tell);
        let (time, rest) = text.split_once(' ').expect("time and rest");
        assert_eq!((time.len(), rest), ("00:00:00.000".len(), "ERROR port taken port=8080\n"));
        let text = told(Reader::Colour, usual(), tell);
        assert!(text.ends_with(" \x1b[31mERROR\x1b[0m port taken\x1b[2m port=8080\x1b[0m\n"), "{text:?}");
    }

    #[test]
    fn what_strangers_send_stays_in_its_line() {
        let text =
            told(Reader::Journal, usual(), || tracing::info!(agent = "a\n<0>b \x1b[2J\"", "hello\r\nyou"));
        assert_eq!(text, "<6>hello\\r\\nyou agent=\"a\\n<0>b \\u{1b}[2J'\"\n");
    }

    #[test]
    fn the_wish_goes_before_the_habit() {
        let tell = || tracing::debug!("detail");
        assert_eq!(told(Reader::Journal, usual(), tell), "");
        let detailed = "<7>outpost::observe::logs::tests: detail\n";
        let verbose = filter(None, Detail::Verbose).expect("our own filter");
        assert_eq!(told(Reader::Journal, verbose, tell), detailed);
        let wish = filter(Some("debug".to_owned()), Detail::Usual).expect("a level");
        assert_eq!(told(Reader::Journal, wish, tell), detailed);
        let error = filter(Some("outpost=loud".to_owned()), Detail::Usual).expect_err("no level");
        assert!(error.to_string().starts_with("RUST_LOG=\"outpost=loud\" is no log filter: "), "{error}");
    }

    /// What of these comes through, in the order of their letters.
    fn passes(wish: &str) -> String {
        let filter = filter(Some(wish.to_owned()), Detail::Usual).expect(wish);
        let text = told(Reader::Journal, filter, || {
            tracing::error!(target: "rustls", "a");
            tracing::warn!(target: "rustls", "b");
            tracing::info!(target: "rustls", "c");
            tracing::info!(target: "outpost::serve", "d");
            tracing::debug!(target: "outpost::serve", "e");
            tracing::debug!(target: "outpost::pump", "f");
            tracing::trace!(target: "outpost::pump", "g");
        });
        text.lines().filter_map(|line| line.chars().last()).collect()
    }

    #[test]
    fn a_wish_is_a_level_for_all_or_for_those_it_names() {
        let table = [
            ("off", ""),
            ("error", "a"),
            ("WARN", "ab"),
            ("3", "abcd"),
            ("debug", "abcdef"),
            ("trace", "abcdefg"),
            ("warn,outpost=info", "abd"),
            ("info,outpost=debug", "abcdef"),
            ("warn,outpost::pump=debug", "abf"),
            ("outpost=trace,outpost::pump=off", "de"),
            ("outpost::pump", "fg"),
            ("rustls=info", "abc"),
            (" warn, outpost=debug ,", "abdef"),
            (",", "a"),
        ];
        for (wish, expected) in table {
            assert_eq!(passes(wish), expected, "{wish:?}");
        }
        for wish in ["outpost=loud", "outpost=info=debug", "outpost[{a}=debug"] {
            assert!(filter(Some(wish.to_owned()), Detail::Usual).is_err(), "{wish}");
        }
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let (_keep, pipe) = std::io::pipe().expect("a pipe");
        let file = std::fs::File::from(pipe.as_fd().try_clone_to_owned().expect("a duplicate"));
        let file = file.metadata().expect("its metadata");
        let name = format!("{}:{}", file.dev(), file.ino());
        assert!(is_journal(&pipe, Some(&name)));
        for other in [None, Some(""), Some("8:1"), Some("x:y"), Some("12")] {
            assert!(!is_journal(&pipe, other), "{other:?}");
        }
    }
}
