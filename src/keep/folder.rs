//! The folder: writing into it, and what has to go for that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytesize::ByteSize;

use super::name::{self, State};
use super::{KeepStats, Settings, WRITE};
use crate::base::{Sync, WallReading, WallTime};
use crate::clip::Kind;

/// How many names are tried: two files seldom begin in the same second, but those of a board without a clock all begin on the
/// first day of 1970.
const NAMES: i64 = 86_400;

/// A folder with files of one stream, and of others.
pub(super) struct Folder {
    path: PathBuf,
    stream: String,
    bounds: Bounds,
    stats: Arc<KeepStats>,
}

/// How much may lie there.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes: u64,
    age_nanos: Option<i64>,
}

/// A file of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    path: PathBuf,
    begun: WallTime,
    bytes: u64,
}

impl Folder {
    pub(super) fn new(stream: &str, settings: &Settings, stats: &Arc<KeepStats>) -> Self {
        let age = settings.age.map(|age| age.to_duration().as_nanos());
        let age_nanos = age.map(|nanos| i64::try_from(nanos).unwrap_or(i64::MAX));
        Self {
            path: settings.folder.clone(),
            stream: stream.to_owned(),
            bounds: Bounds { bytes: settings.bytes.0, age_nanos },
            stats: Arc::clone(stats),
        }
    }

    /// Deletes of our files what is too old and, the oldest first, what is too much when `coming` bytes more are there,
    /// in `open` or in a new one; never `open`. And what was never finished.
    pub(super) fn tidy(&self, coming: u64, open: Option<&Path>, wall: &WallReading) -> io::Result<()> {
        let files = self.list()?;
        let going = self.bounds.surplus(&files, coming, wall);
        let mut left = Vec::new();
        for (index, file) in files.into_iter().enumerate() {
            if index < going && Some(&*file.path) != open {
                remove(&file.path)?;
            } else {
                left.push(file);
            }
        }
        let new = usize::from(coming > 0 && open.is_none());
        self.stats.files.set((left.len() + new) as f64);
        self.stats.bytes.set((left.iter().map(|file| file.bytes).sum::<u64>() + coming) as f64);
        Ok(())
    }

    /// Makes room for `coming` bytes by `write`, writes them, and says what it came to. Where the disk is full the oldest of
    /// ours make room, and it is tried once more.
    pub(super) fn with_room<T>(
        &self,
        coming: u64,
        open: Option<&Path>,
        wall: &WallReading,
        mut write: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        if coming > self.bounds.bytes {
            let coming = ByteSize(coming);
            let error = format!("a file of {coming} is more than `bytes` in [stream.keep] allows; give more");
            return Err(io::Error::other(error));
        }
        self.tidy(coming, open, wall)?;
        match write() {
            Err(full) if full.kind() == ErrorKind::StorageFull => {
                if !self.give_way(coming, open)? {
                    return Err(full);
                }
                write()
            }
            done => done,
        }
    }

    /// A new file that begins at `at`, of a name that is not taken.
    pub(super) fn create(&self, at: WallTime, kind: Kind) -> io::Result<(File, PathBuf)> {
        let path = self.path.join(self.vacant(at, kind)?);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        self.sync()?;
        Ok((file, path))
    }

    /// Writes a file that begins at `at` so that a power cut leaves all of it or nothing under its name.
    pub(super) fn save(
        &self,
        at: WallTime,
        kind: Kind,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let name = self.vacant(at, kind)?;
        let (path, part) = (self.path.join(&name), self.path.join(name::part(&name)));
        let written = (|| {
            let mut file = BufWriter::with_capacity(WRITE, File::create(&part)?);
            fill(&mut file)?;
            file.into_inner()?.sync_all()?;
            fs::rename(&part, &path)?;
            self.sync()
        })();
        written.inspect_err(|_| drop(fs::remove_file(&part)))
    }

    /// Writes something and deletes it: whether that can be done again.
    pub(super) fn try_out(&self, open: Option<&Path>, wall: &WallReading) -> io::Result<()> {
        self.tidy(0, open, wall)?;
        let path = self.path.join(name::part(&name::of(&self.stream, wall.wall, Kind::Ts)));
        let written =
            File::create(&path).and_then(|mut file| file.write_all(&vec![0; WRITE]).and(file.sync_all()));
        written.and(fs::remove_file(&path))
    }

