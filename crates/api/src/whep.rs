//! WHEP and WHIP on port 8889: one stream to or from one browser, and small pages that play and publish it.
//!
//! `/{path}/whep` is the endpoint of viewers, `/{path}/whep/{secret}` a session, `/{path}/` the page; `/{path}/whip` and
//! `/{path}/publish` are the same for publishers. A path may contain slashes, so the routes are told apart by the end of
//! the URL. Trickled candidates are taken and not needed: the server is ICE-lite and learns the peer's address from its
//! first request. An ICE restart gives the session new names and the client a fragment that tells them.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use domain::{ErrorKind, PathName, SessionId};
use media::{
    Hub,
    admission::{Action, Permit, Protocol},
    hub::ReaderKind,
    webrtc::{Access, Credentials, Engine, Meta, Role},
};
use uuid::Uuid;

use crate::{
    caller::{Caller, user_agent},
    page::{self, HTML, JAVASCRIPT, asset, not_found},
    problem::Problem,
};

/// The largest SDP taken.
const SDP_BYTES: usize = 128 << 10;

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ASSETS: [(&str, &str, &str); 3] = [
    ("/publish", HTML, include_str!("whep/publish.html")),
    ("/reader.js", JAVASCRIPT, include_str!("whep/reader.js")),
    ("/publisher.js", JAVASCRIPT, include_str!("whep/publisher.js")),
];
const ALLOWED_METHODS: &str = "OPTIONS, GET, HEAD, POST, PATCH, DELETE";

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct Whep {
    /// The streams.
    pub hub: Hub,
    /// The WebRTC engine.
    pub engine: Engine,
    /// The port where the same paths are served as HLS, named where WebRTC cannot serve.
    pub hls_port: u16,
}

/// The routes of port 8889.
pub fn router(state: Whep) -> Router {
    Router::new().route("/{*rest}", any(serve)).with_state(state)
}

/// What a URL means.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Endpoint(PathName, Role),
    Session(PathName, Role, String),
    Asset(&'static str, &'static str),
    Page(page::Target),
}

impl Target {
    fn of(rest: &str) -> Option<Self> {
        for (word, role) in [("whep", Role::Read), ("whip", Role::Publish)] {
            if let Some(path) = rest.strip_suffix(word).and_then(|rest| rest.strip_suffix('/')) {
                return PathName::new(path).map(|path| Self::Endpoint(path, role));
            }
            if let Some((path, secret)) = rest.rsplit_once(&format!("/{word}/")) {
                return PathName::new(path).map(|path| Self::Session(path, role, secret.to_owned()));
            }
        }
        for (end, kind, text) in ASSETS {
            if let Some(path) = rest.strip_suffix(end) {
                return PathName::new(path).map(|_| Self::Asset(kind, text));
            }
        }
        page::Target::of(rest).map(Self::Page)
    }
}

async fn serve(State(whep): State<Whep>, Path(rest): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let served = match Target::of(&rest) {
        None => Err(not_found()),
        Some(Target::Endpoint(path, role)) => whep.endpoint(&path, role, parts, body).await,
        Some(Target::Session(path, role, secret)) => whep.session(&path, role, &secret, parts, body).await,
        Some(Target::Asset(kind, text)) => readable(&parts.method).map(|()| asset(kind, text)),
        Some(Target::Page(page)) => {
            let answer = || page.answer(include_str!("whep/page.html"), parts.uri.query());
            readable(&parts.method).and_then(|()| answer())
        }
    };
    let mut response = served.unwrap_or_else(IntoResponse::into_response);
    cors(response.headers_mut());
    response
}

impl Whep {
    async fn endpoint(&self, path: &PathName, role: Role, mut parts: Parts, body: Body) -> Result<Response, Problem> {
        match parts.method {
            Method::OPTIONS => Ok(options()),
            Method::GET => Ok(StatusCode::NO_CONTENT.into_response()),
            Method::HEAD => Ok([(header::CONTENT_TYPE, SDP)].into_response()),
            Method::POST => {
                let caller = caller(&mut parts).await?;
                let permit = self.hub.admit(&caller.0, action(role), path).await?;
                self.open(path, role, permit, &caller, &parts, body).await
            }
            _ => Err(Problem::method_not_allowed("OPTIONS, GET, HEAD, POST")),
        }
    }

