//! Who may fetch what of an enciphered stream is in the clear: its keys, the endless stream, photos, clips.
//!
//! Whoever shows the token may, and whoever shows a signature made with it, until that expires. Who knows the token
//! can sign: a website that knows who its guests are needs nothing else of us.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::base::{Clock, WallTime};

/// How long a token is, in characters: what can be tried out by whoever has a signature is the shorter ones.
const TOKEN_LEN: std::ops::RangeInclusive<usize> = 16..=512;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Bytes of a signature.
const MAC_LEN: usize = 32;

/// A secret that those share who may: letters, digits and `-._~+/=` (RFC 6750, 2.1), 16 to 512 of them.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl FromStr for Token {
    type Err = String;

    /// What is wrong with it is said without telling it: it may end up in a log.
    fn from_str(text: &str) -> Result<Self, String> {
        if !TOKEN_LEN.contains(&text.len()) {
            let (low, high) = (TOKEN_LEN.start(), TOKEN_LEN.end());
            return Err(format!(
                "{} characters are out of range; a token has from {low} to {high}; `openssl rand -hex 16` makes one",
                text.len()
            ));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(
                "a token has letters, digits and -._~+/= alone; `openssl rand -hex 16` makes one".to_owned()
            );
        }
        Ok(Self(text.into()))
    }
}

/// Never the token: this is for logs.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
}

impl Eq for Token {}

impl Token {
    /// Takes as long whatever the difference is; how long the token is may be found out.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }

    /// The signature's code: over the stream's name and the second it expires.
    fn code(&self, stream: &str, expires: WallTime) -> Hmac<Sha256> {
        let mut code =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        // No name has a colon in it.
        code.update(format!("{stream}:{}", seconds(expires)).as_bytes());
        code
    }
}

/// What a signed address has behind its `?`: `expires={seconds since 1970}&signature={64 hexadecimal digits}`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    expires: WallTime,
    signature: [u8; MAC_LEN],
}

impl Pass {
    /// For the stream `stream`, until `expires`, of which whole seconds count.
    pub fn sign(token: &Token, stream: &str, expires: WallTime) -> Self {
        let signature = token.code(stream, expires).finalize().into_bytes().into();
        Self { expires, signature }
    }

    /// The one in a query, if there is one that could be. Of several none is.
    fn parse(query: &str) -> Option<Self> {
        let one = |name: &str| {
            let values =
                || query.split('&').filter_map(|pair| pair.split_once('=').filter(|it| it.0 == name));
            values().next().filter(|_| values().count() == 1).map(|(_, value)| value)
        };
        let (expires, signature) = (one("expires")?, one("signature")?);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let expires =
            expires.parse::<i64>().ok().filter(|_| digits(expires))?.checked_mul(NANOS_PER_SECOND)?;
        Some(Self { expires: WallTime::from_unix_nanos(expires), signature: unhex(signature)? })
    }

    fn is_of(&self, token: &Token, stream: &str) -> bool {
        // Compares in constant time.
        token.code(stream, self.expires).verify_slice(&self.signature).is_ok()
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expires={}&signature=", seconds(self.expires))?;
        self.signature.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Never the signature: this is for logs.
impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("expires", &self.expires).finish_non_exhaustive()
    }
}

fn seconds(at: WallTime) -> i64 {
    at.as_unix_nanos().div_euclid(NANOS_PER_SECOND)
}

fn unhex(text: &str) -> Option<[u8; MAC_LEN]> {
    let text = text.as_bytes();
    let mut bytes = [0; MAC_LEN];
    if text.len() != 2 * MAC_LEN {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

/// The rule of one stream.
#[derive(Clone, Default)]
pub enum Access {
    /// Everybody may.
    #[default]
    Open,
    /// Those who show this token, or what was signed with it and has not expired by this clock.
    Token(Token, Arc<dyn Clock>),
}

/// When the right to something ends that takes long to give.
pub(super) struct Expiry {
    at: WallTime,
    clock: Arc<dyn Clock>,
}

impl Expiry {
    /// Whether that is past.
    pub(super) fn is_over(&self) -> bool {
        self.clock.wall().wall >= self.at
    }
}

impl fmt::Debug for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expiry").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    /// Neither token nor signature.
    #[error(
        "this needs a token (Authorization: Bearer) or a signed address; whoever runs this stream gives them out"
    )]
    Missing,
    /// Another token.
    #[error("this is not the token of this stream")]
    WrongToken,
    /// Not signed with the token, or for another stream.
    #[error("this address is not signed for this stream")]
    WrongSignature,
    /// It was right once.
    #[error("this address has expired; ask for a new one where you have it from")]
    Expired,
}

