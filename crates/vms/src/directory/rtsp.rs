//! Streams with an RTSP address: user and password are taken out of it, sealed, and put back where it is pulled.

use std::collections::{BTreeMap, BTreeSet};

use db::{Details, Stream};
use domain::{AgencyId, Camera, CameraId, Rendition};
use media::config::{BaseEntry, Keys};
use serde_json::Value;

use crate::Error;

/// What the names of the settings documents with credentials begin with; the camera's id follows.
pub(super) const CREDENTIALS: &str = "cameras/credentials/";
const SCHEME: &str = "rtsp://";

/// What stands before the `@` of the addresses of a camera, by rendition, percent-encoded as it was given.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Userinfo(BTreeMap<Rendition, String>);

impl std::fmt::Debug for Userinfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Userinfo {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_json(&self) -> String {
        let texts = self.0.iter().map(|(rendition, text)| (rendition.as_str().to_owned(), Value::from(text.as_str())));
        Value::Object(texts.collect()).to_string()
    }

    pub(super) fn of_json(camera: CameraId, body: &str) -> Result<Self, Error> {
        let damaged = || Error::Credentials { camera };
        let texts: BTreeMap<String, String> = serde_json::from_str(body).map_err(|_| damaged())?;
        let texts = texts.into_iter().map(|(name, text)| Ok((name.parse().map_err(|()| damaged())?, text)));
        Ok(Self(texts.collect::<Result<_, Error>>()?))
    }

    /// The address with user and password, for whoever pulls it.
    pub(super) fn complete(&self, stream: &Stream) -> String {
        match (self.0.get(&stream.rendition), stream.address.strip_prefix(SCHEME)) {
            (Some(userinfo), Some(rest)) => format!("{SCHEME}{userinfo}@{rest}"),
            (None, _) | (_, None) => stream.address.clone(),
        }
    }
}

/// What can be said of a bare RTSP camera: names and the addresses of its streams.
#[must_use]
pub fn rtsp_details(
    id: CameraId,
    agency: AgencyId,
    (name, name_ar): (&str, Option<&str>),
    main: Option<&str>,
    sub: Option<&str>,
) -> Details {
    let stream = |rendition, address: &str| Stream {
        rendition,
        path: Camera::path_of(id, rendition),
        address: address.to_owned(),
    };
    let main = main.map(|address| stream(Rendition::Main, address));
    let sub = sub.map(|address| stream(Rendition::Sub, address));
    Details {
        agency,
        name: name.to_owned(),
        name_ar: name_ar.map(str::to_owned),
        position: None,
        place: String::new(),
        vendor: String::new(),
        model: String::new(),
        capabilities: BTreeSet::new(),
        streams: main.into_iter().chain(sub).collect(),
        hardware: String::new(),
        recorder: String::new(),
        metadata: BTreeMap::new(),
        folders: BTreeSet::new(),
    }
}

/// The path entry of a stream.
pub(super) fn entry(camera: CameraId, stream: &Stream, source: String) -> BaseEntry {
    let keys = [("source".to_owned(), source.into()), ("sourceOnDemand".to_owned(), true.into())];
    BaseEntry { name: stream.path.to_string(), keys: Keys::from_iter(keys), camera: Some(camera) }
}

/// The details with clean addresses, and what stood before their `@`.
pub(super) fn parted(id: CameraId, mut details: Details) -> Result<(Details, Userinfo), Error> {
    let mut userinfo = Userinfo::default();
    for stream in &mut details.streams {
        let rest = stream.address.strip_prefix(SCHEME).ok_or(Error::Address)?.to_owned();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(Error::Address)?;
        let host = match authority.rsplit_once('@') {
            Some((secret, host)) => {
                userinfo.0.insert(stream.rendition, secret.to_owned());
                host
            }
            None => authority,
        };
        if host.is_empty() {
            return Err(Error::Address);
        }
        let whole = std::mem::replace(&mut stream.address, format!("{SCHEME}{host}{path}"));
        entry(id, stream, whole).check().map_err(|source| Error::Stream { camera: id, source })?;
    }
    Ok((details, userinfo))
}
