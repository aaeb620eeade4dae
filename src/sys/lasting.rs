//! Memory that can outlive the process: a memfd (memfd_create(2)), of which a descriptor held elsewhere keeps what was
//! written.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{SysconfVar, Whence, lseek64, sysconf};

/// How much is mapped at once: address space, not memory. A process may have 65,530 mappings (vm.max_map_count), and
/// a long window more segments.
const EXTENT: usize = 4 << 20;

/// A file in memory that grows at its end, piece by piece. A piece never changes, and its memory is given back when
/// nobody has it any more; unless this was dropped before, as it is when the program ends: then it stays.
#[derive(Debug)]
pub struct Lasting {
    shared: Arc<Shared>,
    /// Pieces lie below; at a boundary of pages.
    end: u64,
    extent: Option<Arc<Extent>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    /// Bytes of a page, in which memory is given back.
    page: u64,
    /// Whether what nobody has any more is given back.
    tidied: AtomicBool,
}

/// A stretch of the file, mapped.
#[derive(Debug)]
struct Extent {
    at: u64,
    map: MmapRaw,
}

/// A piece of such a file. Cloning copies nothing.
#[derive(Clone, Debug)]
pub struct Piece(Arc<Place>);

#[derive(Debug)]
struct Place {
    shared: Arc<Shared>,
    extent: Arc<Extent>,
    at: u64,
    len: usize,
}

impl Lasting {
    /// An empty one. It can never shrink, whoever has a descriptor of it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new() -> io::Result<Self> {
        let file = memfd_create(c"outpost-window", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL))?;
        Self::of(file)
    }

    /// One that was written before, to be read from its beginning.
    ///
    /// # Errors
    /// If it is something else, or could shrink.
    pub fn open(file: OwnedFd) -> io::Result<Self> {
        let seals = fcntl(&file, FcntlArg::F_GET_SEALS)?;
        if !SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_SHRINK) {
            return Err(io::Error::other("it is not sealed"));
        }
        Self::of(file)
    }

    fn of(file: OwnedFd) -> io::Result<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|it| u64::try_from(it).ok()).unwrap_or(4096);
        let shared = Shared { file: file.into(), page, tidied: AtomicBool::new(true) };
        Ok(Self { shared: Arc::new(shared), end: 0, extent: None })
    }

    /// What keeps it.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.file.as_fd()
    }

    /// Goes on to where something was written that is no piece yet; says whether there is anything.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn seek(&mut self) -> io::Result<bool> {
        let from = i64::try_from(self.end).map_err(io::Error::other)?;
        match lseek64(&self.shared.file, from, Whence::SeekData) {
            Ok(found) => {
                let found = u64::try_from(found).map_err(io::Error::other)?;
                self.end = self.end.max(found / self.shared.page * self.shared.page);
                Ok(true)
            }
            Err(Errno::ENXIO) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what comes there, `offset` bytes on.
    ///
    /// # Errors
    /// If so much is not there.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> io::Result<()> {
        let at = self.end.checked_add(offset as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.shared.file.read_exact_at(into, at)
    }

    /// Makes the next `len` bytes a piece.
    ///
    /// # Errors
    /// If so much is not there, or cannot be mapped.
    pub fn take(&mut self, len: usize) -> io::Result<Piece> {
        let end = self.end.checked_add(len as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.shared.file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let holds = |it: &&Arc<Extent>| end <= it.at + it.map.len() as u64;
        let extent = match self.extent.as_ref().filter(holds) {
            Some(extent) => Arc::clone(extent),
            None => self.map(len)?,
        };
        let piece = Piece(Arc::new(Place { shared: Arc::clone(&self.shared), extent, at: self.end, len }));
        self.end = self.shared.whole_pages(end);
        Ok(piece)
    }

    /// Writes a piece: `body`, and before it `head`, which is written last. So a head is there only if all is.
    ///
    /// # Errors
    /// If there is no memory for it; nothing is left of it then.
    pub fn write<'a>(&mut self, head: &[u8], body: impl Iterator<Item = &'a [u8]>) -> io::Result<Piece> {
        let file = &self.shared.file;
        let mut len = head.len();
        let write = || {
            for bytes in body {
                file.write_all_at(bytes, self.end + len as u64)?;
                len += bytes.len();
            }
            file.write_all_at(head, self.end)
        };
        let written = write();
        let piece = written.and_then(|()| self.take(len));
        if piece.is_err() {
            self.shared.give_back(self.end, len);
        }
        piece
    }

    /// Gives back whatever was written beyond the pieces.
    pub fn cut(&self) {
        let len = self.shared.file.metadata().map_or(0, |it| it.len()).saturating_sub(self.end);
        self.shared.give_back(self.end, usize::try_from(len).unwrap_or(usize::MAX));
    }

    /// Maps a stretch from the end of the pieces on, for at least `len` bytes.
    fn map(&mut self, len: usize) -> io::Result<Arc<Extent>> {
        let (file, at) = (&self.shared.file, self.end);
        let len = len.max(EXTENT);
        // Beyond the file's end there would be nothing to map.
        let end = at.checked_add(len as u64).ok_or(io::ErrorKind::OutOfMemory)?;
        if file.metadata()?.len() < end {
            file.set_len(end)?;
        }
        let map = MmapOptions::new().offset(at).len(len).map_raw_read_only(file)?;
        let extent = Arc::new(Extent { at, map });
        self.extent = Some(Arc::clone(&extent));
        Ok(extent)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.shared.tidied.store(false, Ordering::Release);
    }
}

