//! Where the certificate comes from: files that somebody else renews, or one of our own that we do.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};
use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError as Refused, Error, RootCertStore};

use super::tls::{Shown, provider};
use crate::base::{Clock, Sync, WallReading};
use crate::sys::clock::RealClock;

/// How often files are looked at, and our own certificate.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_AT_OWN: Duration = Duration::from_secs(60);
/// How long a certificate of our own is good, in days, a day before it is made among them: Apple's systems take none
/// beyond 825 (support.apple.com/103769).
const GOOD: i64 = 800;
/// Days before its end at which another one is made.
const RENEWAL: Duration = Duration::from_secs(30 * 86_400);

/// Whose certificate is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// One that lies in files, which are read again when they change.
    Files {
        /// PEM: the certificate, and those that lead to an authority.
        certificate: PathBuf,
        /// PEM, not encrypted.
        key: PathBuf,
    },
    /// One made here, signed by nobody else, and renewed in time.
    Own {
        /// Where it is kept with its key, as PEM.
        path: PathBuf,
        /// Of the host. If they change, so does the certificate.
        names: Vec<String>,
        /// Under which the host is found too, when it is made.
        addresses: Vec<IpAddr>,
    },
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file is not there, or not for us.
    #[error(
        "cannot read {}; look at the name in [https], and let this user read the file",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no certificate in it.
    #[error(
        "{} holds no certificate; it must be PEM, the server's own first: -----BEGIN CERTIFICATE-----",
        .0.display()
    )]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error(
        "{} holds no private key; it must be PEM and not encrypted (`openssl pkey` decrypts it): \
         -----BEGIN PRIVATE KEY-----",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The file is broken.
    #[error("{} is damaged ({why}); copy it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// They do not belong together.
    #[error("the key in {} is not that of the certificate in {}; name two that were made together", key.display(), certificate.display())]
    Strangers {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// They cannot be used.
    #[error("cannot use the certificate in {} with the key in {}; have a new pair made, such as ECDSA P-256", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the library says.
        source: Error,
    },
    /// None could be made.
    #[error("cannot make a certificate; name files in [https]: certificate and key")]
    Unmade(#[from] rcgen::Error),
}

/// What tells whether files have changed: of each when its contents or its permissions did last, its number and its
/// length, if it is there.
type Stamp = [Option<((i64, i64), u64, u64)>; 2];

/// Keeps the certificate that is shown up to date.
pub(super) struct Keeper {
    identity: Identity,
    shown: Arc<Shown>,
    /// Of the files that what is shown was read from. Those that could not be used are read again at each look: what
    /// was half written, or could not be read for a moment, may be whole without looking changed.
    seen: Stamp,
    /// The last trouble that was told, until it is over.
    told: Option<String>,
}

impl Identity {
    /// Whether it could be shown, without making anything: its SHA-256 fingerprint, unless it is yet to be made.
    ///
    /// # Errors
    /// If files are named and cannot be used.
    pub fn inspect(&self) -> Result<Option<String>, CertificateError> {
        match self {
            Self::Files { certificate, key } => load(certificate, key).map(|found| Some(fingerprint(&found))),
            Self::Own { path, names, .. } => Ok(kept(path, names).map(|found| fingerprint(&found))),
        }
    }

    fn stamp(&self) -> Stamp {
        match self {
            Self::Files { certificate, key } => [stamp(certificate), stamp(key)],
            Self::Own { .. } => [None, None],
        }
    }
}

impl Keeper {
    /// Reads what there is, or makes it.
    pub(super) fn new(identity: Identity) -> Result<Self, CertificateError> {
        let seen = identity.stamp();
        let certified = match &identity {
            Identity::Files { certificate, key } => load(certificate, key)?,
            Identity::Own { path, names, addresses } => match kept(path, names) {
                Some(kept) => kept,
                None => make(path, names, addresses)?,
            },
        };
        match &identity {
            Identity::Files { .. } => tracing::info!(fingerprint = fingerprint(&certified), "HTTPS"),
            Identity::Own { .. } => tracing::info!(
                fingerprint = fingerprint(&certified),
                "HTTPS with a certificate of our own, which browsers do not know: compare what they show with this"
            ),
        }
        Ok(Self { identity, shown: Arc::new(Shown::new(certified)), seen, told: None })
    }

    pub(super) fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }

    /// Looks from time to time, for ever.
    pub(super) async fn keep(mut self) {
        let pause = match &self.identity {
            Identity::Files { .. } => LOOK,
            Identity::Own { .. } => LOOK_AT_OWN,
        };
        let mut looks = tokio::time::interval(pause);
        loop {
            looks.tick().await;
            // Reading, and making all the more, takes its time.
            match tokio::task::spawn_blocking(move || self.look()).await {
                Ok(looked) => self = looked,
                Err(error) => {
                    tracing::error!(%error, "the certificate is no longer looked after; please report this");
                    return std::future::pending().await;
                }
            }
        }
    }

    /// Shows another certificate if there is another one, and keeps the old one if that cannot be used.
    fn look(mut self) -> Self {
        let stamp = self.identity.stamp();
        let renewed = match &self.identity {
            Identity::Files { certificate, key } if stamp != self.seen => load(certificate, key),
            // What is shown counts, not what is kept: one that cannot be kept is as good until its end.
            Identity::Own { path, names, addresses }
                if !is_good(&self.shown.get(), names, &RealClock.wall()) =>
            {
                make(path, names, addresses)
            }
            _ => return self,
        };
        self.settle(stamp, renewed);
        self
    }

    /// Shows what came of reading the files that were so, or of making another one.
    fn settle(&mut self, stamp: Stamp, renewed: Result<CertifiedKey, CertificateError>) {
        match renewed {
            Ok(certified) => {
                (self.seen, self.told) = (stamp, None);
                tracing::info!(fingerprint = fingerprint(&certified), "HTTPS with another certificate");
                self.shown.replace(certified);
            }
            Err(error) => {
                let error = crate::base::Chain(&error).to_string();
                if self.told.as_ref() != Some(&error) {
                    tracing::warn!(%error, "the new certificate cannot be used, going on with the old one");
                }
                self.told = Some(error);
            }
        }
    }
}

