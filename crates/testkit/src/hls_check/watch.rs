//! Follows a live stream as a low-latency player does and keeps to account what it gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, StatusCode};
use tokio::time::Instant;

use super::{
    Fault, Media, Part, delivery, delta, fault, over_time, playlist::attribute, renditions, standing, successive,
};

/// The longest a request may take; a blocked one is answered within three target durations.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// How much later than it must a part may come: the machine is busy with other tests, and the source is one of its programs.
/// [`Report::longest_wait`] tells how long it was.
const TOLERANCE: Duration = Duration::from_secs(3);
/// Lengths in a playlist are cut to five digits, so a rate told from them may be a little too high.
const ROUNDED: f64 = 1.001;
/// Every so many reloads a delta update is asked for, too.
const DELTA_EVERY: u64 = 10;
/// Faults kept; more of them say nothing new.
const FAULTS_MAX: usize = 50;
/// A thing is asked for once more when this share of the time has passed for which it must stay.
const ALMOST: f64 = 0.9;

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Playlists got.
    pub reloads: u64,
    /// Parts fetched.
    pub parts: u64,
    /// Parts that were gaps.
    pub gaps: u64,
    /// Discontinuities seen.
    pub discontinuities: u64,
    /// Segments and parts fetched again after they had left the playlist.
    pub fetched_late: u64,
    /// Delta updates that left something out.
    pub deltas: u64,
    /// Renditions of the multivariant playlist.
    pub renditions: usize,
    /// The longest wait from one part to the next, with the checker's own questions between them.
    pub longest_wait: Duration,
    /// Broken rules, the first of them.
    pub faults: Vec<Fault>,
}

impl Report {
    pub(super) fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults);
        self.faults.truncate(FAULTS_MAX);
    }
}

/// Follows the stream whose multivariant playlist is at `index` for so long, and asks every question of the checklist.
///
/// # Errors
/// When there is no playlist at all, or one that cannot be read.
pub async fn run(index: &str, length: Duration) -> Result<Report> {
    let client = Client::builder().timeout(REQUEST_MAX).build().context("cannot make an HTTP client")?;
    let mut report = Report::default();
    let variants = multivariant(&client, index).await?;
    let Some(first) = variants.first().cloned() else { bail!("{index} lists no rendition") };
    report.renditions = variants.len();
    let mut lists = Vec::new();
    for variant in &variants {
        lists.push(Media::parse(&text(&client, &variant.url).await?)?);
    }
    report.add(renditions(&lists));
    report.add(delivery::check(&client, &first.url).await?);
    let mut follower = Follower::new(&client, &first.url).await?;
    let end = Instant::now() + length;
    while Instant::now() < end {
        follower.step(&mut report).await?;
    }
    let shown = multivariant(&client, index).await?;
    let bandwidth = shown.first().map_or(0.0, |variant| variant.bandwidth);
    if bandwidth * ROUNDED < follower.peak {
        report.add([fault(10, format!("BANDWIDTH {bandwidth} is less than a segment's {}", follower.peak))]);
    }
    Ok(report)
}

/// A rendition of a multivariant playlist.
#[derive(Clone, Debug)]
struct Variant {
    url: String,
    bandwidth: f64,
}

async fn multivariant(client: &Client, index: &str) -> Result<Vec<Variant>> {
    let text = text(client, index).await?;
    let mut variants = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") else { continue };
        let uri = lines.next().context("no URI follows EXT-X-STREAM-INF")?;
        if attribute(attributes, "CODECS").is_none_or(str::is_empty) {
            bail!("{uri} has no CODECS");
        }
        let bandwidth = attribute(attributes, "BANDWIDTH").context("no BANDWIDTH")?.parse()?;
        variants.push(Variant { url: beside(index, uri)?, bandwidth });
    }
    Ok(variants)
}

/// The URL of `uri` as it stands in the playlist at `base`.
pub(super) fn beside(base: &str, uri: &str) -> Result<String> {
    Ok(reqwest::Url::parse(base)?.join(uri)?.to_string())
}

async fn text(client: &Client, url: &str) -> Result<String> {
    let answer = client.get(url).send().await?;
    let status = answer.status();
    if status != StatusCode::OK {
        bail!("{url}: {status}: {}", answer.text().await?);
    }
    Ok(answer.text().await?)
}

/// One player.
struct Follower<'a> {
    client: &'a Client,
    url: &'a str,
    list: Media,
    got: Instant,
    /// Bytes of each part that was fetched, by URI.
    sizes: BTreeMap<String, u64>,
    /// The most bits per second of a segment.
    peak: f64,
    /// The longest the playlist has been.
    longest: f64,
    /// What left the playlist and must still be there at that time.
    late: Vec<(Instant, String)>,
    seen: BTreeSet<u64>,
}

