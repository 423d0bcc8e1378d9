//! `verify` on every engine with one changed page, in many places. The verdict is on standard output, and is damage
//! with the advice to restore a backup, unless every row is unchanged.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use support::{Ran, Sandbox, csv, urls};

const PAGE: usize = 4_096;
/// Places to damage on each engine.
const PLACES: usize = 16;
const ROWS: usize = 3_000;

/// The intact files of a store, without pages of zeros: some engines preallocate a lot.
struct Whole {
    directory: PathBuf,
    files: BTreeMap<PathBuf, (u64, BTreeMap<u64, Vec<u8>>)>,
    directories: Vec<PathBuf>,
}

impl Whole {
    fn of(sandbox: &Sandbox, store: &str) -> Self {
        let (mut files, mut directories) = (BTreeMap::new(), Vec::new());
        for (path, bytes) in sandbox.files(store) {
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let pages = bytes.chunks(PAGE).enumerate();
            let pages = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
            let pages = pages.map(|(number, page)| ((number * PAGE) as u64, page.to_vec())).collect();
            files.insert(path, (bytes.len() as u64, pages));
        }
        Self { directory: sandbox.path(store), files, directories }
    }

    /// The pages that the engine wrote, by file and offset.
    fn places(&self) -> Vec<(&Path, u64)> {
        let of_engine = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !(name.starts_with("STRONGROOM") || name.starts_with("LOCK") || name.starts_with("LOG"))
        };
        let files = self.files.iter().filter(|(path, _)| of_engine(path));
        files.flat_map(|(path, (_, pages))| pages.keys().map(|at| (path.as_path(), *at))).collect()
    }

    /// Restores the store with one page whose bits are all inverted.
    fn write_with_damage(&self, damaged: &Path, at: u64) {
        fs::remove_dir_all(&self.directory).unwrap();
        for directory in &self.directories {
            fs::create_dir_all(directory).unwrap();
        }
        for (path, (len, pages)) in &self.files {
            let mut file = File::create(path).unwrap();
            file.set_len(*len).unwrap();
            for (offset, page) in pages {
                let is_damaged = path == damaged && *offset == at;
                let page: Vec<u8> = page.iter().map(|byte| if is_damaged { !byte } else { *byte }).collect();
                file.seek(SeekFrom::Start(*offset)).unwrap();
                file.write_all(&page).unwrap();
            }
        }
    }
}

/// The verdict on the damaged store at `url`; `Err` if the verdict is malformed.
fn verdict(sandbox: &Sandbox, url: &str) -> Result<String, String> {
    let Ran { status, output, errors } = sandbox.run(["verify", url, "--json", "--time-limit", "120s"]);
    let told = format!("status {status}: {}{errors}", String::from_utf8_lossy(&output));
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(&output) else { return Err(told) };
    let verdict = json["verdict"].as_str().unwrap_or_default().to_owned();
    let message = json["message"].as_str().unwrap_or_default();
    let is_right = match &*verdict {
        "sound" => status == 0 && json["rows"] == ROWS && errors.is_empty(),
        "damaged" | "crashed" => {
            let advises_backup =
                |text: &str| text.contains("backup") && !text.contains("if it happens again");
            status == 3 && advises_backup(message) && advises_backup(&errors) && errors.lines().count() == 1
        }
        _ => false,
    };
    if is_right { Ok(verdict) } else { Err(told) }
}

/// Checks the text output too. The engine may have repaired something meanwhile.
fn text(sandbox: &Sandbox, url: &str) -> Result<(), String> {
    let Ran { status, output, errors } = sandbox.run(["verify", url, "--rows-only", "--time-limit", "120s"]);
    let text = String::from_utf8(output).unwrap();
    let is_right = match (status, text.split_once('\n')) {
        (0, Some(("verdict       sound", _))) => true,
        (3, Some(("verdict       damaged" | "verdict       crashed", rest))) => {
            rest.starts_with("reason        ") && rest.contains("backup") && rest.lines().count() == 1
        }
        _ => false,
    };
    if is_right { Ok(()) } else { Err(format!("status {status}: {text}{errors}")) }
}

#[test]
fn a_changed_page_is_damage_on_every_engine() {
    let mut problems = Vec::new();
    for url in urls("data") {
        let sandbox = Sandbox::new();
        sandbox.write("rows.csv", csv(ROWS));
        sandbox.run(["load", &url, "rows.csv", "--format", "csv", "--key", "id"]).text();
        let store = url[url.find(':').unwrap() + 1..].split('?').next().unwrap().to_owned();
        let digest = sandbox.run(["digest", &url]).text();
        let whole = Whole::of(&sandbox, &store);
        let places = whole.places();
        assert!(places.len() >= PLACES, "{url}: only {} pages", places.len());
        let mut damaged = 0;
        for number in 0..PLACES {
            let (path, at) = places[number * (places.len() - 1) / (PLACES - 1)];
            let place = format!("{url}: {} at {at}", path.file_name().unwrap().display());
            whole.write_with_damage(path, at);
            match verdict(&sandbox, &url) {
                // The engine does not read that page: it is free, or an old copy.
                Ok(said) if said == "sound" => {
                    println!("{place}: {said}");
                    if sandbox.run(["digest", &url]).output != digest.as_bytes() {
                        problems.push(format!("{place}: the verdict is sound, but the rows differ"));
                    }
                }
                Ok(said) => {
                    println!("{place}: {said}");
                    damaged += 1;
                    whole.write_with_damage(path, at);
                    problems.extend(text(&sandbox, &url).err().map(|wrong| format!("{place}: {wrong}")));
                }
                Err(wrong) => problems.push(format!("{place}: {wrong}")),
            }
        }
        if damaged < PLACES / 2 {
            problems.push(format!("{url}: only {damaged} of {PLACES} places were detected"));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