fn stamp(path: &Path) -> Option<((i64, i64), u64, u64)> {
    let file = fs::metadata(path).ok()?;
    Some(((file.ctime(), file.ctime_nsec()), file.ino(), file.len()))
}

/// The pair in these files, which may be one.
fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })
    };
    pair(&read(certificate)?, certificate, &read(key)?, key)
}

fn pair(
    certificate: &[u8],
    certificate_path: &Path,
    key: &[u8],
    key_path: &Path,
) -> Result<CertifiedKey, CertificateError> {
    let damaged = |path: &Path, error: pem::Error| CertificateError::Damaged {
        path: path.to_owned(),
        why: match error {
            // The library's own words are the bytes of that line.
            pem::Error::MissingSectionEnd { .. } => "it ends in the middle: no -----END".to_owned(),
            error => error.to_string(),
        },
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(certificate_path, error))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(certificate_path.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey(key_path.to_owned()),
        error => damaged(key_path, error),
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|source| {
        let (certificate, key) = (certificate_path.to_owned(), key_path.to_owned());
        match source {
            Error::InconsistentKeys(_) => CertificateError::Strangers { certificate, key },
            source => CertificateError::Unusable { certificate, key, source },
        }
    })
}

/// The certificate of our own that is kept at `path`, unless another one is to be made.
fn kept(path: &Path, names: &[String]) -> Option<CertifiedKey> {
    let found = match load(path, path) {
        Err(CertificateError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return None;
        }
        found => found,
    };
    let good = |found: &CertifiedKey| is_good(found, names, &RealClock.wall());
    found
        .inspect_err(|error| tracing::warn!(error = %crate::base::Chain(error), "making another certificate"))
        .ok()
        .filter(good)
}

/// Whether clients that trust this very certificate do now, and still will in a month, under each of these names.
fn is_good(certified: &CertifiedKey, names: &[String], now: &WallReading) -> bool {
    let Some(own) = certified.cert.first() else { return false };
    let mut trusted = RootCertStore::empty();
    let verifier = trusted.add(own.clone()).ok().and_then(|()| {
        WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), provider()).build().ok()
    });
    let Some(verifier) = verifier else { return false };
    let since_1970 = Duration::from_nanos(now.wall.as_unix_nanos().try_into().unwrap_or(0));
    let trusted_at = |name: &ServerName<'_>, at: Duration| {
        match verifier.verify_server_cert(own, &[], name, &[], UnixTime::since_unix_epoch(at)) {
            Ok(_) => true,
            // A board without a clock of its own begins in the past; once somebody vouches for its clock, this was
            // made while that was ahead.
            Err(Error::InvalidCertificate(Refused::NotValidYet | Refused::NotValidYetContext { .. })) => {
                now.sync == Sync::Unsynchronised
            }
            Err(_) => false,
        }
    };
    names
        .iter()
        .filter_map(|name| ServerName::try_from(name.as_str()).ok())
        .all(|name| trusted_at(&name, since_1970) && trusted_at(&name, since_1970 + RENEWAL))
}

/// Makes a certificate and keeps it.
fn make(path: &Path, names: &[String], addresses: &[IpAddr]) -> Result<CertifiedKey, CertificateError> {
    let text = written(names, addresses, today(jiff::Timestamp::now(), of_the_program()))?;
    if let Err(error) = keep(path, &text) {
        tracing::warn!(
            path = %path.display(), %error,
            "cannot keep the certificate, so that there will be another one after a restart; make the directory writable"
        );
    }
    pair(text.as_bytes(), path, text.as_bytes(), path)
}

