//! The rules of a slot as pure functions: which rendition it shows, and in which phase it is.

use std::time::Duration;

use domain::Rendition;

use crate::stream::State;

/// A tile gets the main stream only from this width on.
const MAIN_FROM_WIDTH: u32 = 960;
/// A sub stream is at most this wide while it has not said its size.
const SUB_WIDTH: u32 = 640;
/// A source that sent nothing for so long is stale.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(2);

/// The smallest rendition whose width is at least 0.8 of what is wanted; the main one is left only when the sub one is
/// clearly wide enough (20 % more), so that a tile at the border does not swing.
pub(super) fn rendition(want_w: u32, sub_w: Option<u32>, now: Rendition) -> Rendition {
    let enough = u64::from(sub_w.unwrap_or(SUB_WIDTH)) * 10;
    let needed = u64::from(want_w) * 8;
    let needed = match now {
        Rendition::Main => needed * 12 / 10,
        Rendition::Sub => needed,
    };
    if want_w >= MAIN_FROM_WIDTH && enough < needed { Rendition::Main } else { Rendition::Sub }
}

/// How wide the picture is in a tile of this size: its sides keep their proportion, so that a low tile shows it narrow.
pub(super) fn picture_width(want_w: u32, want_h: u32, picture: Option<(u32, u32)>) -> u32 {
    let fits = |(w, h): (u32, u32)| u64::from(want_h) * u64::from(w) / u64::from(h.max(1));
    let by_height = picture.filter(|_| want_h > 0).map_or(u64::MAX, fits);
    u32::try_from(by_height.min(u64::from(want_w))).unwrap_or(want_w)
}

/// What a tile shows of its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The source is being woken.
    Pending,
    /// Packets come, but no keyframe yet.
    Keyframe,
    /// Pictures are sent.
    Live,
    /// The source has gone silent.
    Stale,
    /// There is no source.
    Offline(String),
    /// The camera may not or cannot be shown.
    Denied,
}

impl Phase {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Keyframe => "keyframe",
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Offline(_) => "offline",
            Self::Denied => "denied",
        }
    }

    /// The phase of a slot that is let in: `shown` once its picture was sent, `silent` since its source last sent.
    pub(super) fn of(source: &State, shown: bool, silent: Option<Duration>) -> Self {
        let is_silent = silent.is_none_or(|silent| silent >= STALE_AFTER);
        match source {
            State::Offline { reason } => Self::Offline(reason.clone()),
            State::Stalled { .. } if shown => Self::Stale,
            State::Online | State::Connecting | State::Idle if shown && is_silent => Self::Stale,
            State::Online | State::Connecting | State::Idle if shown => Self::Live,
            State::Online | State::Stalled { .. } => Self::Keyframe,
            State::Connecting | State::Idle => Self::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_smallest_rendition_that_is_wide_enough_is_chosen() {
        use Rendition::{Main, Sub};
        for (want, sub, now, chosen) in [
            (320, Some(320), Sub, Sub),
            (640, Some(320), Sub, Sub),
            (959, Some(320), Sub, Sub),
            (960, Some(320), Sub, Main),
            (960, Some(768), Sub, Sub),
            (960, Some(768), Main, Main),
            (960, Some(960), Main, Sub),
            (1920, None, Sub, Main),
            (800, None, Main, Sub),
            (0, None, Sub, Sub),
        ] {
            assert_eq!(rendition(want, sub, now), chosen, "{want} {sub:?} {now:?}");
        }
    }

    #[test]
    fn a_picture_is_as_wide_as_both_sides_of_its_tile_allow() {
        let wide = Some((640, 360));
        for (w, h, picture, width) in [
            (1280, 720, wide, 1280),
            (1920, 360, wide, 640),
            (800, 1200, wide, 800),
            (1000, 0, wide, 1000),
            (1000, 100, None, 1000),
            (1000, 100, Some((640, 0)), 1000),
        ] {
            assert_eq!(picture_width(w, h, picture), width, "{w}x{h} {picture:?}");
        }
    }

    #[test]
    fn the_phase_follows_the_source() {
        let offline = State::Offline { reason: "no route".into() };
        let second = Some(Duration::from_secs(1));
        let stalled = State::Stalled { since: Instant::now() };
        for (state, shown, silent, phase) in [
            (State::Idle, false, None, Phase::Pending),
            (State::Connecting, false, None, Phase::Pending),
            (State::Online, false, second, Phase::Keyframe),
            (State::Online, true, second, Phase::Live),
            (State::Online, true, Some(STALE_AFTER), Phase::Stale),
            (stalled, true, second, Phase::Stale),
            (State::Connecting, true, Some(STALE_AFTER), Phase::Stale),
            (offline.clone(), true, second, Phase::Offline("no route".into())),
            (offline, false, None, Phase::Offline("no route".into())),
        ] {
            assert_eq!(Phase::of(&state, shown, silent), phase, "{state:?} {shown}");
        }
    }
}