    async fn open(
        &self,
        path: &PathName,
        role: Role,
        permit: Permit,
        caller: &Caller,
        parts: &Parts,
        body: Body,
    ) -> Result<Response, Problem> {
        require_type(&parts.headers, SDP)?;
        let offer = text(body).await?;
        let id = SessionId::from_uuid(Uuid::new_v4());
        let meta = Meta {
            id,
            remote_addr: caller.0.address,
            query: without_credentials(parts.uri.query()),
            user: permit.user().to_owned(),
            user_agent: user_agent(&parts.headers),
        };
        let (word, answer) = match role {
            Role::Publish => ("whip", self.engine.whip(&offer, path.clone(), permit, meta).await?),
            Role::Read => {
                let reader = self.hub.attach(path, permit, ReaderKind::WebRtcSession, id)?;
                let answered = self.engine.whep(&offer, reader, meta).await;
                ("whep", answered.map_err(|error| self.with_alternatives(error, path, parts))?)
            }
        };
        let headers = [
            (header::CONTENT_TYPE, SDP.to_owned()),
            (header::LOCATION, format!("{word}/{}", answer.secret)),
            (header::ETAG, format!("\"{}\"", answer.etag)),
            (HeaderName::from_static("accept-patch"), SDP_FRAGMENT.to_owned()),
            (HeaderName::from_static("id"), id.to_string()),
        ];
        Ok((StatusCode::CREATED, headers, answer.sdp).into_response())
    }

    /// Where else a stream can be viewed that WebRTC cannot carry.
    fn with_alternatives(&self, error: media::Error, path: &PathName, parts: &Parts) -> Problem {
        let impossible = matches!(error, media::Error::Unsupported(_));
        let problem = Problem::from(error);
        if impossible { problem.with("alternatives", vec![self.hls_url(path, parts)]) } else { problem }
    }

