//! A published window with its texts, each made once, on first need, and shared by all who ask for it.

use std::{
    io::Write as _,
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use media_proto::hls::RenditionReport;

use super::window::Window;

/// Text that is sent as it is or compressed. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Text(Arc<Forms>);

#[derive(Debug)]
struct Forms {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        Self(Arc::new(Forms { plain: text.into(), gzip: OnceLock::new() }))
    }

    /// As it is.
    #[must_use]
    pub fn plain(&self) -> Bytes {
        self.0.plain.clone()
    }

    /// Compressed with gzip.
    #[must_use]
    pub fn gzip(&self) -> Bytes {
        let packed = self.0.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let written = encoder.write_all(&self.0.plain).and_then(|()| encoder.finish());
            written.expect("a vector takes all that is written").into()
        });
        packed.clone()
    }
}

/// Which media playlist is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    LowLatency,
    /// Whole segments only, for players without low latency.
    Plain,
}

#[derive(Debug)]
pub(super) struct Edition {
    pub(super) window: Window,
    /// Since when it is there.
    pub(super) made: Instant,
    low_latency: Made,
    plain: Made,
}

/// The texts of one form.
#[derive(Debug, Default)]
struct Made {
    whole: OnceLock<Text>,
    /// `None` inside: nothing may be left out.
    delta: OnceLock<Option<Text>>,
}

impl Edition {
    pub(super) fn new(window: Window) -> Self {
        Self { window, made: Instant::now(), low_latency: Made::default(), plain: Made::default() }
    }

    /// The playlist; with `skip`, without its oldest segments where that is allowed.
    pub(super) fn playlist(&self, form: Form, skip: bool, reports: impl Fn() -> Vec<RenditionReport>) -> Text {
        let (made, low_latency) = match form {
            Form::LowLatency => (&self.low_latency, true),
            Form::Plain => (&self.plain, false),
        };
        let model = || self.window.playlist(low_latency, reports());
        let delta = || made.delta.get_or_init(|| model().to_delta_text().map(Text::new)).clone();
        let whole = || made.whole.get_or_init(|| Text::new(model().to_text())).clone();
        if skip { delta().unwrap_or_else(whole) } else { whole() }
    }
}
