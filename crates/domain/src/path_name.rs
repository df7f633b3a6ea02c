use std::{borrow::Borrow, fmt};

/// A stream's name in a URL, used at protocol edges only.
///
/// 1 to 255 characters of `0-9 a-z A-Z _ - / .`, without a leading or trailing `/` and without `.` or `..` as an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct PathName(String);

impl PathName {
    /// Checks the form of the name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.');
        let fits = (1..=255).contains(&name.len())
            && name.bytes().all(allowed)
            && name.split('/').all(|element| !matches!(element, "" | "." | ".."));
        fits.then(|| Self(name.to_owned()))
    }

    /// The name without slashes at its ends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for PathName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_names_are_url_safe_and_stay_inside_their_tree() {
        for (name, ok) in [
            ("test", true),
            ("metro_1/sub.a-b", true),
            ("", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            ("a/../b", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(PathName::new(name).is_some(), ok, "{name:?}");
        }
    }
}
