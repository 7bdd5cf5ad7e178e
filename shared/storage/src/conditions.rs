use crate::sql::composed;
use crate::{Statement, Value};

/// A part of a statement's condition: a fixed text with a `?` for each of its values.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    values: Vec<Value>,
}

impl Condition {
    /// A condition; `text` has as many `?` as there are values.
    pub fn new(text: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        Self { text: text.to_owned(), values: values.into_iter().collect() }
    }

    /// Any of these conditions; without any, none is met.
    pub fn any(all: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(all, " OR ", "1 = 0")
    }

    fn joined(all: impl IntoIterator<Item = Self>, word: &str, none: &str) -> Self {
        let (mut text, mut values) = (String::new(), Vec::new());
        for condition in all {
            text.push_str(if text.is_empty() { "(" } else { word });
            text.push_str(&condition.text);
            values.extend(condition.values);
        }
        text.push_str(if text.is_empty() { none } else { ")" });
        Self { text, values }
    }

    /// The condition between two fixed texts, such as of a subquery.
    #[must_use]
    pub fn within(mut self, before: &'static str, after: &'static str) -> Self {
        self.text = format!("{before}{}{after}", self.text);
        self
    }
}

/// A statement with a condition that is put together: `head`, up to `WHERE`, all of `conditions`,
/// and `tail` behind them. Without conditions everything is meant.
pub fn where_all(
    head: &'static str,
    conditions: impl IntoIterator<Item = Condition>,
    tail: &'static str,
) -> Statement {
    let all = Condition::joined(conditions, " AND ", "1 = 1");
    let mut text = format!("{head} ");
    let mut n = 0;
    for c in all.text.chars() {
        text.push(if c == '?' { '$' } else { c });
        if c == '?' {
            n += 1;
            text.push_str(&n.to_string());
        }
    }
    text.push(' ');
    text.push_str(tail);
    all.values.into_iter().fold(composed(text), Statement::bind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_in_the_order_of_their_values() {
        let is = |n: i64| Condition::new("a = ?", [Value::from(n)]);
        let text = |s: &Statement| format!("{s:?}");

        let statement = where_all(
            "SELECT a FROM t WHERE",
            [Condition::any([is(1), is(2)]), is(3).within("EXISTS (SELECT 1 WHERE ", ")")],
            "LIMIT 1",
        );

        let expected = "SELECT a FROM t WHERE ((a = $1 OR a = $2) AND \
            EXISTS (SELECT 1 WHERE a = $3)) LIMIT 1";
        assert!(text(&statement).contains(expected), "{statement:?}");
        let none = where_all("SELECT a FROM t WHERE", [Condition::any([])], "");
        assert!(text(&none).contains("WHERE (1 = 0)"), "{none:?}");
    }
}
