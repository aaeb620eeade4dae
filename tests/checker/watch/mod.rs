//! Watching a server: what it serves becomes records.
//!
//! Belongs here: requests, and when they are made. Does not: what is to be thought of the answers.

mod cipher;
mod client;
mod low_latency;
mod ordinary;
mod probe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cipher::Secret;
pub(crate) use client::{Client, join};

use crate::seen::{Answer, Fetch, Listing, Rendition, Stream};
use crate::text::{Media, Multivariant, Segment};

/// How long a frame of sound lasts where nothing is told of pictures: 2,048 samples, of HE-AAC, at 48 kHz.
const SOUND: f64 = 2_048.0 / 48_000.0;
/// How long the program may take until a stream is served.
const START: Duration = Duration::from_secs(30);

/// Whether something was broken on purpose, so that errors and delays are to be expected: counts beginnings and ends,
/// so that nobody who looks away misses one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather(Arc<AtomicU32>);

impl Weather {
    /// Trouble begins; or it ends.
    pub(crate) fn turn(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn turns(&self) -> u32 {
        self.0.load(Relaxed)
    }

    fn is_trouble(&self) -> bool {
        self.turns() % 2 == 1
    }
}

/// Notices how late the machine is: a thread that wants nothing but to be woken.
struct Sleeper {
    worst: Arc<AtomicU64>,
    /// It goes on for as long as there is this.
    _stay: Arc<()>,
}

impl Sleeper {
    const NAP: Duration = Duration::from_millis(5);
    /// From a device to an answer, so many are woken one after the other, and each may be kept as long as the sleeper.
    const WOKEN: f64 = 4.0;

    fn start() -> Self {
        let (worst, stay) = (Arc::new(AtomicU64::new(0)), Arc::new(()));
        let (noted, watched) = (Arc::clone(&worst), Arc::downgrade(&stay));
        std::thread::spawn(move || {
            while watched.strong_count() > 0 {
                let begun = Instant::now();
                std::thread::sleep(Self::NAP);
                let late = begun.elapsed().saturating_sub(Self::NAP);
                noted.fetch_max(late.as_micros() as u64, Relaxed);
            }
        });
        Self { worst, _stay: stay }
    }

