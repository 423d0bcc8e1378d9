//! What must hold for any text that a parser of this crate is given; as in `strongroom-store`, for the fuzzer and
//! for the tests that run the kept corpus.
#![allow(clippy::panic, clippy::missing_panics_doc, reason = "to panic is how a property is reported")]

use crate::{ByteSize, Config, Error, ErrorKind, parse_bytes};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A URL: one that is read, and written with every parameter, reads the same. What it asks for becomes options or
/// is refused as bad input.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let config = match Config::from_url(&text) {
        Ok(config) => config,
        Err(error) => return check_kind(&error),
    };
    let written = to_url(&config);
    match Config::from_url(&written) {
        Ok(again) => assert_eq!(again, config, "read again from {written:?}"),
        Err(error) => panic!("{text:?} reads, but written as {written:?} it does not: {error}"),
    }
    assert_eq!(config.backend_options().engine, config.options);
    if let Err(error) = config.store_options() {
        check_kind(&error);
    }
}

/// A size: one that is read, and printed, reads the same.
pub fn size(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match parse_bytes(&text) {
        Ok(bytes) => {
            let printed = ByteSize(bytes).to_string();
            assert_eq!(parse_bytes(&printed).ok(), Some(bytes), "{text:?} prints as {printed:?}");
        }
        Err(error) => check_kind(&error),
    }
}

/// The URL that says all that `config` holds.
fn to_url(config: &Config) -> String {
    let Config { engine, path, create, read_only, durability, .. } = config;
    let mut url = format!("{engine}:{}?create={create}", path.display());
    let mut add = |name: &str, value: String| {
        let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
        url.extend(["&", name, "="]);
        url.extend(value);
    };
    add("read_only", read_only.to_string());
    add("durability", durability.to_string());
    for (name, size) in [
        ("cache", config.cache),
        ("key_bytes_max", config.key_bytes_max),
        ("value_bytes_max", config.value_bytes_max),
        ("queue_bytes_max", config.queue_bytes_max),
        ("undo_bytes_max", config.undo_bytes_max),
    ] {
        if let Some(size) = size {
            add(name, size.to_string());
        }
    }
    if let Some(compression) = config.compression {
        add("compression", compression.as_str().to_owned());
    }
    if let Some(threads) = config.background_threads {
        add("background_threads", threads.to_string());
    }
    for (name, value) in &config.options {
        add(&format!("option.{name}"), value.clone());
    }
    url
}

fn check_kind(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[cfg(test)]
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus::for_each;

    #[test]
    fn kept_urls() {
        for_each("url", super::url);
    }

    #[test]
    fn kept_sizes() {
        for_each("size", super::size);
    }
}
