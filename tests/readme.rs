//! The commands that the README and the pages of docs show in `sh` blocks run as they stand.

use std::path::{Path, PathBuf};
use std::process::Command;

use es_train::envs::Tools;

/// Lines of the blocks of README and docs that are marked with this word.
fn commands(mark: &str) -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut pages = vec![include_str!("../README.md").to_owned()];
    pages.extend(files(&docs).iter().map(|page| std::fs::read_to_string(page).unwrap()));
    pages.iter().flat_map(|page| commands_of(page, mark)).collect()
}

/// All files below a directory, in the order of their names.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let mut all: Vec<PathBuf> = entries.flat_map(below).collect();
    all.sort();
    all
}

fn commands_of(page: &str, mark: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        match line {
            "```" => inside = false,
            command if inside => commands.push(command.to_owned()),
            line => inside = line.strip_prefix("```") == Some(mark),
        }
    }
    commands
}

#[test]
fn every_command_of_the_readme_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let copy = directory.path().join("experiments");
    std::fs::create_dir(&copy).unwrap();
    for file in files(&experiments) {
        let to = copy.join(file.strip_prefix(&experiments).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    let mut commands = commands("sh");
    assert!(commands.len() >= 5, "{commands:?}");
    match es_train::envs::gymnasium_version(&Tools::from_environment()) {
        Ok(_) => commands.extend(self::commands("sh python")),
        Err(error) => eprintln!("skipped: the commands that need Python ({error})"),
    }
    for command in commands {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("es-train"), "{command}");
        let output = Command::new(env!("CARGO_BIN_EXE_es-train"))
            .args(words)
            .current_dir(directory.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        // A machine without a graphics library, or a Python without one of the packages.
        if errors.contains("cannot be drawn") || errors.contains(" needs ") {
            eprintln!("skipped: {command}: {errors}");
            continue;
        }
        assert!(output.status.success(), "{command}: {errors}");
    }
}

#[test]
fn the_experiment_in_the_readme_is_right() {
    let readme = include_str!("../README.md");
    let blocks: Vec<&str> = readme.split("```toml\n").skip(1).collect();
    let experiment = blocks[0].split("```").next().unwrap();
    assert!(experiment.contains("[stop]"), "{experiment}");
    es_train::Experiment::parse(experiment).unwrap();
}

/// The names between backticks that look like those of tests.
fn tests_named(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    text.split('`').skip(1).step_by(2).filter(is_name).filter(|word| word.matches('_').count() > 3)
}

#[test]
fn every_fault_of_the_table_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: Vec<String> = ["tests", "src"]
        .iter()
        .flat_map(|directory| files(&root.join(directory)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let page = include_str!("../docs/faults.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let rows: Vec<&str> = rows.filter(|line| !line.starts_with("| fault ")).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let last = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        assert_eq!(tests_named(last).count(), 1, "no test in the last column: {row}");
    }
    for name in tests_named(page) {
        let test = format!("#[test]\nfn {name}(");
        let unit = format!("#[test]\n    fn {name}(");
        let there = sources.iter().any(|text| text.contains(&test) || text.contains(&unit));
        assert!(there, "docs/faults.md names `{name}`, which is no test");
    }
}
