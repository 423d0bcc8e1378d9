//! The tables and the view, and the statements on them.
//!
//! SQLite's names are not case-sensitive, but those of keyspaces are. So tables have numbers, which a catalogue
//! assigns and never reuses. The schema uses nothing newer than SQLite 3.40, so that older shells can read it.

use crate::error::translate;
use rusqlite::{Connection, OptionalExtension};
use std::fmt::Write;
use std::sync::Arc;
use strongroom_core::{Error, ErrorKind, Result, check_keyspace_name};

/// Identifies a store's file in its header: "Strm".
pub(crate) const APPLICATION_ID: i32 = 0x5374_726d;

/// The version of this schema, in the file's header.
pub(crate) const FORMAT: i32 = 1;

const KEYSPACES: &str =
    "CREATE TABLE keyspaces (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)";

/// One row with a counter. Incrementing it gives a commit that changes nothing else a page to sync.
const SYNCS: &str = "CREATE TABLE syncs (number INTEGER NOT NULL)";

/// A compound SELECT has at most 500 terms, and every connection has to parse the view before it does anything
/// else.
const ENTRIES_KEYSPACES_MAX: usize = 100;

/// A keyspace of SQLite: the number of its table, and the statements on it.
#[derive(Debug, Clone)]
pub struct SqliteKeyspace(Arc<Statements>);

#[derive(Debug)]
struct Statements {
    number: i64,
    get: String,
    put: String,
    delete: String,
    /// Indexed by keys only, descending, and bounded.
    scans: [String; 8],
}

impl SqliteKeyspace {
    fn new(number: i64) -> Self {
        let scan = |place: usize| {
            let columns = if place & 1 == 0 { "key, value" } else { "key" };
            let order = if place & 2 == 0 { "" } else { " DESC" };
            let end = if place & 4 == 0 { "" } else { " AND key < ?2" };
            format!("SELECT {columns} FROM keyspace_{number} WHERE key >= ?1{end} ORDER BY key{order}")
        };
        Self(Arc::new(Statements {
            number,
            get: format!("SELECT value FROM keyspace_{number} WHERE key = ?1"),
            put: format!("REPLACE INTO keyspace_{number} (key, value) VALUES (?1, ?2)"),
            delete: format!("DELETE FROM keyspace_{number} WHERE key = ?1"),
            scans: std::array::from_fn(scan),
        }))
    }

    pub(crate) fn number(&self) -> i64 {
        self.0.number
    }

    pub(crate) fn get(&self) -> &str {
        &self.0.get
    }

    pub(crate) fn put(&self) -> &str {
        &self.0.put
    }

    pub(crate) fn delete(&self) -> &str {
        &self.0.delete
    }

    /// Returns the statement of a scan. `?1` is the first key; `?2`, if bounded, the first key after the range.
    pub(crate) fn scan(&self, keys_only: bool, descending: bool, bounded: bool) -> &str {
        &self.0.scans[usize::from(keys_only) | usize::from(descending) << 1 | usize::from(bounded) << 2]
    }
}

fn table_sql(number: i64) -> String {
    format!(
        "CREATE TABLE keyspace_{number} (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"
    )
}

/// Creates the schema in an empty database, without WAL mode.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {FORMAT};
         {KEYSPACES};
         {SYNCS};
         INSERT INTO syncs (number) VALUES (0);
         {};
         COMMIT",
        view_sql(&[]),
    ))
}

/// Returns the numbers and names of all keyspaces.
pub(crate) fn keyspaces(connection: &Connection) -> Result<Vec<(i64, String)>> {
    let mut statement =
        connection.prepare_cached("SELECT number, name FROM keyspaces ORDER BY number").map_err(translate)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(translate)?;
    rows.collect::<rusqlite::Result<_>>().map_err(translate)
}

pub(crate) fn find(connection: &Connection, name: &str) -> Result<Option<SqliteKeyspace>> {
    let mut statement =
        connection.prepare_cached("SELECT number FROM keyspaces WHERE name = ?1").map_err(translate)?;
    let number = statement.query_row([name], |row| row.get(0)).optional().map_err(translate)?;
    Ok(number.map(SqliteKeyspace::new))
}

/// Adds a keyspace. Call it in a transaction.
pub(crate) fn add(connection: &Connection, name: &str) -> Result<SqliteKeyspace> {
    connection.execute("INSERT INTO keyspaces (name) VALUES (?1)", [name]).map_err(translate)?;
    let number = connection.last_insert_rowid();
    connection.execute_batch(&table_sql(number)).map_err(translate)?;
    renew_view(connection)?;
    Ok(SqliteKeyspace::new(number))
}

