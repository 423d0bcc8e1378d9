//! What must hold for any text that a parser of this crate is given; as in `strongroom-store`, for the fuzzer and
//! for the tests that run the kept corpus.
#![allow(clippy::panic, clippy::missing_panics_doc, reason = "to panic is how a property is reported")]

use crate::parameters::{ENGINE_OPTION, PARAMETERS};
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
