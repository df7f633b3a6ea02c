//! Delivery directives: what a request for a media playlist waits for, and what it may leave out.

use crate::Error;

/// The directives of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn`: a segment number.
    pub msn: Option<u64>,
    /// `_HLS_part`: a part of that segment.
    pub part: Option<u64>,
    /// `_HLS_skip`: a delta update is welcome.
    pub skip: bool,
}

impl Directives {
    /// Reads the query of a request. Other parameters are left alone. `_HLS_skip=v2` also lets date ranges be left out;
    /// as there are none, it is the same as `YES`.
    ///
    /// # Errors
    /// A number that is none, a skip that is neither `YES` nor `v2`, or `_HLS_part` without `_HLS_msn`.
    pub fn parse(query: &str) -> Result<Self, Error> {
        let mut directives = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "_HLS_msn" => directives.msn = Some(number(value)?),
                "_HLS_part" => directives.part = Some(number(value)?),
                "_HLS_skip" if matches!(value, "YES" | "v2") => directives.skip = true,
                "_HLS_skip" => return Err(wrong("_HLS_skip is neither YES nor v2")),
                _ => {}
            }
        }
        if directives.part.is_some() && directives.msn.is_none() {
            return Err(wrong("_HLS_part stands without _HLS_msn"));
        }
        Ok(directives)
    }
}

fn number(value: &str) -> Result<u64, Error> {
    value.parse().map_err(|_| wrong("its value is not a number"))
}

fn wrong(reason: &'static str) -> Error {
    Error::malformed("delivery directive", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_or_refused() {
        let read = |query| Directives::parse(query).map(|d| (d.msn, d.part, d.skip)).ok();
        assert_eq!(read("token=x&_HLS_msn=5&_HLS_part=2&_HLS_skip=YES"), Some((Some(5), Some(2), true)));
        assert_eq!((read(""), read("_HLS_skip=v2")), (Some((None, None, false)), Some((None, None, true))));
        for wrong in ["_HLS_part=2", "_HLS_msn=x", "_HLS_msn=-1", "_HLS_skip=NO"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
