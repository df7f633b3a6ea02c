//! The longest functions and files, for the reader to judge; not a gate.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{is_rust, read};

/// How many are shown.
const SHOWN: usize = 10;

pub(super) fn print(root: &Path, files: &[PathBuf]) -> Result<()> {
    let (mut long_files, mut long_functions) = (Vec::new(), Vec::new());
    for file in files.iter().filter(|file| is_rust(file)) {
        let text = read(root, file)?;
        long_files.push((text.lines().count(), file.display().to_string()));
        let functions = functions(&text).into_iter();
        long_functions.extend(functions.map(|(lines, name)| (lines, format!("{name} in {}", file.display()))));
    }
    print_longest("functions", long_functions);
    print_longest("files", long_files);
    Ok(())
}

fn print_longest(what: &str, mut found: Vec<(usize, String)>) {
    found.sort_by(|a, b| b.cmp(a));
    println!("longest {what}, in lines:");
    for (lines, name) in found.iter().take(SHOWN) {
        println!("{lines:>6}  {name}");
    }
}

/// The functions of formatted code with their lengths: each ends with a brace at its own indentation.
fn functions(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indentation = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indentation));
        let length = lines.iter().skip(at).position(|line| *line == end).map(|length| length + 1);
        let one_line = line.ends_with('}') || line.ends_with(';');
        found.push((if one_line { 1 } else { length.unwrap_or(1) }, name.to_owned()));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "unsafe "];
    let mut rest = line.trim_start();
    while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_by_their_braces() {
        let text =
            "fn one() {}\nimpl X {\n    pub(crate) async fn two<T>(\n        a: T,\n    ) {\n        a;\n    }\n}\n";
        assert_eq!(functions(text), [(1, "one".to_owned()), (5, "two".to_owned())]);
    }
}
