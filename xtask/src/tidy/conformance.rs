//! Each requirement names the test that proves it: `docs/ref/conformance.md`, checked against the code.
//!
//! The file has tables with the columns `id`, `what` and `test`. The last one holds one or more names in backticks,
//! `crate::module::test` for a Rust test and `web/e2e/file#text` for a suite whose file contains the text, or says
//! `absent: ` and the reason.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{is_rust, read};

const FILE: &str = "docs/ref/conformance.md";

pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    if !root.join(FILE).exists() {
        return Ok(vec![]);
    }
    let mut tests = BTreeSet::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        if let Some(module) = module(file) {
            tests.extend(tests_in(&read(root, file)?).map(|test| format!("{module}::{test}")));
        }
    }
    let exists = |named: &str| match named.split_once('#') {
        Some((file, text)) => std::fs::read_to_string(root.join(file)).is_ok_and(|content| content.contains(text)),
        None => tests.contains(named),
    };
    let text = read(root, Path::new(FILE))?;
    Ok(text.lines().zip(1..).filter_map(|(line, number)| check_row(line, number, exists)).collect())
}

fn check_row(line: &str, number: usize, exists: impl Fn(&str) -> bool) -> Option<String> {
    let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [id, _, proof] = cells.as_slice() else {
        return Some(format!("{FILE}:{number}: a row has the cells id, what and test"));
    };
    let heads = *id == "id" || id.starts_with("--") || id.starts_with(":-");
    let absent = proof.strip_prefix("absent:").is_some_and(|reason| !reason.trim().is_empty());
    if heads || absent {
        return None;
    }
    let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return Some(format!("{FILE}:{number}: {id} names no test; write one in backticks, or `absent: reason`"));
    }
    let missing = named.into_iter().find(|named| !exists(named))?;
    Some(format!("{FILE}:{number}: {id}: there is no test {missing}"))
}

/// The module path of a file: `crates/media/src/hub/tests.rs` and `crates/media/src/hub.rs` are both `media::hub`.
fn module(file: &Path) -> Option<String> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let (package, rest) = match parts.as_slice() {
        ["crates", package, "src" | "tests" | "benches", rest @ ..] => (*package, rest),
        ["xtask", "src", rest @ ..] => ("xtask", rest),
        _ => return None,
    };
    let package = package.replace('-', "_");
    let names = rest.iter().map(|part| part.trim_end_matches(".rs"));
    let names = names.filter(|name| !matches!(*name, "lib" | "main" | "tests"));
    Some(std::iter::once(package.as_str()).chain(names).collect::<Vec<_>>().join("::"))
}

/// The functions that carry a test attribute.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    text.lines().map(str::trim).filter_map(move |line| {
        if line.starts_with("#[") {
            marked |= line.contains("test]") || line.contains("test(");
            return None;
        }
        let signature = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let name = signature.filter(|_| marked).and_then(|rest| rest.split('(').next());
        marked &= line.is_empty() || line.starts_with("//");
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_right_when_its_tests_exist_or_it_says_why_not() {
        for (line, fits) in [
            ("| id | what | test |", true),
            ("|---|---|---|", true),
            ("| M1 | rings | `media::stream::there` |", true),
            ("| M1 | rings | `media::stream::there`, `media::gone` |", false),
            ("| M2 | multicast | absent: comes later |", true),
            ("| M2 | multicast | absent: |", false),
            ("| M3 | nothing |", false),
            ("Words between the tables.", true),
        ] {
            let found = check_row(line, 1, |named| named == "media::stream::there");
            assert_eq!(found.is_none(), fits, "{line}: {found:?}");
        }
    }

    #[test]
    fn tests_are_found_with_their_module() {
        let text =
            "#[test]\nfn one() {}\n\nfn none() {}\n    #[tokio::test(start_paused = true)]\n    async fn two() {\n";
        assert_eq!(tests_in(text).collect::<Vec<_>>(), ["one", "two"]);
        for (file, expected) in [
            ("crates/media-proto/src/lib.rs", "media_proto"),
            ("crates/media/src/hub/tests.rs", "media::hub"),
            ("crates/server/tests/it/wall.rs", "server::it::wall"),
        ] {
            assert_eq!(module(Path::new(file)).as_deref(), Some(expected));
        }
    }
}
