//! Options on their way to Python.

use toml::Value;

/// TOML as JSON, with `Infinity` and `NaN` as Python's reader takes them.
pub(super) fn json(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => "NaN".to_owned(),
        Value::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(time) => quoted(&time.to_string()),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(json).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Table(table) => {
            let entry =
                |(name, value): (&String, &Value)| format!("{}: {}", quoted(name), json(value));
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if u32::from(c) < 0x20 => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_what_python_reads() {
        let table: toml::Table = "a = [1, -2.5, inf, -inf, nan]\nb = { c = true, \"d\\\"\\n\" = \
                                  'x\\y' }\ne = 1e300\n"
            .parse()
            .unwrap();
        assert_eq!(
            json(&Value::Table(table)),
            r#"{"a": [1, -2.5, Infinity, -Infinity, NaN], "b": {"c": true, "d\"\u000a": "x\\y"}, "e": 1e300}"#
        );
    }
}
