//! The rules that can be told from playlists alone.

use std::time::Duration;

use super::{Fault, Media, Segment, fault};

/// What text may round.
const EPSILON: f64 = 0.000_02;
/// The least of a part, measured against the target.
const PART_LEAST: f64 = 0.85;

/// What must be true of every playlist (rules 1, 2, 3, 6, 7, 8, 17).
#[must_use]
pub fn standing(list: &Media) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, segment) in list.numbered() {
        if segment.duration.round() > list.target {
            faults.push(fault(1, format!("segment {number} lasts {} of {}", segment.duration, list.target)));
        }
        check_date(number, segment, &mut faults);
        check_gap(number, segment, &mut faults);
    }
    check_parts(list, &mut faults);
    check_hold_back(list, &mut faults);
    check_old_parts(list, &mut faults);
    check_header(list, &mut faults);
    check_maps(list, &mut faults);
    if list.hints.len() > 1 {
        faults.push(fault(17, format!("{} hints of one type", list.hints.len())));
    }
    faults
}

fn check_date(number: u64, segment: &Segment, faults: &mut Vec<Fault>) {
    if segment.date.is_none() {
        faults.push(fault(8, format!("segment {number} has no date")));
    }
    if segment.map.is_none() {
        faults.push(fault(8, format!("segment {number} has no map")));
    }
}

fn check_gap(number: u64, segment: &Segment, faults: &mut Vec<Fault>) {
    if segment.parts.iter().any(|part| part.gap != segment.gap) {
        faults.push(fault(7, format!("segment {number} and its parts disagree about a gap")));
    }
}

fn check_parts(list: &Media, faults: &mut Vec<Fault>) {
    let Some(target) = list.part_target else { return };
    for segment in list.segments.iter().chain([&list.open]) {
        for (at, part) in segment.parts.iter().enumerate() {
            let last = match segment.parts.get(at + 1) {
                Some(next) => next.independent,
                None => true,
            };
            let too_short = part.duration < target * PART_LEAST - EPSILON && !last;
            if part.duration > target + EPSILON || too_short {
                faults.push(fault(2, format!("part {} lasts {} of {target}", part.uri, part.duration)));
            }
        }
        let sum: f64 = segment.parts.iter().map(|part| part.duration).sum();
        let whole = !segment.uri.is_empty() && !segment.parts.is_empty();
        if whole && (sum - segment.duration).abs() > 0.001 {
            faults.push(fault(2, format!("the parts of {} last {sum}, it lasts {}", segment.uri, segment.duration)));
        }
    }
}

fn check_hold_back(list: &Media, faults: &mut Vec<Fault>) {
    match (list.part_target, list.part_hold_back) {
        (Some(target), Some(back)) if back + EPSILON < target * 3.0 => {
            faults.push(fault(3, format!("PART-HOLD-BACK {back} is less than three parts of {target}")));
        }
        (Some(_), None) => faults.push(fault(3, "there is no PART-HOLD-BACK")),
        (Some(_), Some(_)) | (None, _) => {}
    }
    if list.hold_back.is_some_and(|back| back < list.target * 3.0) {
        faults.push(fault(3, "HOLD-BACK is less than three target durations"));
    }
    if list.skip_until.is_some_and(|until| until < list.target * 6.0) {
        faults.push(fault(15, "CAN-SKIP-UNTIL is less than six target durations"));
    }
}

/// Parts go once they are more than three target durations from the end, a segment's at a time.
fn check_old_parts(list: &Media, faults: &mut Vec<Fault>) {
    let mut from_end: f64 = list.open.parts.iter().map(|part| part.duration).sum();
    for segment in list.segments.iter().rev() {
        let near = from_end <= list.target * 3.0 - EPSILON;
        if list.part_target.is_some() && near && segment.parts.is_empty() {
            faults.push(fault(6, format!("{} lost its parts {from_end} s from the end", segment.uri)));
        }
        if from_end > list.target * 3.0 + EPSILON && !segment.parts.is_empty() {
            faults.push(fault(6, format!("{} keeps its parts {from_end} s from the end", segment.uri)));
        }
        from_end += segment.duration;
    }
}

fn check_header(list: &Media, faults: &mut Vec<Fault>) {
    let needed = if list.skipped > 0 { 9 } else { 6 };
    if list.version != needed {
        faults.push(fault(8, format!("version {} where {needed} is needed", list.version)));
    }
    let independent = list.other.iter().any(|tag| tag == "EXT-X-INDEPENDENT-SEGMENTS");
    let starts = |segment: &Segment| segment.parts.first().is_none_or(|first| first.independent || first.gap);
    if independent && !list.segments.iter().all(starts) {
        faults.push(fault(8, "segments are said to be independent and are not"));
    }
    if list.other.iter().any(|tag| tag == "EXT-X-PLAYLIST-TYPE") {
        faults.push(fault(8, "a live playlist has a PLAYLIST-TYPE"));
    }
}