impl<'a> Follower<'a> {
    async fn new(client: &'a Client, url: &'a str) -> Result<Self> {
        let list = Media::parse(&text(client, url).await?)?;
        let (sizes, seen, late) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Ok(Self { client, url, list, got: Instant::now(), sizes, peak: 0.0, longest: 0.0, late, seen })
    }

    /// Asks for the next part and checks the playlist that comes.
    async fn step(&mut self, report: &mut Report) -> Result<()> {
        let (msn, part) = self.list.end();
        let sep = if self.url.contains('?') { '&' } else { '?' };
        let asked = format!("{}{sep}_HLS_msn={msn}&_HLS_part={part}", self.url);
        let list = Media::parse(&text(self.client, &asked).await?)?;
        let now = Instant::now();
        report.reloads += 1;
        if report.reloads.is_multiple_of(DELTA_EVERY) {
            let skipped = Media::parse(&text(self.client, &format!("{asked}&_HLS_skip=YES")).await?)?;
            report.deltas += u64::from(skipped.skipped > 0);
            report.add(delta(&list, &skipped));
        }
        report.add(standing(&list));
        report.add(successive(&self.list, &list));
        if list.end() <= (msn, part) {
            report.add([fault(11, format!("asked for {msn}.{part}, got up to {:?}", list.end()))]);
        }
        // The first part of a gap comes when the source has been missed, and the first after it with a keyframe.
        let in_gap =
            |list: &Media| list.open.parts.iter().chain(last_parts(list)).next_back().is_some_and(|part| part.gap);
        if !in_gap(&self.list) && !in_gap(&list) {
            report.add(over_time(&self.list, &list, now - self.got, TOLERANCE));
            report.longest_wait = report.longest_wait.max(now - self.got);
        }
        self.longest = self.longest.max(list.duration());
        self.note_what_left(&list, now);
        self.fetch_new(&list, report).await?;
        self.fetch_late(report).await?;
        (self.list, self.got) = (list, now);
        Ok(())
    }

    /// Rule 6: what leaves the playlist stays for a while.
    fn note_what_left(&mut self, list: &Media, now: Instant) {
        let in_time = |seconds: f64| now + Duration::from_secs_f64(seconds * ALMOST);
        for (number, segment) in self.list.numbered().filter(|(_, segment)| !segment.gap) {
            let still = list.numbered().find(|(other, _)| *other == number).map(|(_, segment)| segment);
            if still.is_none() {
                self.late.push((in_time(segment.duration + self.longest), segment.uri.clone()));
            }
            if still.is_some_and(|still| still.parts.is_empty())
                && let Some(part) = segment.parts.first()
            {
                self.late.push((in_time(list.target * 3.0), part.uri.clone()));
            }
        }
    }

    async fn fetch_late(&mut self, report: &mut Report) -> Result<()> {
        let now = Instant::now();
        let (due, rest) = self.late.drain(..).partition(|(at, _): &(Instant, String)| *at <= now);
        self.late = rest;
        for (_, uri) in due {
            let answer = self.client.head(beside(self.url, &uri)?).send().await?;
            report.fetched_late += 1;
            if answer.status() != StatusCode::OK {
                report.add([fault(6, format!("{uri} has gone too early: {}", answer.status()))]);
            }
        }
        Ok(())
    }

    async fn fetch_new(&mut self, list: &Media, report: &mut Report) -> Result<()> {
        let parts = list.segments.iter().rev().take(2).flat_map(|segment| &segment.parts).chain(&list.open.parts);
        for part in parts {
            if !self.sizes.contains_key(&part.uri) {
                self.fetch(part, report).await?;
            }
        }
        for (number, segment) in list.numbered() {
            if self.seen.insert(number) {
                report.discontinuities += u64::from(segment.discontinuity);
                let sizes: Option<Vec<u64>> =
                    segment.parts.iter().map(|part| self.sizes.get(&part.uri).copied()).collect();
                let bytes: u64 = sizes.unwrap_or_default().iter().sum();
                self.peak = self.peak.max(bytes as f64 * 8.0 / segment.duration.max(0.1));
            }
        }
        Ok(())
    }

    async fn fetch(&mut self, part: &Part, report: &mut Report) -> Result<()> {
        let answer = self.client.get(beside(self.url, &part.uri)?).send().await?;
        let status = answer.status();
        let size = answer.bytes().await?.len() as u64;
        if part.gap {
            report.gaps += 1;
            if status != StatusCode::NOT_FOUND {
                report.add([fault(7, format!("the gap {} answers {status}", part.uri))]);
            }
        } else {
            report.parts += 1;
            if status != StatusCode::OK || size == 0 {
                report.add([fault(6, format!("part {}: {status}, {size} bytes", part.uri))]);
            }
        }
        self.sizes.insert(part.uri.clone(), size);
        Ok(())
    }
}

fn last_parts(list: &Media) -> impl DoubleEndedIterator<Item = &Part> {
    let last = list.segments.last().filter(|_| list.open.parts.is_empty());
    last.into_iter().flat_map(|segment| &segment.parts)
}
