//! The multivariant playlist: which renditions of a camera there are.

use std::fmt::Write as _;

use super::line;

/// One rendition.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Where its media playlist is.
    pub uri: String,
    /// The codecs of its tracks, RFC 6381.
    pub codecs: String,
    /// The most bits per second.
    pub bandwidth: u64,
    /// Width and height of the pictures.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second.
    pub frame_rate: Option<f64>,
}

/// A playlist of these renditions, the preferred one first.
#[must_use]
pub fn multivariant(variants: &[Variant]) -> String {
    let mut text = String::from("#EXTM3U\n");
    for variant in variants {
        let _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"{}\"", variant.bandwidth, variant.codecs);
        if let Some((width, height)) = variant.resolution {
            let _ = write!(text, ",RESOLUTION={width}x{height}");
        }
        if let Some(rate) = variant.frame_rate {
            let _ = write!(text, ",FRAME-RATE={rate:.3}");
        }
        line(&mut text, format_args!(""));
        line(&mut text, format_args!("{}", variant.uri));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_stand_one_after_the_other() {
        let variant = |uri: &str, resolution| Variant {
            uri: uri.into(),
            codecs: "avc1.64001f".into(),
            bandwidth: 1000,
            resolution,
            frame_rate: Some(25.0),
        };
        let text = multivariant(&[variant("a.m3u8", Some((640, 360))), variant("../b/a.m3u8", None)]);
        let want = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"avc1.64001f\",RESOLUTION=640x360,FRAME-RATE=25.000\n\
            a.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"avc1.64001f\",FRAME-RATE=25.000\n../b/a.m3u8\n";
        assert_eq!(text, want);
    }
}
