//! The glossary of columns, docs/columns.md, says all of what the tables have, and nothing else.

mod harness;

use std::collections::BTreeSet;

use harness::Place;

/// Words in back quotes of a section of the glossary: those of the first column, and all.
fn words(title: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let page = include_str!("../docs/columns.md");
    let start = page.find(&format!("## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    let section = &page[start + 3..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    let quoted = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let first = rows.flat_map(|row| quoted(row.split(" | ").next().unwrap())).collect();
    (first, quoted(section).into_iter().collect())
}

fn header(text: &str) -> Vec<String> {
    text.lines().next().unwrap().split(',').map(str::to_owned).collect()
}

/// Checks that the section has all columns of the table and, where it names each, no others.
fn explains(title: &str, table: &str, names_each: bool) {
    let (first, all) = words(title);
    let header = header(table);
    for column in &header {
        let stem = ["_median", "_q25", "_q75", "_low", "_high"]
            .iter()
            .fold(column.as_str(), |stem, end| stem.strip_suffix(end).unwrap_or(stem));
        let of = stem.strip_suffix("_to_threshold").unwrap_or(stem);
        let known = [column, stem, of].iter().any(|name| all.contains(*name));
        let is_key = column.contains('.');
        assert!(known || is_key, "{title} of docs/columns.md says nothing of {column}");
    }
    if names_each {
        for name in first {
            assert!(header.contains(&name), "{title} of docs/columns.md: there is no {name}");
        }
    }
}

#[test]
fn the_glossary_has_every_column_of_every_table() {
    let run = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [4]\n[method]\nname = \"downpour\"\n\
        workers = 2\n[stop]\nupdates = 20\n";
    let sweep = "base = \"base.toml\"\nseeds = [1, 2]\nranks = [1, 2]\nevaluate_in = [\"bf16\"]\n\
        [variants]\na = {}\n[grid]\n\"optimizer.learning_rate\" = [0.1]\n";
    let base = run.replace("downpour", "synchronous");
    let place = Place::new()
        .with_file("run.toml", run)
        .with_file("base.toml", &base)
        .with_file("sweep.toml", sweep);
    place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
    for table in ["progress.csv", "staleness.csv", "operations.csv"] {
        explains(table, &place.run("run").text(table), true);
    }
    place.es_train(&["sweep", "sweep.toml", "--out", "all"]).exits_with(0);
    explains("table.csv", &place.run("all").text("table.csv"), true);
    explains("formats.csv", &place.run("all").text("formats.csv"), true);
    explains("statistics.csv", &place.run("all").text("statistics.csv"), false);
    place.es_train(&["compare", "run", "--csv", "compared.csv"]).exits_with(0);
    explains(
        "The table of es-train compare",
        &std::fs::read_to_string(place.path("compared.csv")).unwrap(),
        false,
    );
}
