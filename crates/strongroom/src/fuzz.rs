//! The properties of this crate's parsers for any text, for the fuzzer and for the tests that run the kept corpus.
#![allow(clippy::panic, clippy::missing_panics_doc, reason = "a property that does not hold panics")]

use crate::parameters::{ENGINE_OPTION, PARAMETERS};
use crate::{ByteSize, Config, Error, ErrorKind, parse_bytes};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A valid URL round-trips through one with every parameter. Its options are accepted or refused as invalid input.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let config = match Config::from_url(&text) {
        Ok(config) => config,
        Err(error) => return check_kind(&error),
    };
    let written = to_url(&config);
    match Config::from_url(&written) {
        Ok(again) => assert_eq!(again, config, "read again from {written:?}"),
        Err(error) => panic!("{text:?} is valid, but as {written:?} it is not: {error}"),
    }
    assert_eq!(config.backend_options().engine, config.options);
    if let Err(error) = config.store_options() {
        check_kind(&error);
    }
}

/// A valid size round-trips through its text.
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

/// Returns the URL of `config`, with every parameter that is set.
fn to_url(config: &Config) -> String {
    let parameters =
        PARAMETERS.iter().filter_map(|parameter| Some((parameter.name.to_owned(), parameter.get(config)?)));
    let options =
        config.options.iter().map(|(name, value)| (format!("{ENGINE_OPTION}{name}"), value.clone()));
    let query: Vec<String> = parameters
        .chain(options)
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
        .collect();
    format!("{}:{}?{}", config.engine, config.path.display(), query.join("&"))
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
