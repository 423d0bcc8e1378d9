//! The progress bar of a load, on a terminal only.

use crate::message;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Rows between two updates.
const ROWS_PER_UPDATE: u64 = 64;
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// Without the bar, this takes half of a terminal of 80 columns.
const WITH_END: &str = "{wide_bar} {percent:>3}%  {msg}  {bytes_per_sec}  {eta} left";
const WITHOUT_END: &str = "{spinner} {msg}  {bytes}  {bytes_per_sec}  {elapsed}";

/// A progress bar, or nothing.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows a bar on a terminal. `bytes_total` is the size of the input, if known.
    pub(super) fn start(bytes_total: Option<u64>) -> Self {
        if !message::is_watched() {
            return Self { bar: None };
        }
        let bar = ProgressBar::with_draw_target(bytes_total, ProgressDrawTarget::stderr_with_hz(10));
        let template = if bytes_total.is_some() { WITH_END } else { WITHOUT_END };
        // The templates are constants and valid. Otherwise a plain bar would do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(REDRAW_EVERY);
        Self { bar: Some(bar) }
    }

    /// Reports that `row` rows and `bytes` bytes are done.
    pub(super) fn advance(&self, row: u64, bytes: u64) {
        if let Some(bar) = &self.bar
            && row.is_multiple_of(ROWS_PER_UPDATE)
        {
            bar.set_position(bytes);
            bar.set_message(format!("{row} rows"));
        }
    }

    /// Removes the bar, so that the next message starts on a line of its own.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
