//! What was trained with what: every key of the experiments, and their number formats.

use super::html::{escape, table};
use super::{Part, html};
use crate::cli::compare::names::keys;
use crate::record::{RunDirectory, plural};

/// Every key of every experiment: those in which experiments that have them differ; those that only some
/// have, such as what belongs to their method; what is the same for all.
pub(super) fn settings(parts: &[Part]) -> String {
    let all: Vec<Vec<(String, String)>> = parts.iter().map(|part| keys(&part.group)).collect();
    let names: Vec<String> = parts.iter().map(|part| part.name(parts)).collect();
    let Sorted { differing, of_some, shared } = Sorted::of(&all);
    let code = |key: &str| format!("<code>{}</code>", escape(key));
    let none = || "<span class=\"soft\">–</span>".to_owned();
    let mut text = String::new();
    if parts.len() > 1 {
        let head: Vec<&str> =
            std::iter::once("what differs").chain(names.iter().map(String::as_str)).collect();
        let row = |(key, values): &(&str, Vec<Option<&str>>)| {
            let cells = values.iter().map(|value| value.map_or_else(none, escape));
            std::iter::once(code(key)).chain(cells).collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = differing.iter().map(row).collect();
        let rows: Vec<(bool, &Vec<String>)> = rows.iter().map(|row| (true, row)).collect();
        text += &html::table_with(&head, &rows);
        text += &format!("<p class=\"soft\">{}: the experiment has no such key.</p>\n", none());
    }
    if !of_some.is_empty() {
        let row = |(key, value, whose): &(&str, &str, Vec<usize>)| {
            let whose: Vec<&str> = whose.iter().map(|&part| names[part].as_str()).collect();
            vec![code(key), escape(value), escape(&whose.join("; "))]
        };
        let rows: Vec<Vec<String>> = of_some.iter().map(row).collect();
        text += &folded("what only some have", &table(&["key", "value", "of"], &rows), rows.len());
    }
    let rows: Vec<Vec<String>> =
        shared.iter().map(|(key, value)| vec![code(key), escape(value)]).collect();
    let what = if parts.len() > 1 { "what they share" } else { "every key" };
    let folded = folded(what, &table(&["key", "value"], &rows), rows.len());
    text + &match parts.len() {
        1 => folded.replacen("<details>", "<details open>", 1),
        _ => folded,
    }
}

fn folded(what: &str, table: &str, keys: usize) -> String {
    format!("<details><summary>{what}: {}</summary>\n{table}</details>\n", plural(keys, "key"))
}

/// The keys of several experiments, by what is to be said of them.
#[derive(Debug, Default, PartialEq)]
struct Sorted<'a> {
    /// Keys whose values differ among the experiments that have them, with the value of each.
    differing: Vec<(&'a str, Vec<Option<&'a str>>)>,
    /// Keys that only some have, all with the same value, and which these are.
    of_some: Vec<(&'a str, &'a str, Vec<usize>)>,
    /// Keys that all have, with the same value.
    shared: Vec<(&'a str, &'a str)>,
}

impl<'a> Sorted<'a> {
    fn of(all: &'a [Vec<(String, String)>]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for (key, _) in all.iter().flatten() {
            if !names.contains(&key.as_str()) {
                names.push(key);
            }
        }
        let mut sorted = Sorted::default();
        for name in names {
            let value = |own: &'a Vec<(String, String)>| {
                own.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
            };
            let values: Vec<Option<&str>> = all.iter().map(value).collect();
            let whose: Vec<usize> = (0..all.len()).filter(|&k| values[k].is_some()).collect();
            let Some(first) = values.iter().copied().flatten().next() else { continue };
            if values.iter().flatten().any(|&value| value != first) {
                sorted.differing.push((name, values));
            } else if whose.len() < all.len() {
                sorted.of_some.push((name, first, whose));
            } else {
                sorted.shared.push((name, first));
            }
        }
        sorted
    }
}

/// What policies compute and are trained in.
pub(super) fn formats(parts: &[Part]) -> String {
    let row = |part: &Part| {
        let arithmetic = &part.group.runs[0].experiment.arithmetic;
        let name = |value: &dyn erased::Named| value.name();
        let policy = part.group.runs.iter().find_map(|run| RunDirectory::policy(&run.path).ok());
        let lost = part.group.runs.iter().filter_map(|run| run.summary.as_ref()?.final_lost_share);
        let lost: Vec<f64> = lost.collect();
        let lost = crate::statistics::Quartiles::of(&lost).map(|share| share.median);
        vec![
            escape(&part.name(parts)),
            escape(&arithmetic.matmul),
            escape(&arithmetic.elsewhere),
            escape(&name(&arithmetic.update)),
            escape(&name(&arithmetic.master)),
            policy.as_ref().map_or("no policy yet".to_owned(), |policy| {
                escape(&policy.architecture.described())
            }),
            policy.map_or(String::new(), |policy| policy.theta.len().to_string()),
            lost.map_or("not counted".to_owned(), |share| format!("{:.2} %", 100.0 * share)),
        ]
    };
    let head = [
        "experiment",
        "matrix multiplies",
        "elsewhere",
        "update",
        "theta in",
        "network",
        "parameters",
        "steps lost to rounding at the end",
    ];
    table(&head, &parts.iter().map(row).collect::<Vec<_>>())
}

/// Values of the experiment file by the names they have there.
mod erased {
    pub trait Named {
        fn name(&self) -> String;
    }

    impl<T: serde::Serialize> Named for T {
        fn name(&self) -> String {
            let value = toml::Value::try_from(self).ok();
            value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_method_alone_has_does_not_differ() {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let all = [
            own(&[("name", "es"), ("sigma", "0.1"), ("population", "8"), ("hidden", "[8]")]),
            own(&[("name", "es"), ("sigma", "0.2"), ("population", "8"), ("hidden", "[8]")]),
            own(&[("name", "sgd"), ("batch_size", "4"), ("hidden", "[8]")]),
        ];
        let sorted = Sorted::of(&all);
        assert_eq!(
            sorted.differing,
            [
                ("name", vec![Some("es"), Some("es"), Some("sgd")]),
                ("sigma", vec![Some("0.1"), Some("0.2"), None])
            ]
        );
        assert_eq!(sorted.of_some, [("population", "8", vec![0, 1]), ("batch_size", "4", vec![2])]);
        assert_eq!(sorted.shared, [("hidden", "[8]")]);
    }
}