impl Access {
    /// Whether who sends these may have what is guarded of the stream `stream`.
    pub(super) fn judge(&self, stream: &str, headers: &HeaderMap, query: &str) -> Result<(), Denial> {
        let Self::Token(token, clock) = self else { return Ok(()) };
        if let Some(given) = bearer(headers) {
            return token.is(given).then_some(()).ok_or(Denial::WrongToken);
        }
        match Pass::parse(query) {
            Some(pass) if !pass.is_of(token, stream) => Err(Denial::WrongSignature),
            Some(Pass { expires, .. }) if clock.wall().wall >= expires => Err(Denial::Expired),
            Some(_) => Ok(()),
            None if query.contains("signature=") => Err(Denial::WrongSignature),
            None => Err(Denial::Missing),
        }
    }

    /// When the right of who sends these ends, if it does: a pass has an end, the token has none.
    pub(super) fn expiry(&self, headers: &HeaderMap, query: &str) -> Option<Expiry> {
        let Self::Token(_, clock) = self else { return None };
        let pass = Pass::parse(query).filter(|_| bearer(headers).is_none())?;
        Some(Expiry { at: pass.expires, clock: clock.clone() })
    }

    /// The pass that playlists asked for with this query hand on: one that is good for something.
    pub(super) fn pass(&self, stream: &str, query: &str) -> Option<Pass> {
        match self {
            Self::Open => None,
            Self::Token(..) => {
                Pass::parse(query).filter(|_| self.judge(stream, &HeaderMap::new(), query).is_ok())
            }
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Access::Open",
            Self::Token(..) => "Access::Token(..)",
        })
    }
}

