//! `outpost sign`: addresses that play until they expire.

use super::address::{Reach, Scheme};
use super::config::{Config, Length, TokenError};
use crate::base::WallTime;
use crate::serve::Pass;

/// Why an address cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    /// No stream has this name.
    #[error("there is no stream {name} in the configuration; there is {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Everybody may fetch it as it is.
    #[error("the stream {0} has no token to sign with; give it one in [stream.access]")]
    Open(String),
    /// Its token cannot be had.
    #[error("the stream {stream}")]
    Token {
        /// Its name.
        stream: String,
        /// Why not.
        source: TokenError,
    },
    /// It would expire after the clocks have.
    #[error("{0} is too long")]
    TooLong(Length),
    /// What stands before the path is no address.
    #[error("{0:?} is no address of a server; write it as \"https://radio.example.org\"")]
    Base(String),
}

/// An address of the stream `name` that plays for `length` from `now`.
///
/// # Errors
/// If there is no such stream, or no token to sign with.
pub(super) fn address(
    config: &Config,
    name: &str,
    length: Length,
    base: Option<&str>,
    now: WallTime,
) -> Result<String, SignError> {
    let stream = config.streams.iter().find(|stream| stream.name.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
        SignError::Unknown { name: name.to_owned(), known: known.join(", ") }
    })?;
    let token =
        stream.access.token().map_err(|source| SignError::Token { stream: name.to_owned(), source })?;
    let token = token.ok_or_else(|| SignError::Open(name.to_owned()))?;
    let nanos = i64::try_from(length.0.to_duration().as_nanos()).ok();
    let expires = nanos.and_then(|nanos| now.as_unix_nanos().checked_add(nanos));
    let expires = expires.map(WallTime::from_unix_nanos).ok_or(SignError::TooLong(length))?;
    let pass = Pass::sign(&token, name, expires);
    // A signed address is a secret: over HTTPS if that is served.
    let reach = config.https.as_ref().map(|https| Reach::of(Scheme::Https, https.listen.0));
    let reach = reach.unwrap_or_else(|| Reach::of(Scheme::Http, config.listen.0));
    let base = base.unwrap_or(reach.best());
    let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', ' '])) {
        return Err(SignError::Base(base.to_owned()));
    }
    Ok(format!("{}/{name}/index.m3u8?{pass}", base.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    const NOON: WallTime = WallTime::from_unix_nanos(1_763_640_000_000_000_000);
    const CONFIG: &str = "[[stream]]\nname = \"radio\"\naudio.kind = \"synth\"\nencryption = {}\n\
                          access.token = \"0123456789abcdef\"\n\
                          [[stream]]\nname = \"open\"\naudio.kind = \"synth\"";

    fn signed(name: &str, length: &str, base: Option<&str>) -> Result<String, String> {
        let config = Config::parse(CONFIG, "outpost.toml").expect("a configuration");
        let length = length.parse().expect("a length");
        address(&config, name, length, base, NOON).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_as_openssl_signs_them() {
        // printf radio:1763647200 | openssl dgst -sha256 -hmac 0123456789abcdef
        let signature = "85c6a07ab1452e09443d715d23f9e33972029bfa1ff1f61c6af55c9e6b510c99";
        let pass = format!("radio/index.m3u8?expires=1763647200&signature={signature}");
        for base in ["https://radio.example.org", "https://radio.example.org/"] {
            assert_eq!(signed("radio", "2h", Some(base)), Ok(format!("https://radio.example.org/{pass}")));
        }
        let address = signed("radio", "2h", None).expect("an address of this machine");
        assert!(address.starts_with("http://") && address.ends_with(&format!(":8080/{pass}")), "{address}");
    }

    #[test]
    fn what_cannot_be_signed_is_told() {
        let refused = [
            (
                signed("raido", "2h", None),
                "there is no stream raido in the configuration; there is radio, open",
            ),
            (
                signed("open", "2h", None),
                "the stream open has no token to sign with; give it one in [stream.access]",
            ),
            (
                signed("radio", "2h", Some("radio.example.org")),
                "\"radio.example.org\" is no address of a server; write it as \"https://radio.example.org\"",
            ),
        ];
        for (result, told) in refused {
            assert_eq!(result, Err(told.to_owned()));
        }
        let forever = Length(Span::from_ticks(i64::MAX / 20_000));
        let config = Config::parse(CONFIG, "outpost.toml").expect("a configuration");
        let error = address(&config, "radio", forever, None, WallTime::from_unix_nanos(i64::MAX));
        assert!(matches!(error, Err(SignError::TooLong(_))), "{error:?}");
    }
}
