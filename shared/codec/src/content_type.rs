/// A Content-Type header, taken apart. Parameter names are in lower case; values are unquoted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentType {
    /// Type and subtype in lower case.
    pub essence: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads a header value; `None` when there is no type in it.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = split_unquoted(value).into_iter();
        let essence = parts.next()?.trim().to_ascii_lowercase();
        if !essence.contains('/') {
            return None;
        }
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), unquote(value.trim())))
        });
        Some(Self { essence, parameters: parameters.collect() })
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether the message is in several parts, as MTOM is.
    pub fn is_multipart(&self) -> bool {
        self.essence == "multipart/related"
    }
}

/// A content type fit for a header: the given one when it is harmless, else the type of any bytes.
pub fn safe_content_type(given: &str) -> &str {
    let harmless = given.len() < 200
        && given.contains('/')
        && given.bytes().all(|b| (0x20..0x7f).contains(&b))
        && !given.contains(['\r', '\n']);
    if harmless { given } else { "application/octet-stream" }
}

/// Splits at semicolons outside quotes.
fn split_unquoted(value: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut from) = (false, false, 0);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                parts.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[from..]);
    parts
}

fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let Some(inner) = inner else { return value.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_any_dress() {
        let ct = ContentType::parse(
            "Multipart/Related; BOUNDARY=\"a;b\"; type=application/xop+xml;\r\n start=\"<r@x>\"",
        )
        .unwrap();

        assert!(ct.is_multipart());
        assert_eq!(ct.parameter("boundary"), Some("a;b"));
        assert_eq!(ct.parameter("type"), Some("application/xop+xml"));
        assert_eq!(ct.parameter("start"), Some("<r@x>"));
    }

    #[test]
    fn headers_cannot_be_injected() {
        assert_eq!(safe_content_type("text/goofy"), "text/goofy");
        assert_eq!(safe_content_type("text/x\r\nSet-Cookie: a"), "application/octet-stream");
    }
}
