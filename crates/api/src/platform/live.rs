//! `/live/*`: the streams themselves under the dashboard's own origin, by the routes of ports 8888 and 8889.

use std::convert::Infallible;

use axum::{Router, extract::Request, response::Response};
use tower::{ServiceExt as _, service_fn};

/// The routes below `/live/` (`/live` itself is a page of the dashboard): `hls` is the router of port 8888, `whep` that of port 8889.
///
/// The end of a URL tells whose it is; `/live/{path}/` is the page that plays HLS. Both routers name what belongs together
/// by relative URIs, so they work below the prefix.
pub fn live(hls: Router, whep: Router) -> Router {
    let chosen = service_fn(move |request: Request| {
        let router = if is_whep(request.uri().path()) { whep.clone() } else { hls.clone() };
        async move { answer(router, request).await }
    });
    Router::new().nest_service("/live/", chosen)
}

async fn answer(router: Router, request: Request) -> Result<Response, Infallible> {
    router.oneshot(request).await
}

fn is_whep(path: &str) -> bool {
    let ends = ["/whep", "/reader.js", "/whip", "/publish", "/publisher.js"];
    ends.iter().any(|end| path.ends_with(end)) || path.contains("/whep/") || path.contains("/whip/")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode, routing::get};

    use super::*;

    #[tokio::test]
    async fn the_page_of_that_name_stays_the_dashboards() {
        let hls = Router::new().route("/a/index.m3u8", get(|| async { "a playlist" }));
        let router = live(hls, Router::new()).fallback(|| async { StatusCode::IM_A_TEAPOT });
        for (uri, status) in
            [("/live/a/index.m3u8", 200), ("/live/b/index.m3u8", 404), ("/live", 418), ("/live?grid=4", 418)]
        {
            let request = Request::get(uri).body(Body::empty()).unwrap();
            assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status, "{uri}");
        }
    }

    #[test]
    fn the_end_of_a_url_tells_whose_it_is() {
        for (path, whep) in [
            ("/a/whep", true),
            ("/a/b/whep/00ff", true),
            ("/a/reader.js", true),
            ("/a/whip", true),
            ("/a/whip/00ff", true),
            ("/a/publish", true),
            ("/a/publisher.js", true),
            ("/whep", true),
            ("/a/index.m3u8", false),
            ("/a/b/part_1_2.mp4", false),
            ("/a/", false),
            ("/awhep", false),
        ] {
            assert_eq!(is_whep(path), whep, "{path}");
        }
    }
}
