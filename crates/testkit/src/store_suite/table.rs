//! The feature table, generated only from cases that have passed.

use super::{Feature, STORE_CASES, StoreCase, StoreFixture, run_store_case};
use crate::conformance::Outcome;
use crate::golden::markdown;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The results of the cases on one engine.
#[derive(Debug)]
pub struct EngineRun {
    engine: String,
    passed: BTreeMap<Feature, Vec<&'static str>>,
    skipped: BTreeMap<&'static str, &'static str>,
    failed: Vec<&'static str>,
    raw: fn(Feature) -> &'static str,
}

impl EngineRun {
    /// Runs every case, each on a new fixture. `raw` returns in a word what the engine offers without Strongroom.
    pub fn new(engine: &str, fixture: impl Fn() -> StoreFixture, raw: fn(Feature) -> &'static str) -> Self {
        let (passed, skipped) = (BTreeMap::new(), BTreeMap::new());
        let mut run = Self { engine: engine.to_owned(), passed, skipped, failed: Vec::new(), raw };
        for case in STORE_CASES {
            match catch_unwind(AssertUnwindSafe(|| run_store_case(case, &fixture()))) {
                Ok(Outcome::Passed) => run.passed.entry(case.feature).or_default().push(case.name),
                Ok(Outcome::Skipped(reason)) => drop(run.skipped.insert(case.name, reason)),
                Err(_) => run.failed.push(case.name),
            }
        }
        run
    }

    /// Formats the number of passed cases, with the total if some did not run.
    fn cell(&self, feature: Feature) -> String {
        let passed = self.passed.get(&feature).map_or(0, Vec::len);
        match STORE_CASES.iter().filter(|case| case.feature == feature).count() {
            all if all == passed => format!("yes ({passed})"),
            all => format!("yes ({passed} of {all})"),
        }
    }
}

/// The results of the cases on all engines. Every cell stands for cases that passed in these runs.
#[derive(Debug)]
pub struct FeatureTable {
    engines: Vec<EngineRun>,
}

impl FeatureTable {
    /// Creates a table of these runs, with two columns for each.
    pub fn new(engines: Vec<EngineRun>) -> Self {
        Self { engines }
    }

    /// Returns the failed cases as `ENGINE: CASE`, and the cells without a passed case.
    pub fn failures(&self) -> Vec<String> {
        let empty = self.engines.iter().flat_map(|column| {
            let lacking = Feature::ALL.into_iter().filter(|feature| !column.passed.contains_key(feature));
            lacking.map(|feature| format!("{}: {feature}: no case has passed", column.engine))
        });
        let failed = self
            .engines
            .iter()
            .flat_map(|run| run.failed.iter().map(move |case| format!("{}: {case}", run.engine)));
        failed.chain(empty).collect()
    }

    /// Renders the table and its cases as Markdown.
    ///
    /// # Panics
    /// If a case failed or a cell is empty.
    pub fn markdown(&self) -> String {
        let failures = self.failures();
        assert!(failures.is_empty(), "cannot create the table:\n{}", failures.join("\n"));
        let mut columns = vec![Feature::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()];
        columns[0].insert(0, "feature".to_owned());
        for column in &self.engines {
            let ours = Feature::ALL.iter().map(|feature| column.cell(*feature));
            let raw = Feature::ALL.iter().map(|feature| (column.raw)(*feature).to_owned());
            columns.push([column.engine.clone()].into_iter().chain(ours).collect());
            columns.push([format!("{} alone", column.engine)].into_iter().chain(raw).collect());
        }
        let mut text = markdown(&columns);
        text.push_str("\n## The cases behind each cell\n");
        for feature in Feature::ALL {
            // Writing to a string does not fail.
            let _ = write!(text, "\n**{feature}**\n\n");
            for case in STORE_CASES.iter().filter(|case| case.feature == feature) {
                let _ = writeln!(text, "* `{}`{}", case.name, self.exceptions(case));
            }
        }
        text
    }

    fn exceptions(&self, case: &StoreCase) -> String {
        let skipped = self.engines.iter().filter_map(|column| {
            let reason = column.skipped.get(case.name)?;
            Some(format!("{}: {reason}", column.engine))
        });
        let skipped: Vec<String> = skipped.collect();
        if skipped.is_empty() { String::new() } else { format!(" (not run on {})", skipped.join("; ")) }
    }
}
