//! `manifests/COMPATIBILITY.md` has every row of ESO's feature table, and the tests it names are in the
//! tree.

use std::path::Path;

const TABLE: &str = include_str!("../../manifests/COMPATIBILITY.md");
/// Rows of ESO's feature table (eso.md §9).
const ROWS: usize = 42;

/// Cells of the rows that have a state: number, feature, state, remark, tests.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with("| "));
    lines
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.len() == 5 && cells[0] != "#")
        .collect()
}

/// Everything that is wrong with a table, a sentence each; `source` answers the text of a file.
fn mistakes(text: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let rows = rows(text);
    let mut found = Vec::new();
    for number in 1..=ROWS {
        let count = rows
            .iter()
            .filter(|cells| cells[0] == number.to_string())
            .count();
        if count != 1 {
            found.push(format!("row {number} is there {count} times"));
        }
    }
    for cells in rows {
        let row = cells[0];
        if !matches!(cells[2], "served" | "partly" | "not") {
            found.push(format!("row {row}: {:?} is no state", cells[2]));
        }
        if cells[2] != "served" && cells[3].is_empty() {
            found.push(format!("row {row} has no reason"));
        }
        let tests: Vec<&str> = cells[4]
            .split('`')
            .filter(|test| test.contains("::"))
            .collect();
        if tests.is_empty() {
            found.push(format!("row {row} names no test"));
        }
        for test in tests {
            let (path, name) = test.split_once("::").unwrap_or_default();
            let is_there = source(path).is_some_and(|text| has_test(&text, name));
            if !is_there {
                found.push(format!("row {row}: there is no test {test}"));
            }
        }
    }
    found
}

/// Whether a function of that name stands below a test attribute.
fn has_test(text: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let mut attributes = Vec::new();
    for line in text.lines().map(str::trim) {
        let function = line.trim_start_matches("async ");
        if function.starts_with(&head) && attributes.iter().any(|line: &&str| is_test(line)) {
            return true;
        }
        if line.starts_with("#[") {
            attributes.push(line);
        } else if !line.starts_with("//") {
            attributes.clear();
        }
    }
    // A property test stands in a macro.
    text.contains("proptest!") && text.contains(&head)
}

fn is_test(attribute: &str) -> bool {
    ["#[test]", "#[tokio::test", "#[rstest]"]
        .iter()
        .any(|test| attribute.starts_with(test))
}

#[test]
fn every_row_of_esos_table_has_a_state_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = mistakes(TABLE, |path| std::fs::read_to_string(root.join(path)).ok());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_missing_row_and_a_test_that_is_not_there_are_found() {
    let text = "| # | feature | state | how | proved by |\n|---|---|---|---|---|\n\
                | 1 | a | served | | `src/a.rs::it_works` |\n\
                | 2 | b | not | | `src/a.rs::it_is_gone` |\n\
                | 3 | c | maybe | x | |\n";
    let source = "#[test]\nfn it_works() {}\nfn it_is_gone() {}\n";
    let found = mistakes(text, |path| (path == "src/a.rs").then(|| source.to_owned()));
    let told = |text: &str| found.iter().any(|line| line.contains(text));
    assert!(
        told("row 2 has no reason") && told("no test src/a.rs::it_is_gone"),
        "{found:?}"
    );
    assert!(told("row 3: \"maybe\" is no state") && told("row 3 names no test"));
    assert!(told("row 4 is there 0 times") && !told("row 1 ") && !told("row 1:"));
}
