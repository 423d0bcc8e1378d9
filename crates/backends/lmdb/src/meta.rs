//! Checks a file before LMDB maps it.
//!
//! LMDB trusts what it maps: reading beyond the end of a truncated file kills the process with SIGBUS. So the
//! two meta pages are read here first, with ordinary reads and every offset checked: whether it is LMDB's file,
//! from a machine of this kind, and contains all pages that the newest commit counts.
//!
//! An intact file may end early: pages that a batch allocated at the end and freed again are never written.
//! Each of these is in the list of free pages, so the list is read too (a tree, like every map of LMDB, from
//! the number of a commit to the pages that it freed). The layout is that of LMDB 0.9: `MDB_page`, `MDB_meta`,
//! `MDB_db` and `MDB_node` in its `mdb.c`. This does not protect against a maliciously crafted file.

use crate::error::translate_io;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};

/// Size of a word on this machine, which is also that of LMDB's page numbers and sizes.
const WORD: usize = size_of::<usize>();
const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;
const META_FLAG: u16 = 0x08;
const BRANCH_FLAG: u16 = 0x01;
const LEAF_FLAG: u16 = 0x02;
const OVERFLOW_NODE: u16 = 0x01;
/// The page number of a tree without pages.
const NO_PAGE: u64 = usize::MAX as u64;
/// Page sizes that LMDB 0.9 can have.
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=32_768;
/// More pages than one transaction can free unwritten. A file that misses more has lost data.
const UNWRITTEN_MAX: u64 = 1 << 18;
/// A writer may be active, so the check is repeated up to this many times until two results agree.
const CHECKS: usize = 5;

/// Offsets within a page, for words of `word` bytes.
struct Layout {
    /// `MDB_page.mp_flags`.
    flags: usize,
    /// `MDB_page.mp_lower`.
    lower: usize,
    /// End of the header, where `MDB_meta` begins.
    header: usize,
    /// `MDB_meta.mm_dbs[0].md_pad`, the size of a page.
    page_bytes: usize,
    /// `MDB_meta.mm_dbs[0].md_root`, the list of free pages.
    free_root: usize,
    /// `MDB_meta.mm_dbs[1].md_root`, the rows and the names of keyspaces.
    main_root: usize,
    /// `MDB_meta.mm_last_pg`.
    last_page: usize,
    /// `MDB_meta.mm_txnid`.
    commit: usize,
}

const fn layout(word: usize) -> Layout {
    let header = word + 8;
    let databases = header + 8 + 2 * word;
    let database_bytes = 8 + 5 * word;
    let last_page = databases + 2 * database_bytes;
    Layout {
        flags: word + 2,
        lower: word + 4,
        header,
        page_bytes: databases,
        free_root: databases + 8 + 4 * word,
        main_root: databases + database_bytes + 8 + 4 * word,
        last_page,
        commit: last_page + word,
    }
}

const HERE: Layout = layout(WORD);
const META_END: usize = HERE.commit + WORD;

/// The content of a meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    page_bytes: usize,
    free_root: u64,
    main_root: u64,
    last_page: u64,
    commit: u64,
}

impl Meta {
    /// Returns whether the roots are possible. LMDB ends the process on an impossible root.
    fn is_sane(&self) -> bool {
        self.last_page >= 1
            && [self.free_root, self.main_root]
                .iter()
                .all(|root| *root == NO_PAGE || (2..=self.last_page).contains(root))
    }
}

/// Refuses a file that LMDB must not open.
pub(crate) fn check(data_file: &Path) -> Result<()> {
    let mut file = File::open(data_file).map_err(translate_io)?;
    let mut last = None;
    for _ in 0..CHECKS {
        let meta = newest(&mut file)?;
        if all_there(&mut file, meta).map_err(translate_io)? {
            return Ok(());
        }
        // A concurrent commit can explain an apparent shortage of pages.
        if last.replace(meta) == Some(meta) {
            return Err(Error::new(ErrorKind::Corruption, "the file is shorter than its newest commit"));
        }
    }
    // Another process keeps writing, so it has the whole file mapped.
    Ok(())
}

/// Returns the newer of the two meta pages. The content of the older one is not checked: when a write of a meta
/// page fails, LMDB restores the old commit's number and last page, but leaves the roots of the failed commit.
fn newest(file: &mut File) -> Result<Meta> {
    let first = read_meta(file, 0)?;
    let second = read_meta(file, first.page_bytes as u64)?;
    if first.page_bytes != second.page_bytes {
        return Err(not_lmdb());
    }
    let newest = if second.commit > first.commit { second } else { first };
    if newest.is_sane() { Ok(newest) } else { Err(not_lmdb()) }
}

fn not_lmdb() -> Error {
    Error::new(ErrorKind::Corruption, "the file is not a complete LMDB database")
}

fn read_meta(file: &mut File, offset: u64) -> Result<Meta> {
    let mut page = [0; META_END];
    read_at(file, offset, &mut page).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => not_lmdb(),
        _ => translate_io(error),
    })?;
    let (magic, version) = (u32_at(&page, HERE.header), u32_at(&page, HERE.header + 4));
    if magic != Some(MAGIC) {
        return Err(if is_of_another_machine(&page) { another_machine() } else { not_lmdb() });
    }
    if version != Some(VERSION) {
        return Err(Error::new(ErrorKind::InvalidInput, "the file has another LMDB format")
            .hint("copy it with the tools of the LMDB that wrote it"));
    }
    let found = || {
        let page_bytes = u32_at(&page, HERE.page_bytes)? as usize;
        let meta = Meta {
            page_bytes,
            free_root: word_at(&page, HERE.free_root)?,
            main_root: word_at(&page, HERE.main_root)?,
            last_page: word_at(&page, HERE.last_page)?,
            commit: word_at(&page, HERE.commit)?,
        };
        let readable = u16_at(&page, HERE.flags)? & META_FLAG != 0
            && PAGE_BYTES.contains(&page_bytes)
            && page_bytes.is_power_of_two();
        readable.then_some(meta)
    };
    found().ok_or_else(not_lmdb)
}

