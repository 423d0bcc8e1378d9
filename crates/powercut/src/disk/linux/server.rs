//! The block device: two files over FUSE, `disk` and `mark`.
//!
//! A request is logged under one lock before it is answered, so the order of the log is an order in which the
//! requests happened: whatever a program does after the answer to a write, a flush or a mark comes after it in the
//! log. The kernel caches neither file.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::super::{Entry, Fault, Faults, Image};

/// The file under the loop device.
pub(super) const DISK: &str = "disk";
/// The file that marks are written to.
pub(super) const MARK: &str = "mark";

const DISK_INODE: INodeNo = INodeNo(2);
const MARK_INODE: INodeNo = INodeNo(3);
/// Names and attributes never change, so the kernel may cache them.
const ATTRIBUTES_TTL: Duration = Duration::from_secs(3600);
/// The largest log entry of a discarded or zeroed range, in bytes.
const ZEROS_BYTES: usize = 1 << 20;

/// State shared by the server and the owner of the disk.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The contents that reads return; `None` once the recording has been taken.
    image: Option<Image>,
    log: Vec<Entry>,
}

impl Shared {
    pub(super) fn new(image: Image) -> Shared {
        let state = Mutex::new(State { image: Some(image), log: Vec::new() });
        Shared { faults: Faults::default(), state }
    }

    /// Ends the recording: later requests fail with `EIO`.
    pub(super) fn take_log(&self) -> Vec<Entry> {
        let mut state = self.state();
        state.image = None;
        std::mem::take(&mut state.log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, offset: u64, data: &Arc<[u8]>) -> Result<(), Errno> {
        let mut state = self.state();
        let image = state.image.as_mut().ok_or(Errno::EIO)?;
        image.write(offset, data);
        state.log.push(Entry::Write { offset, data: Arc::clone(data) });
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        match self.faults.on_write() {
            None => self.write_all(offset, &data.into()),
            Some(Fault::ShortWrite) => {
                let half = data.len() / 2;
                self.write_all(offset, &data[..half - half % super::super::SECTOR_BYTES].into())?;
                Err(Errno::EIO)
            }
            Some(_) => Err(Errno::EIO),
        }
    }

    fn zero(&self, offset: u64, len_bytes: u64) -> Result<(), Errno> {
        let end = offset.saturating_add(len_bytes);
        let zeros: Arc<[u8]> = vec![0; ZEROS_BYTES].into();
        let mut at = offset;
        while at < end {
            let part = usize::try_from(end - at).unwrap_or(ZEROS_BYTES).min(ZEROS_BYTES);
            // Full parts share one allocation, so a discard of the whole disk takes little memory.
            let data = if part == ZEROS_BYTES { Arc::clone(&zeros) } else { vec![0; part].into() };
            self.write_all(at, &data)?;
            at += part as u64;
        }
        Ok(())
    }

    fn push(&self, entry: Entry) -> Result<(), Errno> {
        let mut state = self.state();
        if state.image.is_none() {
            return Err(Errno::EIO);
        }
        state.log.push(entry);
        Ok(())
    }
}

/// The FUSE file system.
pub(super) struct Server {
    shared: Arc<Shared>,
    len_bytes: u64,
    flush_delay: Duration,
}

impl Server {
    pub(super) fn new(shared: Arc<Shared>, len_bytes: u64, flush_delay: Duration) -> Server {
        Server { shared, len_bytes, flush_delay }
    }

    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        let (kind, size) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0),
            DISK_INODE => (FileType::RegularFile, self.len_bytes),
            MARK_INODE => (FileType::RegularFile, 0),
            _ => return None,
        };
        Some(FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: if kind == FileType::Directory { 0o700 } else { 0o600 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn reply_attributes(&self, inode: INodeNo, reply: ReplyAttr) {
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&ATTRIBUTES_TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }
}

fn reply_empty(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let inode = match name.to_str() {
            Some(DISK) => DISK_INODE,
            Some(MARK) => MARK_INODE,
            _ => return reply.error(Errno::ENOENT),
        };
        match self.attributes(inode) {
            Some(attributes) if parent == INodeNo::ROOT => {
                reply.entry(&ATTRIBUTES_TTL, &attributes, Generation(0));
            }
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.reply_attributes(inode, reply);
    }

    /// Changes nothing, but must succeed: a child may open the mark file with `O_TRUNC`.
    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<std::time::SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<std::time::SystemTime>,
        _chgtime: Option<std::time::SystemTime>,
        _bkuptime: Option<std::time::SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.reply_attributes(inode, reply);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        if inode != DISK_INODE {
            return reply.data(&[]);
        }
        let want = u64::from(size).min(self.len_bytes.saturating_sub(offset));
        let mut buffer = vec![0; usize::try_from(want).unwrap_or(0)];
        let known = match &self.shared.state().image {
            Some(image) => {
                image.read(offset, &mut buffer);
                true
            }
            None => false,
        };
        if known { reply.data(&buffer) } else { reply.error(Errno::EIO) }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let result = match inode {
            DISK_INODE => self.shared.write(offset, data),
            _ => self.shared.push(Entry::Mark(data.to_vec())),
        };
        match result {
            // The length fits: the kernel sends at most a few MiB at once.
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if inode != DISK_INODE {
            return reply.ok();
        }
        let began = Instant::now();
        // Logged at its start: a flush covers earlier writes, but none that arrive during it.
        let result =
            if self.shared.faults.on_flush() { Err(Errno::EIO) } else { self.shared.push(Entry::Flush) };
        std::thread::sleep(self.flush_delay.saturating_sub(began.elapsed()));
        reply_empty(reply, result);
    }

    /// Zeroes a range. The loop device uses this call to discard or zero, and never to allocate, as the size is
    /// fixed.
    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        _mode: i32,
        reply: ReplyEmpty,
    ) {
        if inode != DISK_INODE {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let end = offset.saturating_add(length).min(self.len_bytes);
        reply_empty(reply, self.shared.zero(offset, end.saturating_sub(offset)));
    }
}