impl Shared {
    fn whole_pages(&self, len: u64) -> u64 {
        len.div_ceil(self.page).saturating_mul(self.page)
    }

    /// Gives back the memory of the pages from `at` on.
    fn give_back(&self, at: u64, len: usize) {
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        let len = i64::try_from(self.whole_pages(len as u64)).unwrap_or(i64::MAX).min(i64::MAX - at);
        // What has no length is refused, and lets memory be.
        let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: fallocate(2) takes numbers and an open descriptor. (nix has it with offsets that are too small for
        // this on 32-bit boards.)
        unsafe {
            libc::fallocate64(self.file.as_raw_fd(), hole, at, len);
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        let Place { extent, at, len, .. } = &*self.0;
        // SAFETY: `take` has seen to it that at + len lie within the extent, which is mapped as long as the piece is
        // there, and within the file, which is sealed against shrinking. Nothing writes there: this process writes
        // beyond all pieces alone, gives back a piece when nobody has it, and others who have a descriptor keep it for
        // us without using it.
        unsafe { std::slice::from_raw_parts(extent.map.as_ptr().add((at - extent.at) as usize), *len) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.shared.tidied.load(Ordering::Acquire) {
            self.shared.give_back(self.at, self.len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(memory: &Lasting) -> u64 {
        use std::os::unix::fs::MetadataExt;
        memory.shared.file.metadata().expect("a file").blocks() * 512
    }

    #[test]
    fn pieces_are_what_was_written_and_are_given_back_one_by_one() {
        let mut memory = Lasting::new().expect("memory");
        let write = |memory: &mut Lasting, n: usize| {
            let body = vec![n as u8; n * 1000];
            memory.write(b"head", [&body[..n * 400], &body[n * 400..]].into_iter()).expect("room")
        };
        // More than one stretch.
        let mut pieces: Vec<_> = (0..120).map(|n| write(&mut memory, n)).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let (head, body) = piece.as_ref().split_at(4);
            assert!(head == b"head" && body.len() == n * 1000 && body.iter().all(|it| *it == n as u8), "{n}");
        }
        let all = used(&memory);
        let copy = pieces[100].clone();
        pieces.retain(|it| it.as_ref().len() < 50_000);
        assert!(used(&memory) < all / 3, "{} of {all}", used(&memory));
        assert!(copy.as_ref()[4..].iter().all(|it| *it == 100), "as long as somebody has it");
        drop((pieces, copy));
        assert_eq!(used(&memory), 0);
    }

    #[test]
    fn what_was_written_is_found_again_by_who_has_the_descriptor() {
        let mut memory = Lasting::new().expect("memory");
        let mut pieces: Vec<_> =
            (0..9u8).map(|n| memory.write(&[n], [[n; 5000].as_slice()].into_iter()).expect("room")).collect();
        pieces.remove(0);
        pieces.remove(3);
        let kept = memory.descriptor().try_clone_to_owned().expect("a descriptor");
        drop(memory);
        drop(pieces);
        let mut memory = Lasting::open(kept).expect("it is ours");
        let mut found = Vec::new();
        while memory.seek().expect("it can be sought") {
            let mut head = [0];
            memory.read(0, &mut head).expect("a head");
            found.push((head[0], memory.take(5001).expect("a piece")));
        }
        assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2, 3, 5, 6, 7, 8]);
        assert!(found.iter().all(|(n, piece)| piece.as_ref().iter().all(|it| it == n)));
        assert!(memory.take(64 << 20).is_err(), "so much is not there");
        let next = memory.write(b"9", std::iter::empty()).expect("room");
        assert_eq!(next.as_ref(), b"9");
    }

    #[test]
    fn what_could_shrink_is_not_taken() {
        let file = memfd_create(c"other", MFdFlags::MFD_ALLOW_SEALING).expect("a file");
        assert!(Lasting::open(file).is_err());
        let file = File::open("/proc/self/exe").expect("a file");
        assert!(Lasting::open(file.into()).is_err());
    }
}