/// Returns whether the magic number is at the offset, or in the byte order, of other kinds of machines.
fn is_of_another_machine(page: &[u8]) -> bool {
    [layout(4).header, layout(8).header]
        .into_iter()
        .any(|header| u32_at(page, header).is_some_and(|found| found == MAGIC || found.swap_bytes() == MAGIC))
}

fn another_machine() -> Error {
    Error::new(ErrorKind::InvalidInput, "the file was written on another kind of machine")
        .hint("export the store there and import it here")
}

/// Returns whether the file contains every page that `meta` counts, except for free ones at its end.
fn all_there(file: &mut File, meta: Meta) -> io::Result<bool> {
    let present = file.metadata()?.len() / meta.page_bytes as u64;
    // Page numbers count from 0.
    if meta.last_page < present {
        return Ok(true);
    }
    let missing = meta.last_page - present + 1;
    if missing > UNWRITTEN_MAX {
        return Ok(false);
    }
    let mut list = FreePages {
        file,
        page_bytes: meta.page_bytes,
        present,
        last: meta.last_page,
        missing: BTreeSet::new(),
    };
    list.walk(meta.free_root)?;
    Ok(list.missing.len() as u64 == missing)
}

/// Reads the list of free pages, and collects those that are not in the file.
struct FreePages<'f> {
    file: &'f mut File,
    page_bytes: usize,
    present: u64,
    last: u64,
    missing: BTreeSet<u64>,
}

impl FreePages<'_> {
    fn walk(&mut self, root: u64) -> io::Result<()> {
        let mut page = vec![0; self.page_bytes];
        let mut left = vec![root];
        // A damaged tree may contain a cycle.
        let mut steps = self.present;
        while let Some(number) = left.pop().filter(|number| *number != NO_PAGE && steps > 0) {
            steps -= 1;
            if number >= self.present {
                return Ok(());
            }
            read_at(self.file, number * self.page_bytes as u64, &mut page)?;
            let Some(flags) = u16_at(&page, HERE.flags) else { return Ok(()) };
            for node in nodes(&page) {
                if flags & BRANCH_FLAG != 0 {
                    left.extend(node.child(&page));
                } else if flags & LEAF_FLAG != 0 {
                    self.note(&page, &node)?;
                }
            }
        }
        Ok(())
    }

    /// Collects the pages that one commit freed: their count, then each of them.
    fn note(&mut self, page: &[u8], node: &Node) -> io::Result<()> {
        let Some(bytes) = node.data_bytes(page) else { return Ok(()) };
        // A long list is on pages of its own.
        if node.flags & OVERFLOW_NODE != 0 {
            let Some(first) = word_at(page, node.data).filter(|first| *first < self.present) else {
                return Ok(());
            };
            let start = first * self.page_bytes as u64 + HERE.header as u64;
            let end = self.present * self.page_bytes as u64;
            if start + bytes as u64 <= end {
                let mut list = vec![0; bytes];
                read_at(self.file, start, &mut list)?;
                self.note_each(&list);
            }
        } else if let Some(list) = page.get(node.data..node.data + bytes) {
            self.note_each(list);
        }
        Ok(())
    }

    fn note_each(&mut self, list: &[u8]) {
        let count = word_at(list, 0).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let pages = (1..list.len() / WORD).take(count).filter_map(|place| word_at(list, place * WORD));
        let not_in_the_file = self.present..=self.last;
        self.missing.extend(pages.filter(|page| not_in_the_file.contains(page)));
    }
}

/// A row of a page, as offsets.
struct Node {
    start: usize,
    flags: u16,
    data: usize,
}

/// Returns the rows of a branch or leaf.
fn nodes(page: &[u8]) -> Vec<Node> {
    let end = u16_at(page, HERE.lower).map_or(0, usize::from).min(page.len());
    let places = (HERE.header..end).step_by(2).filter_map(|place| u16_at(page, place));
    let nodes = places.filter_map(|start| {
        let start = usize::from(start);
        let key_bytes = usize::from(u16_at(page, start + 6)?);
        Some(Node { start, flags: u16_at(page, start + 4)?, data: start + 8 + key_bytes })
    });
    nodes.collect()
}

impl Node {
    /// Returns a page number or a row length from its two halves: the lower one comes first on little-endian
    /// machines.
    fn halves(&self, page: &[u8]) -> Option<u64> {
        let (first, second) =
            (u64::from(u16_at(page, self.start)?), u64::from(u16_at(page, self.start + 2)?));
        Some(if cfg!(target_endian = "little") { first | second << 16 } else { second | first << 16 })
    }

    fn child(&self, page: &[u8]) -> Option<u64> {
        let top = if WORD == 8 { u64::from(self.flags) << 32 } else { 0 };
        Some(self.halves(page)? | top)
    }

    fn data_bytes(&self, page: &[u8]) -> Option<usize> {
        usize::try_from(self.halves(page)?).ok()
    }
}

fn read_at(file: &mut File, offset: u64, into: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn word_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(usize::from_ne_bytes(bytes.get(offset..offset + WORD)?.try_into().ok()?) as u64)
}
