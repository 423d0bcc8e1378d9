//! JSON Lines: an object a line.

use super::input::Input;
use super::lines::Lines;
use super::source::{Record, Source};
use crate::text::quoted;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Reads a JSON Lines file.
pub(super) struct JsonLines {
    lines: Lines,
    key: String,
}

impl JsonLines {
    pub(super) fn open(input: Input, key: &str) -> Self {
        Self { lines: Lines::of(input.reader), key: key.to_owned() }
    }
}

impl Source for JsonLines {
    fn next(&mut self, record: &mut Record) -> Result<bool, String> {
        let advanced = self.lines.advance();
        if advanced == Ok(false) {
            return Ok(false);
        }
        record.row += 1;
        record.line = self.lines.number();
        advanced?;
        read_object(self.lines.text(), &self.key, record)?;
        Ok(true)
    }

    fn bytes(&self) -> u64 {
        self.lines.bytes()
    }
}

/// The members stay as they are written, so that no number loses a digit.
fn read_object(line: &str, key: &str, record: &mut Record) -> Result<(), String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(line).map_err(|error| {
        // The line that serde knows is the first of one.
        let problem = error.to_string();
        let (problem, _) = problem.split_once(" at line ").unwrap_or((&problem, ""));
        format!("is no JSON object: {problem} at column {}", error.column())
    })?;
    let Some(value) = members.get(key) else {
        let names: Vec<String> = members.keys().map(|name| quoted(name.as_bytes())).collect();
        let names = if names.is_empty() { "no members".to_owned() } else { names.join(", ") };
        return Err(format!("has no member {}; it has {names}", quoted(key.as_bytes())));
    };
    record.key.clear();
    match value.get().as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(value.get())
                .map_err(|error| format!("the key {} cannot be read: {error}", value.get()))?;
            record.key.extend_from_slice(text.as_bytes());
        }
        Some(b'-' | b'0'..=b'9') => record.key.extend_from_slice(value.get().as_bytes()),
        _ => return Err(format!("the key {} is neither text nor a number", quoted(key.as_bytes()))),
    }
    compact(line, &mut record.value);
    Ok(())
}

/// Drops the white space between the tokens of valid JSON.
fn compact(json: &str, out: &mut Vec<u8>) {
    out.clear();
    let mut in_text = false;
    let mut is_escaped = false;
    for byte in json.bytes() {
        if !in_text && matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            continue;
        }
        if byte == b'"' && !is_escaped {
            in_text = !in_text;
        }
        is_escaped = in_text && byte == b'\\' && !is_escaped;
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn record(line: &str) -> Result<(String, String), String> {
        let mut record = Record::default();
        read_object(line, "id", &mut record)?;
        Ok((String::from_utf8(record.key).unwrap(), String::from_utf8(record.value).unwrap()))
    }

    #[test]
    fn the_object_is_compacted_and_otherwise_left_alone() {
        let line = r#" { "a b" : "c \" d\\" , "id":12345678901234567890123 , "x" : [ 1.0 , { } ] } "#;
        let (key, value) = record(line).unwrap();
        assert_eq!(key, "12345678901234567890123");
        assert_eq!(value, r#"{"a b":"c \" d\\","id":12345678901234567890123,"x":[1.0,{}]}"#);
        assert_eq!(record(r#"{"id":"\u00e4"}"#).unwrap().0, "ä");
    }

    #[test]
    fn what_has_no_key_is_refused() {
        for (line, named) in [
            (r#"{"id":null}"#, "neither"),
            (r#"{"id":[1]}"#, "neither"),
            (r#"{"b":1,"a":2}"#, r#"it has "a", "b""#),
            ("{}", "no members"),
            ("[1]", "no JSON object"),
            (r#"{"id":1"#, "no JSON object"),
            (r#"{"id":1}}"#, "no JSON object"),
            ("nonsense", "no JSON object"),
        ] {
            let problem = record(line).unwrap_err();
            assert!(problem.contains(named), "{line}: {problem}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn compacting_changes_nothing_but_space(value in any_json()) {
            let mut out = Vec::new();
            compact(&serde_json::to_string_pretty(&value).unwrap(), &mut out);
            prop_assert_eq!(out, serde_json::to_vec(&value).unwrap());
        }
    }
}
