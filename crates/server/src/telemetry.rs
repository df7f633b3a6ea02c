//! The log.

use std::{
    fmt,
    io::{IsTerminal as _, stderr},
};

use anyhow::{Context as _, Result, anyhow};
use time::OffsetDateTime;
use tracing_subscriber::{
    EnvFilter,
    filter::LevelFilter,
    fmt::{format::Writer, time::FormatTime},
};

use crate::config::{Log, LogFormat};

/// Starts writing the log to standard error, as the configuration says: for people with a time that names its zone, and
/// in colour on a terminal alone.
pub(crate) fn start(log: &Log) -> Result<()> {
    let filter = EnvFilter::builder()
        .parse(&log.level)
        .with_context(|| format!("log.level: {:?} is not a level or a filter such as info,media=debug", log.level))?;
    let filter = without_each_packet(filter, &log.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).with_timer(Clock).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))
}

/// The time in UTC, and saying so.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let now = OffsetDateTime::now_utc();
        let (hour, minute, second, ms) = now.time().as_hms_milli();
        write!(out, "{} {hour:02}:{minute:02}:{second:02}.{ms:03} UTC", now.date())
    }
}

/// The WebRTC library writes a line for each packet at the level debug. Who wants that names it.
fn without_each_packet(filter: EnvFilter, level: &str) -> EnvFilter {
    let says_much = filter.max_level_hint().is_none_or(|most| most > LevelFilter::INFO);
    if !says_much || level.contains("str0m") {
        return filter;
    }
    filter.add_directive("str0m=info".parse().expect("it is a filter"))
}
