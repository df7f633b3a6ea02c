//! Which path and track a request URL means.

use domain::PathName;
use rtsp_types::Url;

/// The control attribute of our tracks before the number.
pub(super) const CONTROL: &str = "trackID=";

/// The path and query of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: PathName,
    pub(super) query: String,
}

impl Target {
    /// Of a URL that names a whole presentation.
    pub(super) fn presentation(url: &Url) -> Option<Self> {
        let path = PathName::new(url.path().trim_start_matches('/').trim_end_matches('/'))?;
        Some(Self { path, query: url.query().unwrap_or_default().trim_end_matches('/').to_owned() })
    }

    /// Of a URL that may end in one of our track controls, with the number of the track.
    pub(super) fn track(url: &Url) -> Option<(Self, Option<u8>)> {
        let text = url.as_str();
        let (base, number) = match text.rsplit_once('/') {
            Some((base, last)) if last.starts_with(CONTROL) => {
                let number = last.trim_start_matches(CONTROL).parse().ok()?;
                (Url::parse(base).ok()?, Some(number))
            }
            Some(_) | None => (url.clone(), None),
        };
        Some((Self::presentation(&base)?, number))
    }
}

/// Whether a URL ends in the control attribute of a track, be that relative or absolute.
pub(super) fn ends_in_control(url: &Url, control: &str) -> bool {
    if control.is_empty() || control == "*" {
        return false;
    }
    let text = url.as_str();
    text == control || text.strip_suffix(control).is_some_and(|base| base.ends_with(['/', '?']))
}

/// The first of some parameters that a query has, as it is shown: tokens are made of characters that need no escape.
pub(super) fn parameter<'a>(query: &'a str, names: &[&str]) -> Option<&'a str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, value)| names.contains(name) && !value.is_empty()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_url_gives_path_query_and_number() {
        for (url, path, query, number) in [
            ("rtsp://h:8554/test", "test", "", None),
            ("rtsp://h/test/", "test", "", None),
            ("rtsp://h/a/b/trackID=3", "a/b", "", Some(3)),
            ("rtsp://h/a/?token=x/trackID=1", "a", "token=x", Some(1)),
            ("rtsp://h/a?token=x", "a", "token=x", None),
        ] {
            let (target, found) = Target::track(&Url::parse(url).unwrap()).unwrap();
            assert_eq!((target.path.as_str(), target.query.as_str(), found), (path, query, number), "{url}");
        }
    }

    #[test]
    fn a_url_without_a_good_path_name_means_nothing() {
        for url in ["rtsp://h", "rtsp://h/", "rtsp://h/a%20b", "rtsp://h/a//b", "rtsp://h/a/trackID=x"] {
            assert!(Target::track(&Url::parse(url).unwrap()).is_none(), "{url}");
        }
    }

    #[test]
    fn controls_match_relative_and_absolute() {
        let url = Url::parse("rtsp://h/cam/streamid=1").unwrap();
        for (control, matches) in
            [("streamid=1", true), ("rtsp://h/cam/streamid=1", true), ("d=1", false), ("", false), ("*", false)]
        {
            assert_eq!(ends_in_control(&url, control), matches, "{control}");
        }
    }

    #[test]
    fn a_query_parameter_is_found_by_any_of_its_names() {
        assert_eq!(parameter("a=b&jwt=x.y", &["token", "jwt"]), Some("x.y"));
        assert_eq!(parameter("a=b&token=", &["token", "jwt"]), None);
    }
}
