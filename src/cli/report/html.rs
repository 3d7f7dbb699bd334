//! The pieces of a page. What comes from outside is escaped by whoever puts it in.

/// The looks of the page, in light and dark.
const STYLE: &str = include_str!("style.css");

/// The page forbids itself to load anything, and to run any script.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// Text as it may stand in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // Control characters have no place in a page.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A page with this title and body, both escaped.
pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\
         </main>\n</body>\n</html>\n"
    )
}

/// A part of the page under a heading.
pub(super) fn section(id: &str, title: &str, body: &str) -> String {
    format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{body}\n</section>\n"
    )
}

/// A table whose rows begin with what they are about. On a narrow screen each row is a block, its cells
/// below each other under their titles; wider than a wide screen, it scrolls by itself.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let classed: Vec<(bool, &Vec<String>)> = rows.iter().map(|row| (false, row)).collect();
    table_with(head, &classed)
}

/// The same, with some rows marked.
pub(super) fn table_with(head: &[&str], rows: &[(bool, &Vec<String>)]) -> String {
    let titles: String =
        head.iter().map(|title| format!("<th scope=\"col\">{}</th>", escape(title))).collect();
    let mut text = format!(
        "<div class=\"wide\" tabindex=\"0\"><table class=\"rows\">\n<thead><tr>{titles}</tr></thead>\n<tbody>\n"
    );
    for (marked, row) in rows {
        let class = if *marked { " class=\"marked\"" } else { "" };
        text += &format!("<tr{class}>");
        for (place, cell) in row.iter().enumerate() {
            text += &match place {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => {
                    let title = head.get(place).copied().unwrap_or_default();
                    format!("<td data-title=\"{}\">{cell}</td>", escape(title))
                }
            };
        }
        text += "</tr>\n";
    }
    text + "</tbody>\n</table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_can_open_a_tag_or_close_an_attribute() {
        let escaped = escape("<script>alert('x')</script> & \"y\"\u{1b}[0m");
        assert_eq!(
            escaped,
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;\u{fffd}[0m"
        );
    }
}
