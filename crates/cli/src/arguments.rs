//! Defines the command line. Help, completions and manual pages are generated from it.

use crate::duration;
use crate::exit::STATUSES;
use crate::memory::memory;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use strongroom::{ByteSize, Durability};

/// Load, read, scan, count and digest key-value stores of any engine.
///
/// A store is a directory, named by a URL: ENGINE:PATH, such as redb:./data, with options after a question mark, such
/// as 'redb:./data?cache=256MiB'. Commands that read never create a store. They lock it against other processes,
/// except on SQLite and LMDB. sled and fjall need write access to the directory to read a store.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, max_term_width = 100, after_help = STATUSES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the engines of this build, what they can do and how safe their commits are
    Engines(Engines),
    /// Store a value, and create the store and the keyspace if they do not exist
    #[command(after_help = "\
Examples:
  strongroom put redb:./data greeting 'Grüezi'
  strongroom put redb:./data --keyspace blobs hex:00ff hex:cafe
  strongroom put redb:./data sessions/ada token --ttl 90s")]
    Put(Put),
    /// Write the value of a key to standard output, byte for byte
    ///
    /// The exit status is 1 if the key does not exist. On a terminal a newline follows the value.
    Get(Get),
    /// Remove a key; a missing key is not an error
    Delete(Delete),
    /// Change a value only if it is as expected (compare-and-swap)
    ///
    /// If it is not as expected, nothing changes and the exit status is 1. With --absent, the store and the keyspace
    /// are created if they do not exist.
    #[command(after_help = "\
Examples:
  strongroom cas redb:./data leases/north --absent ada
  strongroom cas redb:./data leases/north --expect ada alan")]
    Cas(Cas),
    /// Add to a number and print the sum; a missing key counts as 0
    ///
    /// The store and the keyspace are created if they do not exist. A row that expires keeps its expiry.
    #[command(after_help = INCR_HELP)]
    Incr(Incr),
    /// Print rows in key order
    #[command(after_long_help = SCAN_HELP)]
    Scan(Scan),
    /// Print the number of rows
    Count(Count),
    /// Store the rows of a CSV, TSV or JSON Lines file
    #[command(after_long_help = LOAD_HELP)]
    Load(Load),
    /// Print one BLAKE3 digest of all keyspaces, keys, values and expiries
    ///
    /// Equal contents have the same digest on every engine.
    #[command(after_help = "\
Examples:
  strongroom digest redb:./data")]
    Digest(Digest),
    /// Check that a store is as it was written
    #[command(after_long_help = VERIFY_HELP)]
    Verify(Verify),
    /// Print the names of the keyspaces
    Keyspaces(Keyspaces),
    /// Print figures about a store and its files
    ///
    /// Counts start when the store is opened. Where an application has the store open with an admin socket
    /// (`AdminSocket::open`), the figures are that application's; otherwise this command has just opened the store. The
    /// text leaves out figures that are zero and not important; `--json` has every figure. A line with `!` needs
    /// attention.
    Stats(Stats),
    /// Print the commits of an application as they happen, until Ctrl-C
    ///
    /// The application must have the store open with an admin socket (`AdminSocket::open`), on a Unix system and as the
    /// same user. The output begins with the first commit after this command connects.
    #[command(after_long_help = WATCH_HELP)]
    Watch(Watch),
    /// Return disk space that the engine no longer needs
    Compact(Compact),
    /// Print a script that completes this command's arguments in a shell
    #[command(after_help = "\
Examples:
  strongroom completions bash > ~/.local/share/bash-completion/completions/strongroom
  strongroom completions zsh > ~/.zfunc/_strongroom
  strongroom completions fish > ~/.config/fish/completions/strongroom.fish")]
    Completions(Completions),
    /// Print the manual page, or write the pages of all commands into a directory
    #[command(after_help = "\
Examples:
  strongroom man | man -l -
  strongroom man /usr/local/share/man/man1")]
    Man(Man),
}

