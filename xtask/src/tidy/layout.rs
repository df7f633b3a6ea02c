//! How files are named and where they lie, and what they may not name.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use anyhow::Result;

use super::{is_rust, read};

/// Entries of the root that can be seen.
const ROOT_ENTRIES_MAX: usize = 20;
/// Markdown files in the root.
const ROOT_DOCUMENTS: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["common", "utils", "util", "helpers", "core", "manager"];
/// Where the packages of lock files come from; anything else is somebody's mirror.
const PUBLIC_REGISTRIES: [&str; 2] = ["https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/"];

pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut found = check_root(files);
    found.extend(files.iter().filter_map(|file| check_name(file)));
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "Cargo.lock" | "package-lock.json" => found.extend(check_lock(file, &read(root, file)?)),
            ".npmrc" => found.extend(check_setting(file, &read(root, file)?, &["registry=", "registry =", "//"])),
            "config.toml" if file.starts_with(".cargo") => {
                found.extend(check_setting(file, &read(root, file)?, &["[source", "[registr", "replace-with"]));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn check_root(files: &[PathBuf]) -> Vec<String> {
    let first = |file: &PathBuf| match file.components().next() {
        Some(Component::Normal(name)) => name.to_str().map(str::to_owned),
        _ => None,
    };
    let seen: BTreeSet<String> = files.iter().filter_map(first).filter(|name| !name.starts_with('.')).collect();
    let mut found = Vec::new();
    if seen.len() > ROOT_ENTRIES_MAX {
        found.push(format!("the root has {} entries, at most {ROOT_ENTRIES_MAX} are wanted", seen.len()));
    }
    let strays = seen.iter().filter(|name| name.ends_with(".md") && !ROOT_DOCUMENTS.contains(&name.as_str()));
    found.extend(strays.map(|name| format!("{name}: documents belong in docs/")));
    found
}

fn check_name(file: &Path) -> Option<String> {
    let shown = file.display();
    let name = file.file_name()?.to_str()?;
    let stem = file.file_stem()?.to_str()?;
    if name == "mod.rs" {
        return Some(format!("{shown}: a module is NAME.rs beside NAME/"));
    }
    if name.ends_with(".old") || name.ends_with(".orig") || name.ends_with(".bak") {
        return Some(format!("{shown}: history is git's work"));
    }
    if is_rust(file) && stem.ends_with('2') {
        return Some(format!("{shown}: a second version of a file; replace the first"));
    }
    let empty = |part: &str| EMPTY_NAMES.contains(&part);
    let in_source = is_rust(file) || file.extension().is_some_and(|extension| extension == "ts" || extension == "tsx");
    let directories = file.parent().into_iter().flat_map(Path::components);
    let mut parts = directories.filter_map(|part| part.as_os_str().to_str());
    if in_source && (empty(stem) || parts.any(empty)) {
        return Some(format!("{shown}: the name does not say what is inside"));
    }
    None
}

fn check_lock(file: &Path, text: &str) -> Option<String> {
    let foreign = text.lines().find(|line| {
        let names_source = line.contains("source = \"") || line.contains("\"resolved\": \"http");
        names_source && !PUBLIC_REGISTRIES.iter().any(|registry| line.contains(registry))
    })?;
    Some(format!("{}: not a public registry: {}", file.display(), foreign.trim()))
}

/// Finds a setting that names a registry, for all packages or for a scope (`@x:registry=…`).
fn check_setting(file: &Path, text: &str, keys: &[&str]) -> Option<String> {
    let names_registry = |line: &&str| {
        let scoped = line.strip_prefix('@').and_then(|scope| scope.split_once(':'));
        let setting = scoped.map_or(*line, |(_, setting)| setting);
        keys.iter().any(|key| setting.starts_with(key))
    };
    let line = text.lines().map(str::trim).find(names_registry)?;
    Some(format!("{}: the registry is each machine's own setting: {line}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hide_what_is_inside_are_found() {
        for (file, fits) in [
            ("crates/media/src/stream.rs", true),
            ("crates/media/src/stream/mod.rs", false),
            ("crates/media/src/utils.rs", false),
            ("crates/common/src/lib.rs", false),
            ("crates/media/src/hub2.rs", false),
            ("web/src/utils/x.ts", false),
            ("docs/ref/manager.md", true),
            ("README.old", false),
        ] {
            assert_eq!(check_name(Path::new(file)).is_none(), fits, "{file}");
        }
    }

    #[test]
    fn a_mirror_in_a_lock_file_is_found() {
        let check = |text| check_lock(Path::new("Cargo.lock"), text).is_none();
        assert!(check("source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"));
        assert!(!check("source = \"registry+https://mirror.example/index\"\n"));
        assert!(!check("      \"resolved\": \"http://10.0.0.1/react.tgz\",\n"));
    }

    #[test]
    fn a_setting_of_a_registry_is_found() {
        let check = |text| check_setting(Path::new(".npmrc"), text, &["registry=", "//"]).is_none();
        assert!(check("omit-lockfile-registry-resolved=true\n"));
        assert!(!check("a=b\nregistry=http://mirror.example\n"));
        assert!(!check("@scope:registry=http-mirror\n"));
    }

    #[test]
    fn a_stray_document_in_the_root_is_found() {
        let check = |file: &str| check_root(&[PathBuf::from(file)]).len();
        assert_eq!([check("README.md"), check("NOTES.md"), check("docs/NOTES.md"), check(".gitignore")], [0, 1, 0, 0]);
    }
}