/// What follows the scheme Bearer, which is written in any case (RFC 9110, 11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// A media playlist whose EXT-X-KEY tags hand on the pass; all else is as it was.
pub(super) fn with_pass(playlist: &str, pass: &Pass) -> String {
    let pass = &pass.to_string();
    let mut text = String::with_capacity(playlist.len() + 4 * pass.len());
    for line in playlist.split_inclusive('\n') {
        // An URI is a quoted string (RFC 8216, 4.2), and holds no quotation mark.
        let uri = line.strip_prefix("#EXT-X-KEY:").and_then(|attributes| attributes.split_once("URI=\""));
        let Some((uri, rest)) = uri.and_then(|(_, rest)| rest.split_once('"')) else {
            text.push_str(line);
            continue;
        };
        text.push_str(&line[..line.len() - rest.len() - 1]);
        text.push(if uri.contains('?') { '&' } else { '?' });
        text.push_str(pass);
        text.push('"');
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Monotonic, SimClock};
    use hyper::header::HeaderValue;
    use proptest::prelude::*;
    use std::time::Duration;

    const TOKEN: &str = "0123456789abcdef";

    fn at(seconds: i64) -> WallTime {
        WallTime::from_unix_nanos(seconds * NANOS_PER_SECOND)
    }

    fn token() -> Token {
        TOKEN.parse().expect("a token")
    }

    /// A rule, and its clock at 1,000,000 seconds.
    fn guarded() -> (Access, Arc<SimClock>) {
        let clock = Arc::new(SimClock::new(Monotonic::default(), at(1_000_000)));
        (Access::Token(token(), clock.clone()), clock)
    }

    fn with(credentials: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(credentials));
        headers
    }

    #[test]
    fn tokens_there_can_be() {
        for accepted in [TOKEN, "aB3-._~+/aB3-._~=", &"x".repeat(512)] {
            assert!(accepted.parse::<Token>().is_ok(), "{accepted}");
        }
        for refused in ["", "0123456789abcde", "0123456789abcde ", "0123456789abcde\"", "0123456789abcdeé"] {
            let why = refused.parse::<Token>().expect_err("no token");
            assert!(why.contains("openssl rand -hex 16") && !why.contains("abc"), "{why}");
        }
        assert!("x".repeat(513).parse::<Token>().is_err());
        assert!(token() == token() && token() != "0123456789abcdeF".parse().expect("a token"));
    }

    #[test]
    fn who_may_and_why_others_may_not() {
        let (access, _) = guarded();
        let good = Pass::sign(&token(), "radio", at(1_000_001)).to_string();
        let other = Pass::sign(&token(), "camera", at(1_000_001)).to_string();
        let late = Pass::sign(&token(), "radio", at(1_000_000)).to_string();
        let foreign =
            Pass::sign(&"another-token-altogether".parse().expect("a token"), "radio", at(2_000_000));
        let longer = good.replace("expires=1000001", "expires=1000002");
        let none = HeaderMap::new;
        let table = [
            ("nothing", none(), "", Err(Denial::Missing)),
            ("another query", none(), "from=now", Err(Denial::Missing)),
            ("the token", with("Bearer 0123456789abcdef"), "", Ok(())),
            ("its scheme in small letters", with("bearer 0123456789abcdef"), "", Ok(())),
            ("another token", with("Bearer 0123456789abcdeF"), "", Err(Denial::WrongToken)),
            ("half the token", with("Bearer 01234567"), "", Err(Denial::WrongToken)),
            ("no token", with("Bearer "), "", Err(Denial::WrongToken)),
            ("another scheme", with("Basic 0123456789abcdef"), "", Err(Denial::Missing)),
            ("a pass", none(), &good, Ok(())),
            ("a pass among others", none(), &format!("_HLS_skip=YES&{good}&x"), Ok(())),
            (
                "in capitals",
                none(),
                &good.to_uppercase().replace("EXPIRES", "expires").replace("SIGNATURE", "signature"),
                Ok(()),
            ),
            ("a pass of another stream", none(), &other, Err(Denial::WrongSignature)),
            ("a pass that has just expired", none(), &late, Err(Denial::Expired)),
            ("a pass signed with another token", none(), &foreign.to_string(), Err(Denial::WrongSignature)),
            ("a pass drawn out", none(), &longer, Err(Denial::WrongSignature)),
            ("cut short", none(), &good[..good.len() - 1], Err(Denial::WrongSignature)),
            ("twice", none(), &format!("{good}&{good}"), Err(Denial::WrongSignature)),
            ("no digits", none(), &good.replace("expires=1", "expires=+1"), Err(Denial::WrongSignature)),
            (
                "beyond all counting",
                none(),
                &good.replace("expires=1", "expires=9999999999991"),
                Err(Denial::WrongSignature),
            ),
        ];
        for (case, headers, query, expected) in table {
            assert_eq!(access.judge("radio", &headers, query), expected, "{case}");
            assert_eq!(Access::Open.judge("radio", &headers, query), Ok(()), "{case}");
            let handed_on = access.pass("radio", query).is_some();
            assert_eq!(handed_on, expected.is_ok() && headers.is_empty(), "{case}");
        }
    }

    #[test]
    fn a_pass_expires_with_the_clock() {
        let (access, clock) = guarded();
        let query = Pass::sign(&token(), "radio", at(1_000_060)).to_string();
        clock.advance(Duration::from_millis(59_999));
        assert_eq!(access.judge("radio", &HeaderMap::new(), &query), Ok(()));
        clock.advance(Duration::from_millis(1));
        assert_eq!(access.judge("radio", &HeaderMap::new(), &query), Err(Denial::Expired));
    }

    #[test]
    fn nothing_shows_a_secret() {
        let (access, _) = guarded();
        let pass = Pass::sign(&token(), "radio", at(60));
        let shown = format!("{access:?} {:?} {pass:?}", token());
        assert!(!shown.contains("012345") && !shown.contains(&pass.to_string()[30..40]), "{shown}");
    }

    #[test]
    fn keys_are_handed_the_pass_and_nothing_else_is() {
        let pass = Pass { expires: at(60), signature: [0xAB; MAC_LEN] };
        let query = format!("expires=60&signature={}", "ab".repeat(32));
        let playlist = "#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n1.ts\n\
                        #EXT-X-KEY:METHOD=AES-128,URI=\"../keys/7.key\"\n#EXTINF:2,\n2.ts\n\
                        #EXT-X-KEY:METHOD=AES-128,URI=\"https://a/?k=8.key\",KEYFORMAT=\"identity\"\n3.ts\n";
        let expected =
            playlist.replace("7.key", &format!("7.key?{query}")).replace("8.key", &format!("8.key&{query}"));
        assert_eq!(with_pass(playlist, &pass), expected);
        assert_eq!(with_pass("#EXTM3U\n1.ts\n", &pass), "#EXTM3U\n1.ts\n");
        for cut in 0..playlist.len() {
            let _ = with_pass(&playlist[..cut], &pass);
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_let_in_and_nothing_near_it(expires in 1_000_001i64..9_000_000_000, bit in 0usize..256) {
            let (access, _) = guarded();
            let pass = Pass::sign(&token(), "radio", at(expires));
            prop_assert_eq!(Pass::parse(&pass.to_string()), Some(pass));
            prop_assert_eq!(access.judge("radio", &HeaderMap::new(), &pass.to_string()), Ok(()));
            let mut forged = pass;
            forged.signature[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(
                access.judge("radio", &HeaderMap::new(), &forged.to_string()), Err(Denial::WrongSignature)
            );
        }

        #[test]
        fn any_query_has_an_answer(query in "(expires|signature|=|&|[0-9a-f]{0,64}|%|é){0,12}") {
            let (access, _) = guarded();
            prop_assert!(access.judge("radio", &HeaderMap::new(), &query).is_err());
        }
    }
}
