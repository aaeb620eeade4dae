//! Somebody outside who plays all the time, and remembers what he was given.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What stands at `url`, if it is answered.
fn get(url: &str) -> Option<Vec<u8>> {
    let curl = Command::new("curl")
        .args(["--silent", "--fail", "--max-time", "60", url])
        .output()
        .expect("curl runs");
    curl.status.success().then_some(curl.stdout)
}

#[derive(Default)]
pub(crate) struct Seen {
    /// Each segment by its address, as it was first.
    segments: BTreeMap<String, Vec<u8>>,
    /// The last of the numbers listed.
    pub(crate) last: u64,
    pub(crate) discontinuities: u64,
    away: Away,
    wrong: Vec<String>,
}

/// What somebody who plays has to do without for some time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Away {
    /// Lists that did not come.
    pub(crate) refused: u32,
    /// From an answer to the next.
    pub(crate) silent: Duration,
    /// From a new segment to the next.
    pub(crate) still: Duration,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (silent, still) = (self.silent.as_secs_f64(), self.still.as_secs_f64());
        write!(
            f,
            "{} lists did not come; {silent:.1} s without an answer, {still:.1} s without a new segment",
            self.refused
        )
    }
}

/// A client at work; `end` says what it saw.
pub(crate) struct Client {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Polls a media playlist, and takes all that is in it.
    pub(crate) fn start(playlist: String) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (of_thread, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut heard = Heard { answered: Instant::now(), moved: Instant::now() };
            while !stopped.load(Ordering::Relaxed) {
                heard.poll(&playlist, &of_thread);
                thread::sleep(Duration::from_millis(500));
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// The last number listed so far.
    pub(crate) fn last(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// What it had to do without since it was last asked.
    pub(crate) fn away(&self) -> Away {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).away)
    }

    /// What was seen, in which nothing may be wrong.
    pub(crate) fn end(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is ended once");
        thread.join().expect("a client does not panic");
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
        tell!(
            "{} segments, none other than before; {} discontinuities",
            seen.segments.len(),
            seen.discontinuities
        );
        seen
    }
}

/// When it was given something.
struct Heard {
    answered: Instant,
    moved: Instant,
}

impl Heard {
    fn poll(&mut self, playlist: &str, seen: &Mutex<Seen>) {
        let list = get(playlist);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(list) = list else {
            seen.away.refused += 1;
            return;
        };
        seen.away.silent = seen.away.silent.max(self.answered.elapsed());
        self.answered = Instant::now();
        let Ok(list) = m3u8_rs::parse_media_playlist_res(&list) else {
            seen.wrong.push(format!("no playlist: {}", String::from_utf8_lossy(&list)));
            return;
        };
        let last = list.media_sequence + list.segments.len() as u64;
        if last < seen.last {
            let before = seen.last;
            seen.wrong.push(format!("the list ends before {last}, where it had ended before {before}"));
        }
        if last > seen.last {
            if seen.last != 0 {
                seen.away.still = seen.away.still.max(self.moved.elapsed());
            }
            self.moved = Instant::now();
            seen.last = last;
        }
        let breaks = list.segments.iter().filter(|it| it.discontinuity).count() as u64;
        seen.discontinuities = list.discontinuity_sequence + breaks;
        let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
        // The newest, and one that was given before: it must still be the same.
        let old =
            list.segments.iter().find(|it| seen.segments.contains_key(&it.uri)).map(|it| it.uri.clone());
        let new = list.segments.iter().rev().take(3).map(|it| it.uri.clone());
        for uri in old.into_iter().chain(new) {
            // It may be gone by now.
            let Some(bytes) = get(&format!("{folder}/{uri}")) else { continue };
            let first = seen.segments.entry(uri.clone()).or_insert_with(|| bytes.clone());
            if *first != bytes {
                seen.wrong.push(format!("{uri} is another one than before"));
            }
        }
    }
}
