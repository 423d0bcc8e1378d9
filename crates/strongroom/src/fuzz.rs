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
    // Every field by its name, so that none is forgotten.
    let Config {
        engine,
        path,
        create,
        read_only,
        durability,
        cache,
        compression,
        background_threads,
        key_bytes_max,
        value_bytes_max,
        queue_bytes_max,
        undo_bytes_max,
        integrity,
        accept_lost_tail,
        sweep_interval_ms,
        snapshot_age_max_ms,
        options,
    } = config;
    let mut url = format!("{engine}:{}?create={create}", path.display());
    let mut add = |name: &str, value: Option<String>| {
        let Some(value) = value else { return };
        url.extend(["&", name, "="]);
        url.extend(utf8_percent_encode(&value, NON_ALPHANUMERIC));
    };
    add("read_only", Some(read_only.to_string()));
    add("durability", Some(durability.to_string()));
    add("accept_lost_tail", Some(accept_lost_tail.to_string()));
    add("cache", cache.map(|size| size.to_string()));
    add("key_bytes_max", key_bytes_max.map(|size| size.to_string()));
    add("value_bytes_max", value_bytes_max.map(|size| size.to_string()));
    add("queue_bytes_max", queue_bytes_max.map(|size| size.to_string()));
    add("undo_bytes_max", undo_bytes_max.map(|size| size.to_string()));
    add("compression", compression.map(|compression| compression.to_string()));
    add("background_threads", background_threads.map(|count| count.to_string()));
    add("sweep_interval_ms", sweep_interval_ms.map(|interval_ms| interval_ms.to_string()));
    add("snapshot_age_max_ms", snapshot_age_max_ms.map(|age_ms| age_ms.to_string()));
    add("integrity", integrity.map(|integrity| integrity.to_string()));
    for (name, value) in options {
        add(&format!("option.{name}"), Some(value.clone()));
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