/// The day it is, by a clock that may not be set: none before the program was made. Else nobody would take the certificate.
fn today(clock: jiff::Timestamp, program: Option<jiff::Timestamp>) -> Date {
    program.map_or(clock, |made| made.max(clock)).to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn of_the_program() -> Option<jiff::Timestamp> {
    fs::metadata("/proc/self/exe").ok()?.modified().ok()?.try_into().ok()
}

/// A new key and a certificate for it, signed with it, as PEM.
fn written(names: &[String], addresses: &[IpAddr], today: Date) -> Result<String, CertificateError> {
    // What cannot be a name in a certificate (RFC 5280, 4.2.1.6) is left out.
    let names = names.iter().filter(|name| ServerName::try_from(name.as_str()).is_ok()).cloned();
    let all: Vec<String> = names.chain(addresses.iter().map(IpAddr::to_string)).collect();
    let mut wanted = CertificateParams::new(all)?;
    wanted.distinguished_name.remove(DnType::CommonName);
    wanted.distinguished_name.push(DnType::CommonName, "Outpost");
    let from = today.saturating_sub(1.day());
    let until = from.saturating_add(GOOD.days());
    let ymd = |date: Date| (date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    let ((year, month, day), (last_year, last_month, last_day)) = (ymd(from), ymd(until));
    wanted.not_before = date_time_ymd(year, month, day);
    wanted.not_after = date_time_ymd(last_year, last_month, last_day);
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = wanted.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Writes the file whole or not at all, for this user alone.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("new");
    // A file that is there already would keep the rights it has.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// SHA-256 of the certificate, as browsers and openssl write it.
fn fingerprint(certified: &CertifiedKey) -> String {
    let der = certified.cert.first().map_or(&[][..], AsRef::as_ref);
    let bytes = digest(&SHA256, der);
    bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Monotonic, SimClock, WallTime};
    use std::env::temp_dir;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn pem(names: &[String], today: Date) -> String {
        written(names, &[], today).expect("a certificate")
    }

    fn of(pem: &str) -> Result<CertifiedKey, CertificateError> {
        let path = Path::new("/a.pem");
        pair(pem.as_bytes(), path, pem.as_bytes(), path)
    }

    #[test]
    fn a_certificate_of_our_own_is_good_until_a_month_before_its_end_and_for_its_names() {
        let made = Date::constant(2026, 1, 2);
        let host = names(&["box", "box.local"]);
        let certified = of(&pem(&host, made)).expect("a pair");
        let at = |days: i64, sync| {
            let noon = made.saturating_add(days.days()).at(12, 0, 0, 0).in_tz("UTC").expect("a time");
            let nanos = noon.timestamp().as_nanosecond().try_into().expect("this century");
            let clock = SimClock::new(Monotonic::default(), WallTime::from_unix_nanos(nanos));
            clock.set_wall(clock.wall().wall, sync);
            clock.wall()
        };
        let after = |days| at(days, Sync::Synchronised);
        // One made while the clock was ahead is made anew once the clock is right, be it a week or a year.
        for (day, good) in
            [(0, true), (700, true), (767, true), (770, false), (900, false), (-7, false), (-300, false)]
        {
            assert_eq!(is_good(&certified, &host, &after(day)), good, "after {day} days");
        }
        for (day, good) in [(0, true), (770, false), (-7, true), (-300, true)] {
            let early = at(day, Sync::Unsynchronised);
            assert_eq!(is_good(&certified, &host, &early), good, "after {day} days, by a clock of its own");
        }
        assert!(!is_good(&certified, &names(&["box", "other.local"]), &after(1)));
        assert!(
            is_good(&certified, &names(&["box", "not a name"]), &after(1)),
            "what can't be in it is not missed"
        );
    }

    #[test]
    fn no_certificate_is_older_than_the_program() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
        let (made, never) = (at("2026-11-22T03:00:00Z"), at("1970-01-01T00:00:20Z"));
        for (clock, program, expected) in [
            (never, Some(made), Date::constant(2026, 11, 22)),
            (at("2027-05-01T12:00:00Z"), Some(made), Date::constant(2027, 5, 1)),
            (never, None, Date::constant(1970, 1, 1)),
        ] {
            assert_eq!(today(clock, program), expected);
        }
        assert!(of_the_program().is_some_and(|made| made > at("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn files_that_cannot_be_used_are_told_with_what_to_do() {
        let today = Date::constant(2026, 1, 2);
        let (one, two) = (pem(&names(&["one"]), today), pem(&names(&["two"]), today));
        let split = |pem: &str| {
            let at = pem.find("-----BEGIN PRIVATE").expect("a key");
            (pem[..at].to_owned(), pem[at..].to_owned())
        };
        let ((certificate, key), (_, other)) = (split(&one), split(&two));
        let half = certificate[..certificate.len() / 2].to_owned();
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let noise = key.replace("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n!!!!");
        let empty = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned();
        let no_key = "/k holds no private key; it must be PEM and not encrypted (`openssl pkey` decrypts it): \
                      -----BEGIN PRIVATE KEY-----";
        let table = [
            (
                &key,
                &key,
                "/c holds no certificate; it must be PEM, the server's own first: -----BEGIN CERTIFICATE-----",
            ),
            (&half, &key, "/c is damaged (it ends in the middle: no -----END); copy it again"),
            (&certificate, &certificate, no_key),
            (&certificate, &encrypted, no_key),
            (&certificate, &noise, "/k is damaged (base64 decode error"),
            (
                &certificate,
                &other,
                "the key in /k is not that of the certificate in /c; name two that were made together",
            ),
            (
                &certificate,
                &empty,
                "cannot use the certificate in /c with the key in /k; have a new pair made, such as ECDSA P-256: ",
            ),
        ];
        for (certificate, key, expected) in table {
            let (c, k) = (Path::new("/c"), Path::new("/k"));
            let error = pair(certificate.as_bytes(), c, key.as_bytes(), k).expect_err(expected);
            let told = crate::base::Chain(&error).to_string();
            assert!(told.starts_with(expected), "{told}");
        }
        let error = load(Path::new("/nowhere/c"), Path::new("/nowhere/k")).expect_err("nothing is there");
        assert_eq!(
            crate::base::Chain(&error).to_string(),
            "cannot read /nowhere/c; look at the name in [https], and let this user read the file: No such file or \
             directory (os error 2)"
        );
    }

    #[test]
    fn a_half_written_pair_is_left_alone_until_it_is_whole() {
        let folder = temp_dir().join(format!("outpost-certificate-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) = (folder.join("c"), folder.join("k"));
        let (one, two) = ["one", "two"].map(|name| pem(&names(&[name]), Date::constant(2026, 1, 2))).into();
        let put = |path: &Path, text: &str| {
            let beside = folder.join("beside");
            fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).expect("a file");
        };
        put(&certificate, &one);
        put(&key, &one);
        let identity = Identity::Files { certificate: certificate.clone(), key: key.clone() };
        let mut keeper = Keeper::new(identity).expect("a pair");
        let shown = |keeper: &Keeper| fingerprint(&keeper.shown.get());
        let first = shown(&keeper);
        let steps: [(&Path, &str, bool); 4] =
            [(&certificate, &two, false), (&key, "", false), (&key, &two, true), (&certificate, "", true)];
        for (path, text, replaced) in steps {
            put(path, text);
            keeper = keeper.look();
            assert_eq!(shown(&keeper) != first, replaced, "{path:?} {text:.10}");
        }
        fs::remove_dir_all(folder).expect("it was there");
    }

    #[test]
    fn what_could_not_be_read_is_read_again_though_the_files_be_the_same() {
        let folder = temp_dir().join(format!("outpost-certificate-again-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("both");
        let put = |name| fs::write(&path, pem(&names(&[name]), Date::constant(2026, 1, 2))).expect("a file");
        put("one");
        let identity = Identity::Files { certificate: path.clone(), key: path.clone() };
        let mut keeper = Keeper::new(identity.clone()).expect("a pair");
        let first = fingerprint(&keeper.shown.get());
        put("two");
        // No descriptor was left, the disk did not answer, or only half was written: the files need not change again.
        let source = io::Error::from_raw_os_error(libc::EMFILE);
        let unreadable = CertificateError::Unreadable { path: path.clone(), source };
        let half = CertificateError::Damaged { path: path.clone(), why: "it ends in the middle".to_owned() };
        for failure in [unreadable, half] {
            keeper.settle(identity.stamp(), Err(failure));
            assert_eq!(fingerprint(&keeper.shown.get()), first);
        }
        let keeper = keeper.look();
        assert_ne!(fingerprint(&keeper.shown.get()), first);
        fs::remove_dir_all(folder).expect("it was there");
    }

    #[test]
    fn a_certificate_that_cannot_be_kept_is_used_all_the_same() {
        let identity = |path| Identity::Own { path, names: names(&["box"]), addresses: Vec::new() };
        let keeper = Keeper::new(identity(PathBuf::from("/proc/nowhere/https.pem"))).expect("a certificate");
        let first = fingerprint(&keeper.shown.get());
        let keeper = keeper.look().look();
        assert_eq!(fingerprint(&keeper.shown.get()), first, "and no other one each minute");
        assert_eq!(identity(PathBuf::from("/nowhere/https.pem")).inspect().ok(), Some(None));
    }
}
