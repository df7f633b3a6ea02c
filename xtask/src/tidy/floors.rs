//! Which crate may use which: the floor table of the house style, checked against `cargo metadata`.
//!
//! Only normal and build dependencies count; tests may use anything.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command::output;

/// What a crate may use.
struct Floor {
    name: &'static str,
    /// Crates of the workspace.
    may_use: &'static [&'static str],
    /// Crates from outside that would break its purity.
    never: &'static [&'static str],
}

const PURE: &[&str] =
    &["tokio", "tokio-util", "async-std", "smol", "futures-util", "socket2", "mio", "reqwest", "hyper"];
const NO_HTTP_NO_SQL: &[&str] = &["axum", "hyper", "sqlx", "rusqlite", "redis"];
const FLOOR_0_AND_1_BUT_QUOTA: &[&str] = &["domain", "media-proto", "vms-proto", "media", "db", "storage"];

const FLOORS: &[Floor] = &[
    Floor { name: "domain", may_use: &[], never: PURE },
    Floor { name: "media-proto", may_use: &["domain"], never: PURE },
    Floor { name: "vms-proto", may_use: &["domain"], never: PURE },
    Floor { name: "media", may_use: &["domain", "media-proto"], never: NO_HTTP_NO_SQL },
    Floor { name: "db", may_use: &["domain"], never: &["axum", "hyper"] },
    Floor { name: "storage", may_use: &["domain"], never: &["axum", "sqlx"] },
    Floor { name: "quota", may_use: &["domain"], never: &["axum", "hyper", "sqlx"] },
    Floor { name: "recording", may_use: FLOOR_0_AND_1_BUT_QUOTA, never: &["axum"] },
    Floor { name: "vms", may_use: &["domain", "media-proto", "vms-proto", "media", "db"], never: &["axum"] },
    Floor { name: "detect", may_use: FLOOR_0_AND_1_BUT_QUOTA, never: &["axum"] },
    Floor { name: "iam", may_use: &["domain", "db"], never: &["axum"] },
    Floor { name: "simulator", may_use: &["domain", "media-proto", "vms-proto", "media"], never: &["sqlx"] },
    Floor { name: "gateway", may_use: &["domain", "iam", "quota"], never: &["sqlx", "rusqlite"] },
    Floor {
        name: "api",
        may_use: &[
            "domain",
            "media-proto",
            "vms-proto",
            "media",
            "db",
            "storage",
            "quota",
            "recording",
            "vms",
            "detect",
            "iam",
        ],
        never: &["sqlx", "rusqlite"],
    },
    Floor {
        name: "server",
        may_use: &[
            "domain",
            "media-proto",
            "vms-proto",
            "media",
            "db",
            "storage",
            "quota",
            "recording",
            "vms",
            "detect",
            "iam",
            "simulator",
            "gateway",
            "api",
        ],
        never: &[],
    },
    Floor {
        name: "testkit",
        may_use: &[
            "domain",
            "media-proto",
            "vms-proto",
            "media",
            "db",
            "storage",
            "quota",
            "recording",
            "vms",
            "detect",
            "iam",
            "simulator",
            "gateway",
            "api",
        ],
        never: &[],
    },
    Floor { name: "xtask", may_use: &[], never: &[] },
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
    /// Given for crates of the workspace.
    path: Option<String>,
}

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let text = output("cargo metadata --format-version 1 --no-deps --locked", root)?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo metadata has another form")?;
    Ok(metadata.packages.iter().flat_map(check_package).collect())
}

fn check_package(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some(floor) = FLOORS.iter().find(|floor| floor.name == name) else {
        return vec![format!("crate {name} is not in the floor table (xtask/src/tidy/floors.rs, style section 2)")];
    };
    let used = package.dependencies.iter().filter(|used| used.kind.as_deref() != Some("dev"));
    used.filter_map(|used| {
        let other = used.name.as_str();
        if used.path.is_some() {
            let fits = floor.may_use.contains(&other);
            (!fits).then(|| format!("crate {name} may not use {other}: that is not a lower floor"))
        } else {
            let breaks = floor.never.contains(&other);
            breaks.then(|| format!("crate {name} may not use {other}: it must stay free of that"))
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(package: &str, used: &str, kind: Option<&str>, inside: bool) -> usize {
        let dependency =
            Dependency { name: used.to_owned(), kind: kind.map(str::to_owned), path: inside.then(String::new) };
        check_package(&Package { name: package.to_owned(), dependencies: vec![dependency] }).len()
    }

    #[test]
    fn only_lower_floors_may_be_used_except_by_tests() {
        assert_eq!(check("media", "domain", None, true), 0);
        assert_eq!(check("media", "api", None, true), 1);
        assert_eq!(check("media", "testkit", Some("dev"), true), 0);
        assert_eq!(check("server", "testkit", None, true), 1);
        assert_eq!(check("media-proto", "tokio", None, false), 1);
        assert_eq!(check("media", "tokio", None, false), 0);
    }

    #[test]
    fn each_crate_uses_only_crates_above_it_in_the_table_so_there_is_no_circle() {
        for (at, floor) in FLOORS.iter().enumerate() {
            let lower = FLOORS.get(..at).unwrap();
            for used in floor.may_use {
                assert!(lower.iter().any(|floor| floor.name == *used), "{} uses {used}", floor.name);
            }
        }
    }
}
