//! A [`Config`] from a URL.

use crate::config::Config;
use crate::parameters::{ENGINE_OPTION, PARAMETERS};
use std::str::FromStr;
use strongroom_core::{Error, ErrorKind, Result};

impl Config {
    /// Reads a URL, `ENGINE:PATH?NAME=VALUE&...`.
    ///
    /// The path is the text between the first `:` and the first `?`, without any decoding. A path that contains a `?`,
    /// or begins with `//` or `~`, needs the struct. Names are those of the fields, and `option.NAME` for an option of
    /// the engine. Values may be percent-encoded.
    pub fn from_url(url: &str) -> Result<Self> {
        let (engine, rest) = url.split_once(':').ok_or_else(|| {
            invalid(format!("{url:?} does not name an engine")).hint("write ENGINE:PATH, such as redb:./data")
        })?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        check_path(path)?;
        let mut config = Self::new(engine, path);
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                invalid(format!("the parameter {pair:?} has no value")).hint("write NAME=VALUE")
            })?;
            if seen.contains(&name) {
                return Err(invalid(format!("the parameter {name:?} is given twice")).hint("give it once"));
            }
            seen.push(name);
            let value = percent_encoding::percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| invalid(format!("the value of {name:?} is not UTF-8 when decoded")))?;
            config.set(name, &value)?;
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == name) {
            return parameter.set(self, value);
        }
        match name.strip_prefix(ENGINE_OPTION) {
            Some(option) if !option.is_empty() => {
                self.options.insert(option.to_owned(), value.to_owned());
                Ok(())
            }
            _ => {
                let known: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
                Err(invalid(format!("there is no parameter {name:?}"))
                    .hint(format!("use {} or {ENGINE_OPTION}NAME", known.join(", "))))
            }
        }
    }
}

impl FromStr for Config {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::from_url(url)
    }
}

/// Refuses paths that would lead to another directory than the user means, and create it.
fn check_path(path: &str) -> Result<()> {
    let (start, hint) = if path.starts_with("//") {
        ("//", "write redb:/absolute or redb:relative: there is no host")
    } else if path.starts_with('~') {
        ("~", "the shell does not expand it there; write the home directory out")
    } else {
        return Ok(());
    };
    Err(invalid(format!("the path {path:?} begins with {start}")).hint(hint))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn parameters_follow_the_path() {
        let config = Config::from_url("fjall:/srv/data?create=false&cache=64MiB&option.max_cached_files=50");
        let mut expected = Config::new("fjall", "/srv/data").create(false);
        expected.cache = Some(crate::config::ByteSize(64 << 20));
        expected.options.insert("max_cached_files".to_owned(), "50".to_owned());
        assert_eq!(config.unwrap(), expected);
    }

    #[test]
    fn the_path_is_not_decoded() {
        assert_eq!(Config::from_url(r"redb:C:\data 100%").unwrap().path, PathBuf::from(r"C:\data 100%"));
        assert_eq!(Config::from_url("redb:a%20b?option.x=a%20b").unwrap().path, PathBuf::from("a%20b"));
        assert_eq!(Config::from_url("redb:a?option.x=a%20b").unwrap().options["x"], "a b");
    }

    #[test]
    fn mistakes_are_named() {
        for (url, named) in [
            ("data", "does not name an engine"),
            ("redb:d?cache=lots", "lots"),
            ("redb:d?cach=1", "cach"),
            ("redb:d?cache", "cache"),
            ("redb:d?cache=1&cache=2", "twice"),
            ("redb:d?durability=maybe", "maybe"),
            ("redb:d?create=perhaps", "perhaps"),
            ("redb:d?integrity=all", "use rows or full"),
            ("redb:d?accept_lost_tail=maybe", "maybe"),
            ("redb:d?option.=1", "option."),
            ("redb:d?compression=gzip", "gzip"),
            ("redb:d?background_threads=-1", "-1"),
            ("redb://data", "there is no host"),
            ("redb:///srv/data", "there is no host"),
            ("redb:~/data", "write the home directory out"),
            ("redb:~someone/data?cache=1MiB", "write the home directory out"),
        ] {
            let error = Config::from_url(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(error.to_string().contains(named), "{url}: {error}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_answered_with_all_names() {
        let error = Config::from_url("redb:d?cach=1").unwrap_err();
        for parameter in PARAMETERS {
            assert!(error.way_out().contains(parameter.name), "{error}");
        }
        assert!(error.way_out().ends_with(" or option.NAME"), "{error}");
    }
}
