//! What a player needs of a media playlist.

/// A media playlist with parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Playlist {
    /// The parts, each with its media sequence number and its place in the segment.
    pub(super) parts: Vec<Part>,
    /// The address of the part that comes next.
    pub(super) hint: Option<String>,
    /// What comes next: media sequence number and part.
    pub(super) next: (u64, u64),
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Media sequence number and place in the segment.
    pub(super) at: (u64, u64),
    /// Its address.
    pub(super) uri: String,
}

impl Playlist {
    pub(super) fn parse(text: &str) -> Self {
        let mut playlist = Self::default();
        let (mut segment, mut part) = (0, 0);
        for line in text.lines().map(str::trim) {
            match line.split_once(':') {
                Some(("#EXT-X-MEDIA-SEQUENCE", number)) => segment = number.parse().unwrap_or(0),
                Some(("#EXT-X-PART", attributes)) => {
                    playlist.parts.extend(attribute(attributes, "URI").map(|uri| Part { at: (segment, part), uri }));
                    part += 1;
                }
                Some(("#EXT-X-PRELOAD-HINT", attributes)) if attributes.contains("TYPE=PART") => {
                    playlist.hint = attribute(attributes, "URI");
                }
                Some(_) | None if !line.is_empty() && !line.starts_with('#') => (segment, part) = (segment + 1, 0),
                Some(_) | None => {}
            }
        }
        playlist.next = (segment, part);
        playlist
    }
}

/// The first variant of a multivariant playlist; `None` for a media playlist.
pub(super) fn variant(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("#EXT-X-STREAM-INF"));
    lines.find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A quoted attribute.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let (before, value) = attributes.split_once(&format!("{name}=\""))?;
    (before.is_empty() || before.ends_with(',')).then(|| value.split('"').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA: &str = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\nold.mp4\n\
        #EXT-X-PART:DURATION=0.2,URI=\"p1.mp4\",INDEPENDENT=YES\n#EXTINF:2.0,\nhttp://h/s:8.mp4\n\
        #EXT-X-PART:INDEPENDENT=YES,URI=\"p2.mp4\",DURATION=0.2\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p3.mp4\"\n";

    #[test]
    fn parts_are_numbered_and_the_next_one_is_known() {
        let playlist = Playlist::parse(MEDIA);
        let parts: Vec<_> = playlist.parts.iter().map(|part| (part.at, part.uri.as_str())).collect();
        assert_eq!(parts, [((8, 0), "p1.mp4"), ((9, 0), "p2.mp4")]);
        assert_eq!((playlist.next, playlist.hint.as_deref()), ((9, 1), Some("p3.mp4")));
    }

    #[test]
    fn the_first_variant_is_taken() {
        let multivariant =
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n# comment\nvideo.m3u8\n#EXT-X-STREAM-INF:\nb.m3u8\n";
        assert_eq!(variant(multivariant), Some("video.m3u8"));
        assert_eq!(variant(MEDIA), None);
    }
}