    /// How much later than it should anything may have come, in seconds.
    fn delay(&self) -> f64 {
        Self::WOKEN * self.worst.load(Relaxed) as f64 / 1e6
    }
}

/// Watches the multivariant playlist at `path` and all it leads to for `length`.
pub(crate) async fn watch(client: Arc<Client>, path: String, length: Duration, weather: Weather) -> Stream {
    let sleeper = Sleeper::start();
    let first = begin(&client, &path).await;
    let end = client.now() + length;
    let read = Multivariant::read(&String::from_utf8_lossy(&first.body));
    let mut watchers = Vec::new();
    for uri in read.uris() {
        let rate = read.variants.iter().filter(|it| it.uri == uri);
        let rate: Option<f64> = rate.filter_map(|it| it.list.number("FRAME-RATE")).next();
        let watcher = Watcher {
            client: Arc::clone(&client),
            path: join(&path, uri),
            frame: rate.map_or(SOUND, |rate| 1.0 / rate),
            weather: weather.clone(),
            end,
            noted: Rendition { uri: uri.to_owned(), ..Rendition::default() },
            turns: weather.turns(),
            in_trouble: false,
        };
        watchers.push(tokio::spawn(watcher.watch()));
    }
    let mut renditions = Vec::new();
    for watcher in watchers {
        renditions.push(watcher.await.expect("a watcher does not fail"));
    }
    for rendition in &mut renditions {
        rendition.delay = sleeper.delay();
    }
    let last = client.playlist(&path).await;
    let multivariants = [first, last].map(|answer| {
        let read = Multivariant::read(&String::from_utf8_lossy(&answer.body));
        (answer, read)
    });
    Stream { multivariants: multivariants.into(), renditions }
}

/// Has ffprobe look into each rendition of what was watched. That takes the machine's time: not while anything is watched.
pub(crate) fn probe(stream: &mut Stream) {
    for rendition in &mut stream.renditions {
        rendition.probe = probe::probe(rendition);
    }
}

/// The first playlist, which a stream has once it has segments enough.
async fn begin(client: &Client, path: &str) -> Answer {
    let deadline = client.now() + START;
    loop {
        let answer = client.playlist(path).await;
        if answer.status == 200 || client.now() > deadline {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What watches one media playlist.
struct Watcher {
    client: Arc<Client>,
    path: String,
    frame: f64,
    weather: Weather,
    end: Duration,
    noted: Rendition,
    turns: u32,
    /// Whether there was trouble since the last listing.
    in_trouble: bool,
}

impl Watcher {
    async fn watch(mut self) -> Rendition {
        begin(&self.client, &self.path).await;
        let Some(first) = self.ask("").await else { return self.noted };
        if first.media.has_parts() {
            self.low_latency(first).await;
        } else {
            self.ordinary(first).await;
        }
        self.noted
    }

    fn is_over(&self) -> bool {
        self.client.now() >= self.end
    }

    /// The playlist, asked for with `query`; `None` if it did not come, which is noted.
    async fn ask(&mut self, query: &str) -> Option<Listing> {
        let answer = self.client.playlist(&format!("{}{query}", self.path)).await;
        self.look_at_the_weather();
        if answer.status != 200 {
            if !self.in_trouble {
                self.noted.lost.push(answer);
            }
            return None;
        }
        let mut media = Media::read(&String::from_utf8_lossy(&answer.body));
        media.frame = self.frame;
        Some(Listing { answer, media, after_trouble: self.in_trouble })
    }

    fn look_at_the_weather(&mut self) {
        let turns = self.weather.turns();
        self.in_trouble |= turns != self.turns || self.weather.is_trouble();
        self.turns = turns;
    }

    /// Notes a listing if it is news; what is only asked for in bad weather may come late as well.
    fn note(&mut self, listing: Listing) -> bool {
        let news = self.noted.listings.last().is_none_or(|last| last.media.text != listing.media.text);
        if news {
            self.noted.listings.push(listing);
            self.in_trouble = self.weather.is_trouble();
        }
        news
    }

    /// Fetches a file, for the first time or again; one that is enciphered, with its key.
    async fn fetch(&mut self, uri: &str, secret: Option<&Secret>) {
        let mut answer = self.client.file(&join(&self.path, uri)).await;
        self.look_at_the_weather();
        if self.in_trouble {
            return;
        }
        // The same bytes are kept once, and deciphered once.
        let known = self.noted.files.iter().find(|it| it.uri == uri && it.answer.body == answer.body);
        let clear = match (known, secret) {
            (Some(known), _) => {
                answer.body = Arc::clone(&known.answer.body);
                Arc::clone(&known.clear)
            }
            (None, Some(secret)) => {
                let (body, secret) = (Arc::clone(&answer.body), secret.clone());
                let clear = tokio::task::spawn_blocking(move || cipher::decipher(&body, &secret));
                Arc::new(clear.await.expect("openssl can be asked").unwrap_or_default())
            }
            (None, None) => Arc::clone(&answer.body),
        };
        self.noted.files.push(Fetch { answer, uri: uri.to_owned(), clear, owed: true, hinted: false });
    }

    /// Fetches what belongs to a segment and was not fetched yet.
    async fn fetch_new(&mut self, segment: &Segment) {
        let map = segment.map.as_ref().and_then(|map| map.get("URI"));
        let parts = segment.parts.iter().filter(|part| !part.gap).map(|part| part.uri.as_str());
        let whole = (!segment.gap && !segment.uri.is_empty()).then_some(segment.uri.as_str());
        let wanted: Vec<String> = map.into_iter().chain(parts).chain(whole).map(str::to_owned).collect();
        let secret = self.secret(segment).await;
        for uri in wanted {
            if !self.noted.files.iter().any(|known| known.uri == uri) {
                self.fetch(&uri, secret.as_ref()).await;
            }
        }
    }

    /// What deciphers a segment, where it is enciphered.
    async fn secret(&mut self, segment: &Segment) -> Option<Secret> {
        let key = segment.key.as_ref()?;
        let uri = key.get("URI")?.to_owned();
        if self.noted.body(&uri).is_none() {
            self.fetch(&uri, None).await;
        }
        // Without an IV, the number is one (RFC 8216, 5.2).
        let iv =
            key.get("IV").map(|iv| iv[2..].to_owned()).unwrap_or_else(|| format!("{:032x}", segment.number));
        Some(Secret { key: self.noted.body(&uri)?.to_vec(), iv })
    }

    /// Asks for what cannot be, each with the status that is due.
    async fn ask_nonsense(&mut self, questions: &[(String, u16)]) {
        for (question, status) in questions {
            let path = if question.starts_with('?') {
                format!("{}{question}", self.path)
            } else {
                join(&self.path, question)
            };
            self.noted.refused.push((self.client.playlist(&path).await, *status));
        }
    }
}