    async fn session(
        &self,
        path: &PathName,
        role: Role,
        secret: &str,
        mut parts: Parts,
        body: Body,
    ) -> Result<Response, Problem> {
        if parts.method == Method::OPTIONS {
            return Ok(options());
        }
        let caller = caller(&mut parts).await?;
        match self.hub.admit(&caller.0, action(role), path).await {
            // The session holds its own place; a full house does not lock its owner out.
            Ok(_) | Err(media::Error::Limit { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // A secret opens its own path only, and not for the other role.
        let session = self.engine.access(secret);
        let session = session.filter(|session| session.path == path.as_str() && session.role == role);
        match parts.method {
            Method::DELETE if session.is_some() && self.engine.close(secret).await => {
                Ok(StatusCode::OK.into_response())
            }
            Method::PATCH => self.patch(secret, session.ok_or_else(not_found)?, &parts.headers, body).await,
            Method::DELETE => Err(not_found()),
            _ => Err(Problem::method_not_allowed("OPTIONS, PATCH, DELETE")),
        }
    }

    /// Trickled candidates, or an ICE restart when the client has a new name.
    async fn patch(&self, secret: &str, session: Access, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
        require_type(headers, SDP_FRAGMENT)?;
        let tag = headers.get(header::IF_MATCH).and_then(|tag| tag.to_str().ok()).ok_or_else(|| {
            refusal(StatusCode::PRECONDITION_REQUIRED, "the header If-Match is required", "الترويسة If-Match مطلوبة")
        })?;
        let (any, current) = (tag.trim() == "*", tag.trim() == format!("\"{}\"", session.etag));
        if !any && !current {
            let (en, ar) = ("the session has another entity tag", "وسم الجلسة لم يعد صالحاً");
            return Err(refusal(StatusCode::PRECONDITION_FAILED, en, ar));
        }
        let fragment = text(body).await?;
        let mut names = fragment.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:"));
        if names.all(|ufrag| ufrag.trim() == session.ufrag) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        if !any {
            let (en, ar) = ("an ICE restart needs If-Match: *", "إعادة ICE تتطلب If-Match: *");
            return Err(refusal(StatusCode::PRECONDITION_FAILED, en, ar));
        }
        let client = Credentials::of_fragment(&fragment).ok_or_else(|| {
            let (en, ar) = ("the fragment has no valid ICE credentials", "بيانات ICE غير صالحة");
            Problem::new(ErrorKind::Invalid, "MALFORMED", en, ar)
        })?;
        let restarted = self.engine.restart(secret, client).await?;
        let headers =
            [(header::CONTENT_TYPE, SDP_FRAGMENT.to_owned()), (header::ETAG, format!("\"{}\"", restarted.etag))];
        Ok((StatusCode::OK, headers, restarted.fragment).into_response())
    }

    fn hls_url(&self, path: &PathName, parts: &Parts) -> String {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let name = host.map_or("localhost", |host| match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) | None => host,
        });
        format!("http://{name}:{}/{path}/index.m3u8", self.hls_port)
    }
}

fn action(role: Role) -> Action {
    match role {
        Role::Read => Action::Read,
        Role::Publish => Action::Publish,
    }
}

async fn caller(parts: &mut Parts) -> Result<Caller, Problem> {
    let caller = <Caller as FromRequestParts<()>>::from_request_parts(parts, &()).await?;
    Ok(caller.by(Protocol::WebRtc))
}

async fn text(body: Body) -> Result<String, Problem> {
    let bytes = to_bytes(body, SDP_BYTES).await.map_err(|_| Problem::too_large(SDP_BYTES as u64))?;
    String::from_utf8(bytes.into()).map_err(|_| {
        Problem::new(ErrorKind::Invalid, "MALFORMED", "the body is not UTF-8 text", "محتوى الطلب ليس نصاً صالحاً")
    })
}

fn require_type(headers: &HeaderMap, want: &'static str) -> Result<(), Problem> {
    let shown = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = shown.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(want) { Ok(()) } else { Err(Problem::unsupported_media_type(want)) }
}

fn refusal(status: StatusCode, message_en: &'static str, message_ar: &'static str) -> Problem {
    Problem::new(ErrorKind::Conflict, "PRECONDITION", message_en, message_ar).with_status(status)
}

/// The query as it may be shown to others.
pub(crate) fn without_credentials(query: Option<&str>) -> String {
    let secret = |pair: &&str| matches!(pair.split('=').next(), Some("token" | "jwt"));
    let kept: Vec<&str> = query.unwrap_or_default().split('&').filter(|pair| !secret(pair)).collect();
    kept.join("&")
}

fn options() -> Response {
    (StatusCode::NO_CONTENT, [(HeaderName::from_static("accept-post"), SDP)]).into_response()
}

/// What can be read only.
fn readable(method: &Method) -> Result<(), Problem> {
    let reads = *method == Method::GET || *method == Method::HEAD;
    if reads { Ok(()) } else { Err(Problem::method_not_allowed("GET, HEAD")) }
}

fn cors(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, ID, Accept-Patch, Link, Location"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_by_its_end() {
        let path = |name| PathName::new(name).unwrap();
        for (rest, want) in [
            ("a/whep", Some(Target::Endpoint(path("a"), Role::Read))),
            ("a/b/whep", Some(Target::Endpoint(path("a/b"), Role::Read))),
            ("a/b/whip", Some(Target::Endpoint(path("a/b"), Role::Publish))),
            ("a/b/whep/00ff", Some(Target::Session(path("a/b"), Role::Read, "00ff".into()))),
            ("a/whip/00ff", Some(Target::Session(path("a"), Role::Publish, "00ff".into()))),
            ("a/b/", Some(Target::Page(page::Target::Page))),
            ("a/publish", Some(Target::Asset(HTML, include_str!("whep/publish.html")))),
            ("a/reader.js", Some(Target::Asset(JAVASCRIPT, include_str!("whep/reader.js")))),
            ("a/publisher.js", Some(Target::Asset(JAVASCRIPT, include_str!("whep/publisher.js")))),
            ("a/xwhep", Some(Target::Page(page::Target::WithoutSlash("xwhep".into())))),
            ("../whep", None),
            ("whep/", Some(Target::Page(page::Target::Page))),
        ] {
            assert_eq!(Target::of(rest), want, "{rest}");
        }
    }

    #[test]
    fn a_query_is_kept_without_its_token() {
        assert_eq!(without_credentials(Some("a=1&token=x&jwt=y&b=2")), "a=1&b=2");
        assert_eq!(without_credentials(None), "");
    }
}
