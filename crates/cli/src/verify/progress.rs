//! The progress of a check, shown on a terminal only.

use super::protocol::{Line, RowsRead};
use crate::message;
use crate::text;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

const REDRAW_EVERY: Duration = Duration::from_millis(200);
const WITH_END: &str = "{wide_bar} {percent:>3}%  {msg}  {eta} left";
const WITHOUT_END: &str = "{spinner} {msg}  {elapsed}";

/// A progress bar, if there is a terminal, and the last progress line.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    pub(super) last: RowsRead,
    /// All rows are sound, and the engine's own check is running.
    pub(super) is_engine_check: bool,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = message::is_watched().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            set_style(&bar, WITHOUT_END);
            bar.enable_steady_tick(REDRAW_EVERY);
            bar
        });
        Self { bar, last: RowsRead::default(), is_engine_check: false }
    }

    pub(super) fn tell(&mut self, line: Line) {
        match line {
            Line::Rows(rows) => self.rows(rows),
            Line::EngineCheck => {
                self.is_engine_check = true;
                if let Some(bar) = &self.bar {
                    bar.unset_length();
                    set_style(bar, WITHOUT_END);
                    bar.set_message("the engine checks its files");
                }
            }
            Line::Sound(_) | Line::Failed(_) => {}
        }
    }

    fn rows(&mut self, rows: RowsRead) {
        if let Some(bar) = &self.bar {
            if let Some(expected) = rows.rows_expected
                && bar.length().is_none()
            {
                bar.set_length(expected);
                set_style(bar, WITH_END);
            }
            bar.set_position(rows.rows);
            bar.set_message(format!("{} rows, {}", rows.rows, text::visible(&rows.keyspace)));
        }
        self.last = rows;
    }

    /// Removes the bar, so that the next message starts on a line of its own.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    // The templates are constants and valid. Otherwise a plain bar would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
