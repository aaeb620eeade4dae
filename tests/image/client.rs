//! Somebody outside who plays all the time, and remembers what he was given.

use std::collections::BTreeMap;
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
    /// Lists that did not come.
    pub(crate) refused: u32,
    pub(crate) longest_gap: Duration,
    wrong: Vec<String>,
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
            let mut moved = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                poll(&playlist, &of_thread, &mut moved);
                thread::sleep(Duration::from_millis(500));
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// The last number listed so far.
    pub(crate) fn last(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// What was seen, in which nothing may be wrong.
    pub(crate) fn end(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is ended once");
        thread.join().expect("a client does not panic");
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
        println!(
            "    {} segments, none other than before; {} discontinuities, {} lists did not come, \
             longest without a new segment {:.1} s",
            seen.segments.len(),
            seen.discontinuities,
            seen.refused,
            seen.longest_gap.as_secs_f64()
        );
        seen
    }
}

fn poll(playlist: &str, seen: &Mutex<Seen>, moved: &mut Instant) {
    let list = get(playlist);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(list) = list else {
        seen.refused += 1;
        return;
    };
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
            seen.longest_gap = seen.longest_gap.max(moved.elapsed());
        }
        *moved = Instant::now();
        seen.last = last;
    }
    let breaks = list.segments.iter().filter(|it| it.discontinuity).count() as u64;
    seen.discontinuities = list.discontinuity_sequence + breaks;
    let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
    // The newest, and one that was given before: it must still be the same.
    let old = list.segments.iter().find(|it| seen.segments.contains_key(&it.uri)).map(|it| it.uri.clone());
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
