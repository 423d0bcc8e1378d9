//! Tables for a terminal and as Markdown. Columns of numbers are right-aligned.

use std::fmt::Write as _;

/// A table. The first row is the head; all rows have the same number of cells.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: Vec<String>) -> Self {
        Self { rows: vec![head] }
    }

    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows[0].len();
        (0..columns)
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(String::len).max().unwrap_or(0))
            .collect()
    }

    fn is_number(&self, column: usize) -> bool {
        self.rows.len() > 1
            && self.rows[1..]
                .iter()
                .all(|row| row.get(column).is_some_and(|cell| cell.parse::<u64>().is_ok()))
    }

    pub(super) fn text(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let width = widths[at];
                let _ = if self.is_number(at) {
                    write!(line, "{cell:>width$}  ")
                } else {
                    write!(line, "{cell:width$}  ")
                };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if number == 0 {
                let rule = |at| if self.is_number(at) { "---:" } else { "---" };
                let _ = writeln!(text, "|{}|", (0..row.len()).map(rule).collect::<Vec<_>>().join("|"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn numbers_are_right_aligned() {
        let mut table = Table::new(vec!["subject".into(), "lost".into()]);
        table.push(vec!["a".into(), "10".into()]);
        table.push(vec!["longer".into(), "0".into()]);
        assert_eq!(table.text(), "subject  lost\na          10\nlonger      0\n");
        assert_eq!(table.markdown(), "| subject | lost |\n|---|---:|\n| a | 10 |\n| longer | 0 |\n");
    }
}
