//! JSON Lines: one object per line. JSON ignores white space between tokens, so a line of white space is blank.

use super::input::Input;
use super::lines::Lines;
use super::source::{Record, Source};
use crate::text::{listed, quoted};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

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
        let mut advanced = self.lines.advance();
        while advanced == Ok(true) && self.lines.text().bytes().all(is_space) {
            advanced = self.lines.advance();
        }
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

/// Keeps the members as they are written, so that no number loses a digit.
fn read_object(line: &str, key: &str, record: &mut Record) -> Result<(), String> {
    let Members { members, twice } = serde_json::from_str(line).map_err(|error| {
        format!("the line is not a JSON object: {} at column {}", problem(&error), error.column())
    })?;
    if let Some(name) = twice {
        return Err(format!("the object has the member {} twice", quoted(name.as_bytes())));
    }
    let Some(value) = members.get(key) else {
        let names: Vec<&str> = members.keys().map(String::as_str).collect();
        let names = if names.is_empty() { "no members".to_owned() } else { listed(&names) };
        return Err(format!("the object has no member {}; it has {names}", quoted(key.as_bytes())));
    };
    record.key.clear();
    match value.get().as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(value.get())
                .map_err(|error| format!("the key {} cannot be read: {}", value.get(), problem(&error)))?;
            record.key.extend_from_slice(text.as_bytes());
        }
        Some(b'-' | b'0'..=b'9') => record.key.extend_from_slice(value.get().as_bytes()),
        _ => return Err(format!("the key {} is neither text nor a number", quoted(key.as_bytes()))),
    }
    compact(line, &mut record.value);
    Ok(())
}

/// The message of serde without its position: it counts lines and columns within this line or a part of it.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem).to_owned()
}

/// The members of an object.
struct Members<'a> {
    members: BTreeMap<String, &'a RawValue>,
    /// The first duplicate name. Parsers disagree on which of its values counts.
    twice: Option<String>,
}

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
        let mut found = Members { members: BTreeMap::new(), twice: None };
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if found.twice.is_none() && found.members.contains_key(&name) {
                found.twice = Some(name);
            } else {
                found.members.insert(name, value);
            }
        }
        Ok(found)
    }
}

/// White space in JSON.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Drops the white space between the tokens of valid JSON.
fn compact(json: &str, out: &mut Vec<u8>) {
    out.clear();
    let mut in_text = false;
    let mut is_escaped = false;
    for byte in json.bytes() {
        if !in_text && is_space(byte) {
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
    fn the_object_is_compacted_and_otherwise_unchanged() {
        let line = r#" { "a b" : "c \" d\\" , "id":12345678901234567890123 , "x" : [ 1.0 , { } ] } "#;
        let (key, value) = record(line).unwrap();
        assert_eq!(key, "12345678901234567890123");
        assert_eq!(value, r#"{"a b":"c \" d\\","id":12345678901234567890123,"x":[1.0,{}]}"#);
        assert_eq!(record(r#"{"id":"\u00e4"}"#).unwrap().0, "ä");
    }

    #[test]
    fn a_line_of_white_space_counts_as_a_line_but_not_as_a_row() {
        let file: &[u8] = b"   \n{\"id\":1}\n\n \t \r\n{\"id\":2}\n  ";
        let mut lines = JsonLines::open(Input::of(file), "id");
        let mut record = Record::default();
        let mut found = Vec::new();
        while lines.next(&mut record).unwrap() {
            found.push((record.row, record.line, String::from_utf8(record.key.clone()).unwrap()));
        }
        assert_eq!(found, [(1, 2, "1".to_owned()), (2, 5, "2".to_owned())]);
        assert_eq!(lines.bytes(), file.len() as u64);
        // Only JSON's own white space is allowed between tokens.
        for other in ["\u{a0}\n", "\u{b}\n"] {
            let problem = JsonLines::open(Input::of(other.as_bytes()), "id").next(&mut Record::default());
            assert!(problem.unwrap_err().contains("not a JSON object"), "{other:?}");
        }
    }

    #[test]
    fn rows_without_a_key_are_refused() {
        for (line, named) in [
            (r#"{"id":null}"#, "neither"),
            (r#"{"id":[1]}"#, "neither"),
            (r#"{"b":1,"a":2}"#, r#"it has "a", "b""#),
            ("{}", "no members"),
            (r#"{"id":1,"id":1}"#, r#"has the member "id" twice"#),
            (r#"{"id":1,"a":1,"\u0061":2}"#, r#"has the member "a" twice"#),
            (r#"{"id":"\ud800"}"#, "cannot be read"),
            ("[1]", "not a JSON object"),
            (r#"{"id":1"#, "not a JSON object"),
            (r#"{"id":1}}"#, "not a JSON object"),
            ("nonsense", "not a JSON object"),
        ] {
            let problem = record(line).unwrap_err();
            assert!(problem.contains(named), "{line}: {problem}");
            assert!(!problem.contains(" at line "), "{line}: {problem}");
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
        fn compacting_changes_only_white_space(value in any_json()) {
            let mut out = Vec::new();
            compact(&serde_json::to_string_pretty(&value).unwrap(), &mut out);
            prop_assert_eq!(out, serde_json::to_vec(&value).unwrap());
        }
    }
}
