//! What was trained with what: every key of the experiments, and their number formats.

use super::html::{escape, table, table_with};
use super::{Part, html};
use crate::cli::compare::names::keys;
use crate::record::RunDirectory;

/// Every key of every experiment, those first that differ.
pub(super) fn settings(parts: &[Part]) -> String {
    let all: Vec<Vec<(String, String)>> = parts.iter().map(|part| keys(&part.group)).collect();
    let mut names: Vec<&String> = Vec::new();
    for (key, _) in all.iter().flatten() {
        if !names.contains(&key) {
            names.push(key);
        }
    }
    let value = |own: &[(String, String)], key: &str| {
        own.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let (mut differing, mut shared) = (Vec::new(), Vec::new());
    for key in names {
        let values: Vec<Option<String>> = all.iter().map(|own| value(own, key)).collect();
        let code = format!("<code>{}</code>", escape(key));
        let cell = |value: &Option<String>| {
            value.as_deref().map_or("<span class=\"soft\">none</span>".to_owned(), escape)
        };
        if values.iter().all(|other| *other == values[0]) {
            shared.push(vec![code, cell(&values[0])]);
        } else {
            differing.push([vec![code], values.iter().map(cell).collect()].concat());
        }
    }
    let mut text = String::new();
    if parts.len() > 1 {
        let labels: Vec<String> = parts.iter().map(|part| part.name(parts)).collect();
        let head: Vec<&str> =
            std::iter::once("what differs").chain(labels.iter().map(|label| &**label)).collect();
        let rows: Vec<(bool, &Vec<String>)> = differing.iter().map(|row| (true, row)).collect();
        text += &html::table_with(&head, &rows);
    }
    let what = if parts.len() > 1 { "what they share" } else { "every key" };
    let rows: Vec<(bool, &Vec<String>)> = shared.iter().map(|row| (false, row)).collect();
    text += &format!(
        "<details{}><summary>{what}: {} keys</summary>\n{}</details>\n",
        if parts.len() > 1 { "" } else { " open" },
        shared.len(),
        table_with(&["key", "value"], &rows)
    );
    text
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