const INCR_HELP: &str = "\
Numbers:
  A number is whole and decimal, from -9223372036854775808 to
  9223372036854775807, without leading zeros or a plus sign. The value is text,
  as `put` stores it and `get` prints it. Any other value, or a sum out of this
  range, is bad input (exit status 2), and nothing changes.

Examples:
  strongroom incr redb:./data visits
  strongroom incr redb:./data stock/bolts -20";

const SCAN_HELP: &str = "\
Examples:
  strongroom scan redb:./data --prefix user/ --limit 10
  strongroom scan redb:./data --start 2026-01 --end 2026-02 --reverse
  strongroom scan redb:./data --format jsonl | jq .key

Formats:
  text   KEY, a tab, VALUE. Visible UTF-8 is printed as it is; a backslash is \\\\,
         a tab \\t, a newline \\n, a carriage return \\r, any other byte \\xHH.
         Text that begins with hex: is printed as \\x68ex:.
  jsonl  One object per row: key and value for UTF-8, key_hex and value_hex for
         other bytes, version, and expires_at_ms if the row expires.
         With --keys-only just the key.";

const LOAD_HELP: &str = "\
Rows:
  Each row becomes one record. Its key is the column named by --key. Its value is
  the row as a JSON object, column by column; in JSON Lines, the line's object.
  CSV has quotes; TSV has none, so a \" is data. Empty lines are skipped, and so
  are lines of white space in JSON Lines; in a table, white space is data.
  A JSON number as a key keeps its spelling: 1, 1.0 and 1e0 are three keys, and
  1 and \"1\" are the same key.
  Rows are numbered from 1, without the header.

Commits:
  Rows are committed in the order of the file, 10000 (--batch-rows) or 8 MiB at
  a time. Each batch is atomic, and as durable as --durability says, or else the
  URL, or else power-safe. Whenever a load ends, the store holds a whole number
  of batches, and the message says which rows. To continue a load that was
  stopped, run it again with --on-duplicate first, or with last if it ran with
  last.
  A new store is created once the first row is valid. It stays, empty, if a later
  row is bad before the first commit.

Examples:
  strongroom load redb:./data cities.csv --format csv --key id
  strongroom load redb:./data CH.txt --format tsv --no-header --key 1
  curl -s https://example.org/events | strongroom load redb:./data - --format jsonl --key id";

const VERIFY_HELP: &str = "\
Checks:
  1. Every row, in one snapshot: its checksum, its order, and that it is found by
     key and in reverse. Then that the newest commits are present, by the
     high-water mark, and with integrity=full that no row is missing. This check
     changes no stored data.
  2. The engine's own check of its files, if it has one. It opens the store for
     writing, and the engine may repair what it finds.
  The first problem is reported, with its keyspace and key.

Process:
  The store is opened in a child process, so that files that crash or hang the
  engine are reported like any other damage. The memory limit works on Linux
  only, and does not include memory that is mapped from files.

Output:
  Standard output has the verdict, sound or not, and with --json as JSON.
  Standard error has one line if the store is not sound.
  sound          status 0
  damaged        status 3: restore a backup; a panic of the engine while it
                 reads or checks these files counts as damage
  crashed        status 3: these files crash the engine, so they are damaged too
  out_of_time, out_of_memory
                 status 3: the check exceeded a limit that you set
  unknown        status 3: the check could not be made; the reason says why
  There is no verdict if the store does not exist or the URL is wrong (status 2),
  or if the check was stopped (status 130).

Examples:
  strongroom verify redb:./data
  strongroom verify lmdb:./restored --time-limit 10m --memory-limit 4GiB --json";

