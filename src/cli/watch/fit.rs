//! Text made to fit into so many columns of a terminal.

use ratatui::text::Span;

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, or as much of its beginning as fits, with an ellipsis.
pub(super) fn beginning(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept) >= columns {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The text, or as much of its end as fits, which of a path is what tells it apart.
pub(super) fn end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let starts = text.char_indices().map(|(at, _)| &text[at..]);
    let kept = starts.into_iter().find(|rest| width(rest) < columns).unwrap_or_default();
    if columns > 0 { format!("…{kept}") } else { String::new() }
}

/// The words of a text in lines of so many columns.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let gap = usize::from(!lines[last].is_empty());
        if width(&lines[last]) + gap + width(word) <= columns {
            lines[last] += if gap == 1 { " " } else { "" };
            lines[last] += word;
            continue;
        }
        if gap == 1 {
            lines.push(String::new());
        }
        // A word that is longer than a line goes on in the next one.
        for c in word.chars() {
            let last = lines.len() - 1;
            let wide = width(&format!("{}{c}", lines[last])) > columns;
            match wide && !lines[last].is_empty() {
                true => lines.push(c.to_string()),
                false => lines[last].push(c),
            }
        }
    }
    lines
}

/// The same in so many lines at most, the last of which then says that there is more.
pub(super) fn wrapped_into(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines = wrapped(text, columns);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            let marked = format!("{last} …");
            *last = if width(&marked) <= columns {
                marked
            } else {
                beginning(&format!("{last}……"), columns)
            };
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_shortened_at_the_end_or_at_the_front() {
        assert_eq!(beginning("results", 7), "results");
        assert_eq!(beginning("results", 5), "resu…");
        assert_eq!(end("results/acrobot", 9), "…/acrobot");
        assert_eq!((beginning("abc", 1), end("abc", 1)), ("…".into(), "…".into()));
        assert_eq!((beginning("abc", 0), end("abc", 0)), (String::new(), String::new()));
        // Letters of two columns.
        assert_eq!((beginning("日本語", 4), end("日本語", 4)), ("日…".into(), "…語".into()));
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a 123456789", 4), ["a", "1234", "5678", "9"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped_into("one two three", 7, 1), ["one tw…"]);
        assert_eq!(wrapped_into("one two three", 9, 1), ["one two …"]);
        assert_eq!(wrapped_into("one two three", 7, 2), ["one two", "three"]);
    }
}