fn check_maps(list: &Media, faults: &mut Vec<Fault>) {
    let open = (!list.open.parts.is_empty()).then_some(&list.open);
    let all: Vec<&Segment> = list.segments.iter().chain(open).collect();
    for two in all.windows(2) {
        if let [before, after] = two {
            let changed = before.map != after.map;
            let resumed = before.gap && !after.gap && !after.parts.iter().any(|part| part.gap);
            if (changed || resumed) && !after.discontinuity {
                faults.push(fault(7, format!("no DISCONTINUITY before {:?}", after.uri)));
            }
        }
    }
}

/// What must be true of a playlist and one got later (rules 1 to 4, 6).
#[must_use]
pub fn successive(before: &Media, after: &Media) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (rule, name, same) in [
        (1, "TARGETDURATION", before.target == after.target),
        (2, "PART-TARGET", before.part_target == after.part_target),
        (3, "SERVER-CONTROL", before.control == after.control),
    ] {
        if !same {
            faults.push(fault(rule, format!("{name} has changed")));
        }
    }
    if after.sequence < before.sequence || after.end() < before.end() {
        let shown = (before.sequence, before.end(), after.sequence, after.end());
        faults.push(fault(4, format!("numbers fall: {shown:?}")));
        return faults;
    }
    for (number, old) in before.numbered() {
        let new = after.numbered().find(|(other, _)| *other == number).map(|(_, segment)| segment);
        if new.is_some_and(|new| !is_same(old, new)) {
            faults.push(fault(4, format!("segment {number} has changed")));
        }
    }
    check_open(before, after, &mut faults);
    let gone = before.numbered().take_while(|(number, _)| *number < after.sequence);
    let gone = gone.filter(|(_, segment)| segment.discontinuity).count() as u64;
    if before.skipped == 0 && after.discontinuity_sequence < before.discontinuity_sequence + gone {
        faults.push(fault(4, "DISCONTINUITY-SEQUENCE does not count what has gone"));
    }
    if after.sequence > before.sequence && after.skipped == 0 && after.duration() < after.target * 3.0 {
        faults.push(fault(6, format!("segments go and {} s are left", after.duration())));
    }
    faults
}

/// The same but for parts, which may go.
fn is_same(old: &Segment, new: &Segment) -> bool {
    let parts = new.parts.is_empty() || old.parts.is_empty() || old.parts == new.parts;
    let shown = |s: &Segment| (s.uri.clone(), s.gap, s.discontinuity, s.map.clone(), s.date.clone());
    parts && shown(old) == shown(new) && (old.duration - new.duration).abs() < EPSILON
}

fn check_open(before: &Media, after: &Media, faults: &mut Vec<Fault>) {
    let (number, _) = before.end();
    let whole = after.numbered().find(|(other, _)| *other == number).map(|(_, segment)| segment);
    let now = if after.end().0 == number { Some(&after.open) } else { whole.filter(|now| !now.parts.is_empty()) };
    if now.is_some_and(|now| !now.parts.starts_with(&before.open.parts)) {
        faults.push(fault(4, format!("parts of segment {number} have changed")));
    }
}

/// Whether playlists grow in time (rule 5): `taken` is how long the second came after the first, which listed all there was.
#[must_use]
pub fn over_time(before: &Media, after: &Media, taken: Duration, tolerance: Duration) -> Vec<Fault> {
    let target = after.part_target.unwrap_or(after.target * 1.5);
    let allowed = target + tolerance.as_secs_f64();
    if before.end() < after.end() && taken.as_secs_f64() > allowed {
        return vec![fault(5, format!("the next part came after {} s, {allowed} are allowed", taken.as_secs_f64()))];
    }
    vec![]
}

/// Whether a delta says the same as the whole playlist (rule 15), got at the same time.
#[must_use]
pub fn delta(whole: &Media, delta: &Media) -> Vec<Fault> {
    let mut faults = Vec::new();
    let until = whole.skip_until.unwrap_or_default();
    let mut from_end: f64 = whole.open.parts.iter().map(|part| part.duration).sum();
    let mut may_go = whole.segments.len();
    for segment in whole.segments.iter().rev().take_while(|segment| {
        let near = from_end <= until + EPSILON;
        from_end += segment.duration;
        near
    }) {
        let _ = segment;
        may_go -= 1;
    }
    if delta.skipped > may_go as u64 {
        faults.push(fault(15, format!("{} segments are left out, {may_go} may be", delta.skipped)));
    }
    if delta.sequence == whole.sequence && delta.end() == whole.end() {
        let same = delta.numbered().all(|(number, new)| {
            whole.numbered().find(|(other, _)| *other == number).is_some_and(|(_, old)| is_same(old, new))
        });
        if !same {
            faults.push(fault(15, "a delta lists other segments than the whole"));
        }
    }
    faults
}

/// What must be true of the renditions of a camera (rule 9).
#[must_use]
pub fn renditions(lists: &[Media]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for list in lists {
        if lists.iter().any(|other| (other.target, &other.control) != (list.target, &list.control)) {
            faults.push(fault(9, "renditions have other durations or another SERVER-CONTROL"));
        }
        if list.reports.len() + 1 != lists.len() {
            faults.push(fault(9, format!("{} reports of {} renditions", list.reports.len(), lists.len())));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