const WATCH_HELP: &str = "\
Formats:
  text   One line per change: the commit's sequence number, a tab, set, delete or
         expire, a tab, KEY, and for set a tab and VALUE, escaped as by scan.
  jsonl  One object per commit: sequence, and changes, each with keyspace, key or
         key_hex, kind (set, delete or expire), and for set value or value_hex.
         {\"lagged\":N} where N commits are missing.

End:
  The command ends on Ctrl-C (exit status 130), after --limit commits (0), when
  the application closes its store or its socket (0), when the keyspace is
  dropped (1), or when the application dies (3). Without a socket there is
  nothing to watch (2). No write of the application waits for this command:
  commits that are not read in time are missing from the output, and standard
  error says how many.

Examples:
  strongroom watch redb:./data --prefix user/
  strongroom watch redb:./data --format jsonl | jq '.changes[].key'";

const KEY_HELP: &str = "The key; hex:00ff for bytes in hexadecimal";

/// The store of a command.
#[derive(Debug, Args)]
pub(crate) struct Url {
    /// The store, as ENGINE:PATH[?NAME=VALUE&...]
    #[arg(value_name = "URL")]
    pub(crate) url: String,
}

/// The keyspace of a command.
#[derive(Debug, Args)]
pub(crate) struct InKeyspace {
    /// The keyspace
    #[arg(long = "keyspace", short = 'k', value_name = "NAME", default_value = "default")]
    pub(crate) name: String,
}

/// The durability of the commits of a command.
#[derive(Debug, Args)]
pub(crate) struct HowDurable {
    /// Durability of the commits, overriding the URL: sync (each survives a power cut) or buffered (flushed at the end)
    #[arg(long = "durability", value_enum, value_name = "HOW", hide_possible_values = true)]
    how: Option<CommitDurability>,
}

impl HowDurable {
    /// The durability that was asked for; `None` leaves the URL's.
    pub(crate) fn asked(&self) -> Option<Durability> {
        self.how.map(|how| match how {
            CommitDurability::Sync => Durability::PowerSafe,
            CommitDurability::Buffered => Durability::Buffered,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CommitDurability {
    // The name that URLs use.
    #[value(alias = "power-safe")]
    Sync,
    Buffered,
}

#[derive(Debug, Args)]
pub(crate) struct Engines {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) store: Url,
    #[arg(help = KEY_HELP, allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// The value; hex:00ff for bytes in hexadecimal
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: OsString,
    /// Time until the row expires, such as 90s, 10m, 2h or 7d; without it, the keyspace's default TTL applies, if any
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) ttl: Option<Duration>,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
    #[command(flatten)]
    pub(crate) durability: HowDurable,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) store: Url,
    #[arg(help = KEY_HELP, allow_negative_numbers = true)]
    pub(crate) key: OsString,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) store: Url,
    #[arg(help = KEY_HELP, allow_negative_numbers = true)]
    pub(crate) key: OsString,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
    #[command(flatten)]
    pub(crate) durability: HowDurable,
}

#[derive(Debug, Args)]
pub(crate) struct Cas {
    #[command(flatten)]
    pub(crate) store: Url,
    #[arg(help = KEY_HELP, allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// The new value; hex:00ff for bytes in hexadecimal
    #[arg(allow_negative_numbers = true)]
    pub(crate) new: OsString,
    #[command(flatten)]
    pub(crate) expected: Expected,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
    #[command(flatten)]
    pub(crate) durability: HowDurable,
}

/// The condition of a compare-and-swap.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Expected {
    /// The expected current value; hex:00ff for bytes in hexadecimal
    #[arg(long = "expect", value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) value: Option<OsString>,
    /// Expect that the key does not exist
    #[arg(long)]
    pub(crate) absent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Incr {
    #[command(flatten)]
    pub(crate) store: Url,
    #[arg(help = KEY_HELP, allow_negative_numbers = true)]
    pub(crate) key: OsString,
    /// How much to add
    #[arg(allow_negative_numbers = true, default_value_t = 1)]
    pub(crate) by: i64,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
    #[command(flatten)]
    pub(crate) durability: HowDurable,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    #[command(flatten)]
    pub(crate) store: Url,
    /// Only keys that begin with this
    #[arg(long, short, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) prefix: Option<OsString>,
    /// Only keys from this one on
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) start: Option<OsString>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) end: Option<OsString>,
    /// Print the rows from last to first
    #[arg(long, short)]
    pub(crate) reverse: bool,
    /// At most this many rows
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print only the keys
    #[arg(long)]
    pub(crate) keys_only: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    pub(crate) format: ScanFormat,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    /// KEY, a tab, VALUE, with escapes
    Text,
    /// One JSON object per row
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Count {
    #[command(flatten)]
    pub(crate) store: Url,
    /// Only keys that begin with this
    #[arg(long, short, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) prefix: Option<OsString>,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) store: Url,
    /// The file to read; - is standard input
    pub(crate) file: PathBuf,
    /// Format of the file
    #[arg(long, value_enum)]
    pub(crate) format: LoadFormat,
    /// The column that holds the key; its number, from 1, with --no-header
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// What to do if a key is in the file twice or is stored already
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = OnDuplicate::Error)]
    pub(crate) on_duplicate: OnDuplicate,
    /// The first line of the CSV or TSV is a row; columns are called 1, 2, 3, ...
    #[arg(long)]
    pub(crate) no_header: bool,
    /// Rows per commit (fewer if they reach 8 MiB)
    #[arg(long, value_name = "N", default_value = "10000")]
    pub(crate) batch_rows: NonZeroUsize,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
    #[command(flatten)]
    pub(crate) durability: HowDurable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoadFormat {
    /// Comma-separated fields, quoted where needed
    Csv,
    /// Tab-separated fields, without quotes
    Tsv,
    /// One JSON object per line
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDuplicate {
    /// Stop and report the row; nothing is overwritten
    Error,
    /// Keep the stored or earlier row
    First,
    /// Overwrite the stored or earlier row
    Last,
}

#[derive(Debug, Args)]
pub(crate) struct Digest {
    #[command(flatten)]
    pub(crate) store: Url,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) store: Url,
    /// Skip the engine's own check
    #[arg(long)]
    pub(crate) rows_only: bool,
    /// End the check after this time, such as 90s, 10m or 2h; without it, there is no limit
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) time_limit: Option<Duration>,
    /// Memory that the check may use, such as 4GiB (Linux)
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory_limit: Option<ByteSize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of the child process in which `verify` opens the store. It is not a subcommand, so that help and
/// completions do not show it.
#[derive(Debug, Parser)]
pub(crate) struct VerifyChild {
    #[command(flatten)]
    pub(crate) store: Url,
    #[arg(long)]
    pub(crate) rows_only: bool,
    #[arg(long, value_parser = memory)]
    pub(crate) memory_limit: Option<ByteSize>,
}

#[derive(Debug, Args)]
pub(crate) struct Keyspaces {
    #[command(flatten)]
    pub(crate) store: Url,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) store: Url,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) socket: AtSocket,
}

/// The admin socket of a running application.
#[derive(Debug, Args)]
pub(crate) struct AtSocket {
    /// The application's admin socket, if it is not in the store's directory (`AdminSocket::open_at`)
    #[arg(long = "socket", value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) store: Url,
    /// Only keys that begin with this; hex:00ff for bytes in hexadecimal
    #[arg(long, short, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) prefix: Option<OsString>,
    /// End after this many commits
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Output format
    #[arg(long, value_enum, default_value_t = WatchFormat::Text)]
    pub(crate) format: WatchFormat,
    #[command(flatten)]
    pub(crate) keyspace: InKeyspace,
    #[command(flatten)]
    pub(crate) socket: AtSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WatchFormat {
    /// One line per change, with escapes
    Text,
    /// One JSON object per commit
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub(crate) store: Url,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to write the pages of all commands; without it, the main page is printed
    pub(crate) directory: Option<PathBuf>,
}