/// Removes a keyspace. Call it in a transaction.
pub(crate) fn remove(connection: &Connection, keyspace: &SqliteKeyspace) -> Result<()> {
    let number = keyspace.0.number;
    connection.execute("DELETE FROM keyspaces WHERE number = ?1", [number]).map_err(translate)?;
    connection.execute_batch(&format!("DROP TABLE IF EXISTS keyspace_{number}")).map_err(translate)?;
    renew_view(connection)
}

fn renew_view(connection: &Connection) -> Result<()> {
    let view = view_sql(&keyspaces(connection)?);
    connection.execute_batch(&format!("DROP VIEW IF EXISTS entries; {view}")).map_err(translate)
}

/// The characters shown as text: printable ASCII, and those from U+00C0 on. Those in between are left out,
/// because SQLite takes a byte that is not part of a character for one of them.
const SHOWN_AS_TEXT: &str = " -~\u{c0}-\u{fffc}\u{10000}-\u{10ffff}";

/// Returns the view over all keyspaces: bytes as text if they are text, or else in hexadecimal.
fn view_sql(keyspaces: &[(i64, String)]) -> String {
    let shown = |column: &str| {
        format!(
            "CASE WHEN CAST({column} AS TEXT) NOT GLOB '*[^{SHOWN_AS_TEXT}]*' AND instr({column}, x'00') = 0 \
             THEN CAST({column} AS TEXT) ELSE quote({column}) END"
        )
    };
    let mut sql = "CREATE VIEW entries (keyspace, key, value_bytes, value) AS".to_owned();
    if keyspaces.is_empty() {
        sql.push_str(" SELECT '', '', 0, '' WHERE 0");
    }
    for (place, (number, name)) in keyspaces.iter().take(ENTRIES_KEYSPACES_MAX).enumerate() {
        let union = if place == 0 { "" } else { " UNION ALL" };
        let (key, value) = (shown("key"), shown("value"));
        // Names contain no quotes: `check_keyspace_name`. Writing to a string cannot fail.
        let _ = write!(sql, "{union} SELECT '{name}', {key}, length(value), {value} FROM keyspace_{number}");
    }
    sql
}

/// Checks that the schema is as this adapter created it. Statements run against what the file defines, so it
/// may define nothing more: no index, trigger or further column on the store's tables.
///
/// All in one transaction, because another process may create and drop keyspaces meanwhile.
pub(crate) fn check(connection: &Connection) -> Result<()> {
    connection.execute_batch("BEGIN").map_err(translate)?;
    let checked = check_tables(connection);
    // A read transaction: if even the COMMIT fails, it ends with the connection.
    let ended = connection.execute_batch("COMMIT").map_err(translate);
    checked.and(ended)
}

fn check_tables(connection: &Connection) -> Result<()> {
    let mut expected = vec![("keyspaces".to_owned(), KEYSPACES.to_owned()), ("syncs".into(), SYNCS.into())];
    for (name, sql) in &expected {
        check_table(connection, name, sql)?;
    }
    for (number, name) in keyspaces(connection)? {
        // An invalid name could break out of the view's text.
        check_keyspace_name(&name).map_err(|_| altered())?;
        let table = (format!("keyspace_{number}"), table_sql(number));
        check_table(connection, &table.0, &table.1)?;
        expected.push(table);
    }
    let sql = "SELECT tbl_name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL";
    let mut statement = connection.prepare(sql).map_err(translate)?;
    let mut rows = statement.query([]).map_err(translate)?;
    while let Some(row) = rows.next().map_err(translate)? {
        let table: String = row.get(0).map_err(translate)?;
        if expected.iter().any(|(ours, _)| ours.eq_ignore_ascii_case(&table)) {
            return Err(altered());
        }
    }
    Ok(())
}

fn check_table(connection: &Connection, name: &str, sql: &str) -> Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND sql = ?2")
        .map_err(translate)?;
    if statement.exists([name, sql]).map_err(translate)? { Ok(()) } else { Err(altered()) }
}

fn altered() -> Error {
    Error::new(ErrorKind::Corruption, "the database's tables differ from those of a store")
        .hint("remove added indexes, triggers and columns, or restore from a backup")
}