    /// Deletes the oldest of ours, so many bytes of them; says whether there were so many. If not, none goes.
    fn give_way(&self, coming: u64, open: Option<&Path>) -> io::Result<bool> {
        let mut files = self.list()?;
        files.retain(|file| Some(&*file.path) != open);
        if files.iter().map(|file| file.bytes).sum::<u64>() < coming {
            return Ok(false);
        }
        let mut freed = 0;
        for file in files {
            if freed >= coming {
                break;
            }
            remove(&file.path)?;
            freed += file.bytes;
        }
        Ok(true)
    }

    /// Our files, the oldest first. What is left of one that was never finished is deleted on the way: none is written
    /// while this is read.
    fn list(&self) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((begun, state)) = name.to_str().and_then(|it| name::read(&self.stream, it)) else {
                continue;
            };
            let path = entry.path();
            let about = match fs::symlink_metadata(&path) {
                Err(gone) if gone.kind() == ErrorKind::NotFound => continue,
                about => about?,
            };
            match state {
                _ if !about.is_file() => {}
                State::Whole => files.push(Kept { path, begun, bytes: about.len() }),
                State::Part => remove(&path)?,
            }
        }
        files.sort_by(|a, b| (a.begun, &a.path).cmp(&(b.begun, &b.path)));
        Ok(files)
    }

    /// The first name from `at` on, by the second, that is not taken.
    fn vacant(&self, at: WallTime, kind: Kind) -> io::Result<String> {
        for later in 0..NAMES {
            let at = WallTime::from_unix_nanos(at.as_unix_nanos().saturating_add(later * 1_000_000_000));
            let name = name::of(&self.stream, at, kind);
            if !self.path.join(&name).try_exists()? {
                return Ok(name);
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "all names of that time are taken"))
    }

    /// The folder's own entries onto the disk.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Bounds {
    /// How many of these files, the oldest first, have to go. Nothing is too old by a clock that nobody believes: what it
    /// says may be years off.
    fn surplus(&self, files: &[Kept], coming: u64, wall: &WallReading) -> usize {
        let age = self.age_nanos.filter(|_| wall.sync == Sync::Synchronised);
        let eldest = age.map(|age| wall.wall.as_unix_nanos().saturating_sub(age));
        let old = eldest.map_or(0, |eldest| files.partition_point(|it| it.begun.as_unix_nanos() < eldest));
        let mut bytes = coming + files.iter().map(|file| file.bytes).sum::<u64>();
        let over = |file: &&Kept| {
            let over = bytes > self.bytes;
            bytes -= file.bytes;
            over
        };
        files.iter().take_while(over).count().max(old)
    }
}

