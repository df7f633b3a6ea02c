//! A media playlist, read as a strict player would.

use anyhow::{Context as _, Result, bail};

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// `EXT-X-VERSION`.
    pub version: u64,
    /// `EXT-X-TARGETDURATION`.
    pub target: f64,
    /// `PART-TARGET`.
    pub part_target: Option<f64>,
    /// `PART-HOLD-BACK`.
    pub part_hold_back: Option<f64>,
    /// `HOLD-BACK`.
    pub hold_back: Option<f64>,
    /// `CAN-SKIP-UNTIL`.
    pub skip_until: Option<f64>,
    /// The attributes of `EXT-X-SERVER-CONTROL` as they stand.
    pub control: String,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `SKIPPED-SEGMENTS`.
    pub skipped: u64,
    /// Whole segments.
    pub segments: Vec<Segment>,
    /// Parts of the segment that is being made, with what stands before them.
    pub open: Segment,
    /// URIs of preload hints for parts.
    pub hints: Vec<String>,
    /// `EXT-X-RENDITION-REPORT`: URI, LAST-MSN, LAST-PART.
    pub reports: Vec<(String, u64, u64)>,
    /// Names of other tags.
    pub other: Vec<String>,
}

/// A segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Where it is; empty for the one that is being made.
    pub uri: String,
    /// `EXTINF`.
    pub duration: f64,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// `EXT-X-DISCONTINUITY`.
    pub discontinuity: bool,
    /// The initialisation segment that counts.
    pub map: Option<String>,
    /// `EXT-X-PROGRAM-DATE-TIME`.
    pub date: Option<String>,
    /// Its parts, if listed.
    pub parts: Vec<Part>,
}

/// A part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Where it is.
    pub uri: String,
    /// `DURATION`.
    pub duration: f64,
    /// `INDEPENDENT=YES`.
    pub independent: bool,
    /// `GAP=YES`.
    pub gap: bool,
}

impl Media {
    /// Reads the text of a media playlist.
    ///
    /// # Errors
    /// When a line cannot be read, or a tag that must be there is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            bail!("it does not begin with #EXTM3U");
        }
        let mut list = Self { version: 1, ..Self::default() };
        let mut map = None;
        for line in lines {
            if line.is_empty() {
                continue;
            }
            if let Some(tag) = line.strip_prefix('#') {
                list.tag(tag, &mut map).with_context(|| format!("line {line:?}"))?;
                continue;
            }
            let segment = std::mem::take(&mut list.open);
            list.segments.push(Segment { uri: line.to_owned(), map: map.clone(), ..segment });
        }
        list.open.map = map;
        if list.target == 0.0 {
            bail!("it has no EXT-X-TARGETDURATION");
        }
        Ok(list)
    }

    fn tag(&mut self, tag: &str, map: &mut Option<String>) -> Result<()> {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        match name {
            "EXT-X-VERSION" => self.version = value.parse()?,
            "EXT-X-TARGETDURATION" => self.target = value.parse::<u32>()?.into(),
            "EXT-X-MEDIA-SEQUENCE" => self.sequence = value.parse()?,
            "EXT-X-DISCONTINUITY-SEQUENCE" => self.discontinuity_sequence = value.parse()?,
            "EXT-X-SKIP" => self.skipped = attribute(value, "SKIPPED-SEGMENTS").context("no number")?.parse()?,
            "EXT-X-PART-INF" => self.part_target = number(value, "PART-TARGET")?,
            "EXT-X-SERVER-CONTROL" => {
                self.part_hold_back = number(value, "PART-HOLD-BACK")?;
                self.hold_back = number(value, "HOLD-BACK")?;
                self.skip_until = number(value, "CAN-SKIP-UNTIL")?;
                value.clone_into(&mut self.control);
            }
            "EXT-X-MAP" => *map = Some(attribute(value, "URI").context("no URI")?.to_owned()),
            "EXT-X-PROGRAM-DATE-TIME" => self.open.date = Some(value.to_owned()),
            "EXT-X-DISCONTINUITY" => self.open.discontinuity = true,
            "EXT-X-GAP" => self.open.gap = true,
            "EXTINF" => self.open.duration = value.split(',').next().unwrap_or_default().parse()?,
            "EXT-X-PART" => self.open.parts.push(Part {
                uri: attribute(value, "URI").context("no URI")?.to_owned(),
                duration: number(value, "DURATION")?.context("no DURATION")?,
                independent: attribute(value, "INDEPENDENT") == Some("YES"),
                gap: attribute(value, "GAP") == Some("YES"),
            }),
            "EXT-X-PRELOAD-HINT" => self.hints.push(attribute(value, "URI").context("no URI")?.to_owned()),
            "EXT-X-RENDITION-REPORT" => {
                let count = |name| attribute(value, name).unwrap_or_default().parse::<u64>();
                let uri = attribute(value, "URI").context("no URI")?.to_owned();
                self.reports.push((uri, count("LAST-MSN")?, count("LAST-PART")?));
            }
            other => self.other.push(other.to_owned()),
        }
        Ok(())
    }

    /// The number after the last whole segment, and how many parts of it there are.
    #[must_use]
    pub fn end(&self) -> (u64, u64) {
        (self.sequence + self.skipped + self.segments.len() as u64, self.open.parts.len() as u64)
    }

    /// The whole segments by number.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, &Segment)> {
        (self.sequence + self.skipped..).zip(&self.segments)
    }

    /// The length of all it lists.
    #[must_use]
    pub fn duration(&self) -> f64 {
        let whole: f64 = self.segments.iter().map(|segment| segment.duration).sum();
        whole + self.open.parts.iter().map(|part| part.duration).sum::<f64>()
    }
}

/// The value of one attribute of a list, without its quotes.
pub(super) fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key == name {
            return Some(value);
        }
        rest = next.trim_start_matches(',');
    }
    None
}

fn number(list: &str, name: &str) -> Result<Option<f64>> {
    Ok(attribute(list, name).map(str::parse).transpose()?)
}
