//! Photos: one picture of a stream each, made only when somebody asks, at most one a second, the same for all who ask meanwhile.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::base::Pts;

/// How long a picture is given out before a new one is made.
const FRESH: Duration = Duration::from_secs(1);
/// How long a new one may take to come from the camera.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether it has: about a picture's length.
const LOOK: Duration = Duration::from_millis(25);

/// Where photos come from. None of the methods may wait.
pub trait Photos: Send + Sync {
    /// Asks for the next picture there is.
    fn ask(&self);

    /// When the newest picture was taken; `None` before the first.
    fn taken(&self) -> Option<Pts>;

    /// The newest picture as a JPEG file: many milliseconds of work, called on a thread of its own.
    ///
    /// # Errors
    /// In words, if it cannot be made.
    fn jpeg(&self) -> Result<Vec<u8>, String>;
}

/// A station's photos.
pub enum Snapshots {
    /// It has none, and why.
    None(&'static str),
    /// It has.
    Of(Gallery),
}

impl Snapshots {
    /// Pictures from here.
    pub fn of(photos: Arc<dyn Photos>) -> Self {
        Self::Of(Gallery { photos, last: Arc::default() })
    }
}

/// The last photo and the way to the next.
pub struct Gallery {
    photos: Arc<dyn Photos>,
    /// Held while one is made: whoever asks meanwhile gets that one. What could not be had is kept as long, so that
    /// those who waited are not made to wait in turn.
    last: Arc<Mutex<Option<(Instant, Outcome)>>>,
}

/// A JPEG file, or why there is none.
type Outcome = Result<Bytes, String>;

impl Gallery {
    /// A picture at most a second old.
    pub(super) async fn picture(&self) -> Outcome {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((_, outcome)) = last.as_ref().filter(|(made, _)| made.elapsed() < FRESH) {
            return outcome.clone();
        }
        // It is made to the end though who asked for it may be gone by then: coming and going makes no more of them
        // than staying does.
        let photos = Arc::clone(&self.photos);
        let made = tokio::spawn(async move {
            let outcome = next(photos).await;
            *last = Some((Instant::now(), outcome.clone()));
            outcome
        });
        made.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

async fn next(photos: Arc<dyn Photos>) -> Outcome {
    let before = photos.taken();
    photos.ask();
    let end = Instant::now() + PATIENCE;
    while photos.taken() == before {
        if Instant::now() >= end {
            return Err("the camera gives no picture".to_owned());
        }
        tokio::time::sleep(LOOK).await;
    }
    // It fails only if the work panicked, and that has been told.
    let made = tokio::task::spawn_blocking(move || photos.jpeg()).await;
    made.unwrap_or_else(|error| Err(error.to_string())).map(Bytes::from)
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(why) => write!(f, "Snapshots::None({why:?})"),
            Self::Of(_) => f.write_str("Snapshots::Of(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Counter;
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    /// A camera that gives a picture when asked, or none.
    #[derive(Default)]
    struct Scripted {
        taken: AtomicI64,
        asked: Counter,
        made: Counter,
        covered: bool,
    }

    impl Photos for Scripted {
        fn ask(&self) {
            self.asked.increment();
            if !self.covered {
                self.taken.fetch_add(1, Relaxed);
            }
        }

        fn taken(&self) -> Option<Pts> {
            Some(self.taken.load(Relaxed)).filter(|taken| *taken > 0).map(Pts::from_ticks)
        }

        fn jpeg(&self) -> Result<Vec<u8>, String> {
            self.made.increment();
            Ok(vec![self.taken.load(Relaxed) as u8])
        }
    }

    fn gallery(camera: &Arc<Scripted>) -> Gallery {
        Gallery { photos: Arc::clone(camera) as _, last: Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn one_picture_a_second_serves_all_who_ask() {
        let camera = Arc::new(Scripted::default());
        let gallery = gallery(&camera);
        let (one, two, three) = tokio::join!(gallery.picture(), gallery.picture(), gallery.picture());
        assert_eq!((one, two, three), (Ok(vec![1].into()), Ok(vec![1].into()), Ok(vec![1].into())));
        assert_eq!((camera.asked.get(), camera.made.get()), (1, 1));
        tokio::time::advance(FRESH).await;
        assert_eq!(gallery.picture().await, Ok(vec![2].into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_camera_that_gives_nothing_is_waited_for_once_for_all() {
        let camera = Arc::new(Scripted { covered: true, ..Scripted::default() });
        let gallery = gallery(&camera);
        let begun = Instant::now();
        let (one, two) = tokio::join!(gallery.picture(), gallery.picture());
        assert!(one.is_err() && one == two, "{one:?} {two:?}");
        assert!((PATIENCE..PATIENCE + 2 * LOOK).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!((camera.asked.get(), camera.made.get()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_while_waiting_leaves_the_picture_to_the_next() {
        let camera = Arc::new(Scripted { covered: true, ..Scripted::default() });
        let gallery = gallery(&camera);
        assert!(tokio::time::timeout(LOOK, gallery.picture()).await.is_err(), "it waits");
        camera.taken.store(7, Relaxed);
        assert_eq!(gallery.picture().await, Ok(vec![7].into()));
        assert_eq!((camera.asked.get(), camera.made.get()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn coming_and_going_makes_no_more_pictures_than_staying() {
        let camera = Arc::new(Scripted::default());
        let gallery = gallery(&camera);
        for _ in 0..200 {
            // Asks, and goes away while the picture is being made.
            tokio::select! {
                biased;
                _ = gallery.picture() => {}
                () = tokio::task::yield_now() => {}
            }
            tokio::time::sleep(LOOK).await;
        }
        assert!((5..=6).contains(&camera.made.get()), "{} in 5 s", camera.made.get());
    }
}
