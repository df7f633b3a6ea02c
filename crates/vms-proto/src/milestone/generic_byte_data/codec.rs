use super::nal;

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// JPEG: every picture stands alone.
    Jpeg,
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// AV1, which one source lists and nobody has seen.
    Av1,
}

impl Codec {
    const IDS: [(Self, u16); 4] =
        [(Self::Jpeg, 0x0001), (Self::H264, 0x000a), (Self::H265, 0x000e), (Self::Av1, 0x000f)];

    /// The vendor's number.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Jpeg => 0x0001,
            Self::H264 => 0x000a,
            Self::H265 => 0x000e,
            Self::Av1 => 0x000f,
        }
    }

    /// The codec of the vendor's number.
    #[must_use]
    pub fn of(id: u16) -> Option<Self> {
        Self::IDS.iter().find(|(_, known)| *known == id).map(|(codec, _)| *codec)
    }

    /// Which of H.264 and H.265 an Annex B stream is, from the header of its first NAL unit.
    ///
    /// Encoders begin a unit of H.265 with layer 0 and temporal id 1, so its second byte is 1; the few first bytes that
    /// H.264 could have before such a byte are left to H.264.
    pub(super) fn of_annex_b(stream: &[u8]) -> Self {
        let header = nal::start_code(stream).and_then(|start| stream.get(start..start + 2));
        let could_be_h264 = |first: u8| matches!(first, 0x06 | 0x09) || first & 0x81 != 0;
        match header {
            Some(&[first, 1]) if !could_be_h264(first) => Self::H265,
            _ => Self::H264,
        }
    }
}
