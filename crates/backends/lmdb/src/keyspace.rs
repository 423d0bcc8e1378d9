//! A keyspace: a named database that keeps its environment open.

use crate::environment::Environment;
use crate::error::translate;
use heed::types::Bytes;
use heed::{Database, DatabaseOpener, MdbError, RoTxn, RwTxn, WithoutTls};
use self_cell::self_cell;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom_core::{Error, ErrorKind, Result, check_keyspace_name};

/// A map from bytes to bytes.
pub(crate) type Map<'e> = Database<'e, Bytes, Bytes>;

self_cell!(
    struct Opened {
        owner: Arc<Environment>,
        #[covariant]
        dependent: Maps,
    }
);

/// The named database, and the unnamed one that lists it.
struct Maps<'e> {
    own: Map<'e>,
    names: Map<'e>,
}

/// The number of the transaction that created a keyspace. LMDB looks up a named database by name in each
/// transaction, so a handle from before another process dropped the keyspace finds a later one of the same
/// name. This number distinguishes them. None: an older version created it.
type Creation = Option<[u8; 8]>;

/// Returns the key in the unnamed database for the creation of the keyspace `name`. It is not a valid keyspace
/// name.
fn creation_key(name: &str) -> Vec<u8> {
    [b"\0created\0", name.as_bytes()].concat()
}

/// A keyspace of LMDB: a named database.
#[derive(Clone)]
pub struct LmdbKeyspace(Arc<Inner>);

struct Inner {
    opened: Opened,
    created: Creation,
    /// Set once LMDB has freed the database's number, which another one may then get.
    dropped: AtomicBool,
}

impl LmdbKeyspace {
    /// Opens the keyspace, and creates it unless the environment is read-only.
    pub(crate) fn open(environment: &Arc<Environment>, name: &str) -> Result<Self> {
        let created = Cell::new(None);
        let opened = Opened::try_new(Arc::clone(environment), |environment| {
            let found = environment
                .read_names(|opener, transaction| open_existing(opener, transaction, name, &created))?;
            let (own, names) = match found {
                Some(maps) => maps,
                None if environment.is_read_only() => {
                    return Err(Error::new(ErrorKind::NotFound, format!("there is no keyspace {name:?}")));
                }
                None => environment
                    .change_names(|opener, transaction| create(opener, transaction, name, &created))?,
            };
            Ok(Maps { own, names })
        })?;
        Ok(Self(Arc::new(Inner { opened, created: created.get(), dropped: AtomicBool::new(false) })))
    }

    /// Returns whether this is still the keyspace called `name`. Another process may have dropped it and
    /// created another.
    pub(crate) fn is_current(&self, name: &str) -> Result<bool> {
        let names = &self.0.opened.borrow_dependent().names;
        self.0.opened.borrow_owner().read(|transaction| {
            let created = names.get(transaction, creation_key(name).as_slice()).map_err(translate)?;
            Ok(created == self.0.created.as_ref().map(<[u8; 8]>::as_slice))
        })
    }

    /// Removes the keyspace with its rows.
    pub(crate) fn drop_named(&self, name: &str) -> Result<()> {
        let environment = self.0.opened.borrow_owner();
        environment.change_names(|opener, transaction| remove(opener, transaction, name, &self.0.dropped))
    }

    /// Returns the map, or `None` if it was dropped. The caller keeps the names unchanged while it uses the
    /// map.
    #[inline]
    pub(crate) fn map(&self) -> Option<&Map<'_>> {
        let is_there = !self.0.dropped.load(Ordering::Acquire);
        is_there.then(|| &self.0.opened.borrow_dependent().own)
    }
}

impl fmt::Debug for LmdbKeyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LmdbKeyspace").field("dropped", &self.0.dropped).finish_non_exhaustive()
    }
}

