//! Addresses of RTSP servers and their tracks.

use rtsp_types::Url;

use super::Error;

/// The port of RTSP without TLS, RFC 2326 section 3.2.
const DEFAULT_PORT: u16 = 554;

/// Reads an address; user and password in it are dropped.
///
/// # Errors
/// [`Error::Unsupported`] for what is not `rtsp://host…`. The text does not repeat the address: it may hold a password.
pub fn parse(address: &str) -> Result<Url, Error> {
    let mut url = Url::parse(address.trim()).map_err(|_| Error::Unsupported("the address cannot be read".into()))?;
    match url.scheme() {
        "rtsp" => {}
        "rtsps" => return Err(Error::Unsupported("RTSP over TLS (rtsps) is not supported".into())),
        _ => return Err(Error::Unsupported("the address does not begin with rtsp://".into())),
    }
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let without_user = url.set_username("").and_then(|()| url.set_password(None));
    if !has_host || without_user.is_err() {
        return Err(Error::Unsupported("the address has no host".into()));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Reads an address that may be given from the root of a known one's server: `/path`.
///
/// # Errors
/// As [`parse`].
pub fn resolve(address: &str, known: &Url) -> Result<Url, Error> {
    let address = address.trim();
    match address.strip_prefix('/') {
        Some(rest) if !rest.starts_with('/') => {
            known.join(address).map_or_else(|_| parse(address), |url| parse(url.as_str()))
        }
        Some(_) | None => parse(address),
    }
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// The server of an address that [`parse`] has read.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Self { host, port: url.port().unwrap_or(DEFAULT_PORT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        let shown = match parse(address) {
            Ok(url) => format!("{url} {} {}", Endpoint::of(&url).host, Endpoint::of(&url).port),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn addresses_give_their_server_and_lose_their_credentials() {
        check("rtsp://user:secret@10.0.0.1/a?b=1&c", "rtsp://10.0.0.1/a?b=1&c 10.0.0.1 554");
        check("rtsp://[fe80::1]:8554", "rtsp://[fe80::1]:8554 fe80::1 8554");
        check("rtsp://cam.local:8554/s/", "rtsp://cam.local:8554/s/ cam.local 8554");
        check("rtsps://h/", "RTSP over TLS (rtsps) is not supported");
        check("http://h/", "the address does not begin with rtsp://");
        check("rtsp:///x", "the address has no host");
        check("rtsp:x", "the address has no host");
        check("secret", "the address cannot be read");
    }

    #[test]
    fn an_address_from_the_root_belongs_to_the_known_server() {
        let known = parse("rtsp://h:8554/a/b?c=1").unwrap();
        for (address, expected) in [
            ("/live/2?x=y#z", "rtsp://h:8554/live/2?x=y"),
            ("rtsp://u:p@other/s", "rtsp://other/s"),
            ("//other/s", "the address cannot be read"),
            ("live/2", "the address cannot be read"),
        ] {
            let shown = resolve(address, &known).map_or_else(|error| error.to_string(), |url| url.to_string());
            assert_eq!(shown, expected, "{address}");
        }
    }
}
