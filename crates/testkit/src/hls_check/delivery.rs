//! Questions to a live server about the way it delivers (rules 11 to 15, 17 and 18).

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{Client, Method, Response, header};

use super::{Fault, Media, delta, fault, watch::beside};

/// How soon an answer comes that need not wait, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

struct Asked<'a> {
    client: &'a Client,
    url: &'a str,
    faults: Vec<Fault>,
}

/// Asks for the media playlist at `url` in every way.
pub(super) async fn check(client: &Client, url: &str) -> Result<Vec<Fault>> {
    let mut asked = Asked { client, url, faults: Vec::new() };
    let list = asked.list("").await?;
    asked.directives(&list).await?;
    asked.delta().await?;
    asked.playlist_headers().await?;
    asked.media(&list).await?;
    asked.hint().await?;
    Ok(asked.faults)
}

impl Asked<'_> {
    async fn list(&self, query: &str) -> Result<Media> {
        Media::parse(&self.client.get(self.with(query)).send().await?.text().await?).context("the playlist")
    }

    fn with(&self, query: &str) -> String {
        let sep = if self.url.contains('?') { "&" } else { "?" };
        if query.is_empty() { self.url.to_owned() } else { format!("{}{sep}{query}", self.url) }
    }

    async fn expect(&mut self, rule: u8, query: &str, want: u16) -> Result<()> {
        let status = self.client.get(self.with(query)).send().await?.status().as_u16();
        if status != want {
            self.faults.push(fault(rule, format!("{query}: {status}, {want} is right")));
        }
        Ok(())
    }

    async fn directives(&mut self, list: &Media) -> Result<()> {
        let (end, _) = list.end();
        let ahead = 3.0 / list.part_target.unwrap_or(1.0).min(1.0);
        self.expect(13, "_HLS_part=1", 400).await?;
        self.expect(13, &format!("_HLS_msn={}", end + 4), 400).await?;
        self.expect(13, &format!("_HLS_msn={}&_HLS_part={}", end + 1, ahead.ceil() as u64 * 2 + 40), 400).await?;
        self.expect(13, "_HLS_msn=x", 400).await?;
        self.expect(12, &format!("_HLS_msn={}", list.sequence.saturating_sub(100)), 200).await?;
        let whole = self.list(&format!("_HLS_msn={end}")).await?;
        if whole.end().0 <= end {
            self.faults.push(fault(11, format!("segment {end} is not whole in the answer to its number")));
        }
        let (msn, parts) = whole.end();
        let next = self.list(&format!("_HLS_msn={msn}&_HLS_part={}", parts + 1)).await?;
        if next.end() < (msn, parts + 2) {
            self.faults.push(fault(11, format!("part {msn}.{} is not in the answer to its number", parts + 1)));
        }
        // A part after the last of its segment is the first of the next.
        let beyond = self.list(&format!("_HLS_msn={end}&_HLS_part=500")).await?;
        if beyond.end() < (end + 1, 1) {
            self.faults.push(fault(11, format!("part {end}.500 is not taken for {}.0", end + 1)));
        }
        Ok(())
    }

    async fn delta(&mut self) -> Result<()> {
        let (whole, skipped) = (self.list("").await?, self.list("_HLS_skip=YES").await?);
        self.faults.extend(delta(&whole, &skipped));
        if self.list("_HLS_skip=v2").await?.skipped > whole.segments.len() as u64 {
            self.faults.push(fault(15, "v2 leaves out more than there is"));
        }
        Ok(())
    }

    async fn playlist_headers(&mut self) -> Result<()> {
        let answer = self.client.get(self.url).send().await?;
        self.header(&answer, header::CONTENT_TYPE, |value| value == "application/vnd.apple.mpegurl");
        self.header(&answer, header::CACHE_CONTROL, |value| value.contains("no-cache") || value.contains("no-store"));
        self.header(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, |value| value == "*");
        let packed = self.client.get(self.url).header(header::ACCEPT_ENCODING, "gzip").send().await?;
        self.header(&packed, header::CONTENT_ENCODING, |value| value == "gzip");
        let head = self.client.head(self.url).send().await?;
        if head.status() != 200 {
            self.faults.push(fault(18, format!("HEAD of the playlist: {}", head.status())));
        }
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let status = self.client.request(method.clone(), self.url).send().await?.status();
            if status != 405 {
                self.faults.push(fault(18, format!("{method}: {status}")));
            }
        }
        let preflight = self.client.request(Method::OPTIONS, self.url).send().await?;
        self.header(&preflight, header::ACCESS_CONTROL_ALLOW_HEADERS, |value| {
            value.contains("Authorization") && value.contains("Range")
        });
        Ok(())
    }

    fn header(&mut self, answer: &Response, name: header::HeaderName, fits: impl Fn(&str) -> bool) {
        let value = answer.headers().get(&name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !fits(value) {
            self.faults.push(fault(18, format!("{name} of {} is {value:?}", answer.url())));
        }
    }

    async fn media(&mut self, list: &Media) -> Result<()> {
        let segment = list.segments.iter().rev().find(|segment| !segment.gap).context("no segment holds media")?;
        for uri in [&segment.uri, segment.map.as_ref().context("there is no map")?] {
            let url = beside(self.url, uri)?;
            let whole = self.client.get(&url).send().await?;
            self.header(&whole, header::CONTENT_TYPE, |value| value == "video/mp4");
            self.header(&whole, header::CACHE_CONTROL, keeps_an_hour);
            let size = whole.bytes().await?.len();
            for (range, want) in [("bytes=0-3", 206), (&*format!("bytes={size}-"), 416)] {
                let status = self.client.get(&url).header(header::RANGE, range).send().await?.status().as_u16();
                if status != want {
                    self.faults.push(fault(18, format!("{range} of {uri}: {status}")));
                }
            }
            let head = self.client.head(&url).send().await?;
            if head.headers().get(header::CONTENT_LENGTH).is_none_or(|length| *length != *size.to_string()) {
                self.faults.push(fault(18, format!("HEAD of {uri} does not say its size")));
            }
        }
        Ok(())
    }

    /// A hinted part may be asked for at once; one far ahead is not there.
    async fn hint(&mut self) -> Result<()> {
        let list = self.list("").await?;
        let Some(hint) = list.hints.first() else { return Ok(()) };
        let answer = self.client.get(beside(self.url, hint)?).send().await?;
        let status = answer.status();
        // The hint is dropped when a segment ends before that part.
        if status != 200 && status != 404 || status == 200 && answer.bytes().await?.is_empty() {
            self.faults.push(fault(17, format!("the hinted {hint}: {status}")));
        }
        let asked = std::time::Instant::now();
        let far = hint.replacen("part_", "part_9", 1);
        let status = self.client.get(beside(self.url, &far)?).send().await?.status();
        if status != 404 || asked.elapsed() > AT_ONCE {
            self.faults.push(fault(17, format!("the unknown {far}: {status} after {:?}", asked.elapsed())));
        }
        Ok(())
    }
}

fn keeps_an_hour(value: &str) -> bool {
    let age = value.split(',').filter_map(|part| part.trim().strip_prefix("max-age=")).next();
    age.and_then(|age| age.parse::<u64>().ok()).is_some_and(|age| age >= 3600)
}
