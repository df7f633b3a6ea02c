//! The dashboard, carried inside the program.

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use domain::ErrorKind;
use rust_embed::{Embed, EmbeddedFile};

use crate::problem::Problem;

#[derive(Embed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// The start page; every address of the dashboard begins with it.
const INDEX: &str = "index.html";
/// No inline script runs, and nothing is fetched from elsewhere. Decoders run in workers made from blobs.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; \
    worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// What is shown by a program that was built without the dashboard.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>cctv</title>\
    <h1>The dashboard is not part of this build</h1>\
    <p>Build it with <code>make build</code>. The interface itself runs: <a href=\"/api/docs\">/api/docs</a>.</p>";

/// A file of the dashboard, or its start page for an address that the dashboard itself knows.
pub(super) async fn page(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::method_not_allowed("GET, HEAD").into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    if let Some(file) = Files::get(path).filter(|_| path != INDEX) {
        return answer(path, file);
    }
    let names_a_file = path.rsplit('/').next().is_some_and(|last| last.contains('.')) && path != INDEX;
    if names_a_file || path.starts_with("api/") {
        let text = "there is no such page";
        return Problem::new(ErrorKind::NotFound, "NOT_FOUND", text, "لا توجد صفحة بهذا العنوان").into_response();
    }
    match Files::get(INDEX) {
        Some(file) => answer(INDEX, file),
        None => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Html(NOT_BUILT)).into_response(),
    }
}

fn answer(path: &str, file: EmbeddedFile) -> Response {
    let kept = match path {
        INDEX => "no-store",
        path if path.starts_with("assets/") => "public, max-age=31536000, immutable",
        _ => "no-cache",
    };
    let kind = file.metadata.mimetype().to_owned();
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept.to_owned())], file.data.into_owned()).into_response()
}

/// What every answer on this port tells the browser to refuse.
pub(super) async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