/// Deletes a file, unless somebody else has.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{Monotonic, Span};
    use crate::keep::What;

    /// A clock that nobody believes.
    const UNTIMED: WallReading = WallReading {
        monotonic: Monotonic::from_nanos(0),
        wall: WallTime::from_unix_nanos(0),
        sync: Sync::Unsynchronised,
        suspended: Duration::ZERO,
    };

    fn second(second: i64) -> WallTime {
        WallTime::from_unix_nanos(second * 1_000_000_000)
    }

    #[test]
    fn the_oldest_go_until_what_is_coming_has_room() {
        let hour = 3600;
        let kept: Vec<_> = [(0, 10), (hour, 20), (2 * hour, 30)]
            .map(|(begun, bytes)| Kept { path: PathBuf::from("x"), begun: second(begun), bytes })
            .into();
        use self::Sync::{Synchronised, Unsynchronised};
        // Bytes and age allowed, bytes coming, the hour, whose word for it; how many go.
        let table = [
            (60, None, 0, 9, Synchronised, 0),
            (59, None, 0, 9, Synchronised, 1),
            (60, None, 1, 9, Synchronised, 1),
            (60, None, 11, 9, Synchronised, 2),
            (60, None, 1000, 9, Synchronised, 3),
            (60, Some(2 * hour), 0, 2, Synchronised, 0),
            (60, Some(2 * hour), 0, 3, Synchronised, 1),
            (59, Some(2 * hour), 0, 9, Synchronised, 3),
            (60, Some(2 * hour), 0, 1_000_000, Unsynchronised, 0),
            (60, Some(2 * hour), 0, -1_000_000, Synchronised, 0),
        ];
        for (bytes, age, coming, now, sync, expected) in table {
            let bounds = Bounds { bytes, age_nanos: age.map(|age| age * 1_000_000_000) };
            let (monotonic, suspended) = (Default::default(), Duration::ZERO);
            let wall = WallReading { monotonic, wall: second(now * hour), sync, suspended };
            let found = bounds.surplus(&kept, coming, &wall);
            assert_eq!(found, expected, "{bytes} {age:?} {coming} {now} {sync:?}");
        }
    }

    /// A folder of its own, which goes with it.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("outpost-keep-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn folder(&self, bytes: u64) -> (Folder, Arc<KeepStats>) {
            let (bytes, age) = (ByteSize(bytes), Some(Span::from_millis(3_600_000)));
            let settings = Settings { folder: self.0.clone(), what: What::Transmissions, bytes, age };
            let stats = Arc::default();
            (Folder::new("radio", &settings, &stats), stats)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("a folder");
            let mut names: Vec<_> =
                entries.map(|it| it.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
            names.sort();
            names
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nothing_but_ours_is_ever_touched() {
        let place = Place::new("ours");
        let foreign = ["1999-01-01T00-00-00Z-other.m4a", "letter.txt", "1999-01-01T00-00-00Z-radio.mp3"];
        foreign.iter().for_each(|name| fs::write(place.0.join(name), [0; 5000]).expect("room"));
        fs::create_dir(place.0.join("1999-01-01T00-00-00Z-radio.ts")).expect("a folder of an unlucky name");
        fs::write(place.0.join("1999-01-01T00-00-00Z-radio.m4a.part"), [0; 10]).expect("room");
        let (folder, stats) = place.folder(1000);
        for hour in 0..5 {
            let fill = |to: &mut dyn Write| to.write_all(&[1; 300]);
            folder
                .with_room(300, None, &UNTIMED, || folder.save(second(hour * 3600), Kind::M4a, fill))
                .expect("kept");
        }
        let ours = |place: &Place| {
            let mut names = place.names();
            names.retain(|it| it.starts_with("1970"));
            names
        };
        let name = |hour: i64| name::of("radio", second(hour * 3600), Kind::M4a);
        assert_eq!(ours(&place), [name(2), name(3), name(4)]);
        assert_eq!((stats.files.get(), stats.bytes.get()), (3.0, 900.0));
        let wall = second(4 * 3600 + 1800);
        let reading = WallReading { wall, sync: Sync::Synchronised, ..UNTIMED };
        folder.tidy(0, Some(&place.0.join(name(2))), &reading).expect("tidied");
        assert_eq!(ours(&place), [name(2), name(4)], "the open one stays, however old");
        let mut others = place.names();
        others.retain(|it| !it.starts_with("1970"));
        let mut expected: Vec<_> = foreign.into_iter().chain(["1999-01-01T00-00-00Z-radio.ts"]).collect();
        expected.sort_unstable();
        assert_eq!(others, expected, "what was never finished is gone, the rest is there");
    }

    #[test]
    fn no_file_is_written_over() {
        let place = Place::new("over");
        let (folder, _) = place.folder(1000);
        for text in ["a", "b"] {
            folder.save(second(60), Kind::M4a, |to| to.write_all(text.as_bytes())).expect("kept");
        }
        assert_eq!(place.names(), ["1970-01-01T00-01-00Z-radio.m4a", "1970-01-01T00-01-01Z-radio.m4a"]);
        let failed = folder.save(second(90), Kind::M4a, |_| Err(ErrorKind::StorageFull.into()));
        assert!(failed.is_err() && place.names().len() == 2, "nothing is left of what failed");
    }

    #[test]
    fn a_full_disk_costs_the_oldest_and_only_if_that_helps() {
        let place = Place::new("full");
        let (folder, _) = place.folder(1 << 30);
        for hour in 0..4 {
            let fill = |to: &mut dyn Write| to.write_all(&[1; 300]);
            folder.save(second(hour * 3600), Kind::M4a, fill).expect("kept");
        }
        // Bytes coming, how often the disk is full; whether it is kept, and how many files are left.
        for (coming, full, kept, left) in [(5000, 1, false, 4), (400, 1, true, 2), (300, 2, false, 1)] {
            let mut tries = 0;
            let done = folder.with_room(coming, None, &UNTIMED, || {
                tries += 1;
                if tries <= full { Err(io::Error::from(ErrorKind::StorageFull)) } else { Ok(()) }
            });
            assert_eq!((done.is_ok(), place.names().len()), (kept, left), "{coming}");
        }
        let (tight, _) = place.folder(100);
        assert!(tight.with_room(101, None, &UNTIMED, || Ok(())).is_err());
        assert_eq!(place.names().len(), 1, "what can never fit costs nothing");
        folder.try_out(None, &UNTIMED).expect("it can be written");
        assert_eq!(place.names().len(), 1);
        fs::remove_dir_all(&place.0).expect("removed");
        assert_eq!(folder.try_out(None, &UNTIMED).map_err(|it| it.kind()), Err(ErrorKind::NotFound));
    }
}