fn open_existing<'e>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &RoTxn<'e, WithoutTls>,
    name: &str,
    created: &Cell<Creation>,
) -> heed::Result<Option<(Map<'e>, Map<'e>)>> {
    let Some(names) = opener.open_database::<Bytes, Bytes>(transaction, None)? else { return Ok(None) };
    match names.get(transaction, name.as_bytes())? {
        Some(record) if Record::read(record).is_some_and(|record| record.flags == 0) => {
            let number = names.get(transaction, creation_key(name).as_slice())?;
            created.set(number.and_then(|number| number.try_into().ok()));
            Ok(opener.open_database(transaction, Some(name))?.map(|own| (own, names)))
        }
        Some(_) => Err(MdbError::Incompatible.into()),
        None => Ok(None),
    }
}

fn create<'e>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &mut RwTxn<'e>,
    name: &str,
    created: &Cell<Creation>,
) -> heed::Result<(Map<'e>, Map<'e>)> {
    let own = opener.create_database(transaction, Some(name))?;
    let names = opener.create_database(transaction, None)?;
    let number = (transaction.id() as u64).to_be_bytes();
    names.put(transaction, creation_key(name).as_slice(), number.as_slice())?;
    created.set(Some(number));
    Ok((own, names))
}

fn remove<'e>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &mut RwTxn<'e>,
    name: &str,
    dropped: &AtomicBool,
) -> heed::Result<()> {
    // Opened again: an earlier attempt that found the map full has closed it.
    let Some(map) = opener.open_database::<Bytes, Bytes>(transaction, Some(name))? else { return Ok(()) };
    if let Some(names) = opener.open_database::<Bytes, Bytes>(transaction, None)? {
        names.delete(transaction, creation_key(name).as_slice())?;
    }
    // LMDB frees the name now, whatever the outcome of the transaction.
    dropped.store(true, Ordering::Release);
    // SAFETY: LMDB frees the handle's number and name. Neither is used any more: names change only while no
    // other thread is in a call that may read them, and later calls see the flag that was just set. An open
    // cursor has fetched its first row and never reads the name again; the pages that it walks over stay. The
    // only copy of the handle is in the `LmdbKeyspace`, guarded by the flag.
    #[allow(unsafe_code)]
    unsafe {
        map.remove(transaction)
    }
}

/// Returns the names of the keyspaces, and their pages in total.
pub(crate) fn list(environment: &Environment) -> Result<(Vec<String>, u64)> {
    let mut listed = (Vec::new(), 0);
    let found = std::cell::RefCell::new(&mut listed);
    environment.read_names(|opener, transaction| {
        let mut found = found.borrow_mut();
        **found = (Vec::new(), 0);
        let Some(names) = opener.open_database::<Bytes, Bytes>(transaction, None)? else { return Ok(()) };
        let own = names.stat(transaction)?;
        found.1 = (own.branch_pages + own.leaf_pages + own.overflow_pages) as u64;
        for row in names.iter(transaction)? {
            let (name, record) = row?;
            // The other rows are creations, or belong to other programs. LMDB's own tools skip them too.
            let name = std::str::from_utf8(name).ok().filter(|name| check_keyspace_name(name).is_ok());
            if let (Some(name), Some(record)) = (name, Record::read(record)) {
                found.0.push(name.to_owned());
                found.1 = found.1.saturating_add(record.pages);
            }
        }
        Ok(())
    })?;
    Ok(listed)
}

/// LMDB's record of a named database (`MDB_db` in its `mdb.c`): 4 bytes that are used elsewhere, flags and
/// depth of two bytes each, and the numbers of branches, leaves, overflow pages, rows, and of the root.
struct Record {
    flags: u16,
    pages: u64,
}

impl Record {
    fn read(bytes: &[u8]) -> Option<Self> {
        const WORD: usize = size_of::<usize>();
        if bytes.len() != 8 + 5 * WORD {
            return None;
        }
        let flags = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let words = bytes[8..].chunks_exact(WORD).take(3);
        let counts = words.filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes));
        Some(Self { flags, pages: counts.fold(0, |sum, count| sum.saturating_add(count as u64)) })
    }
}
