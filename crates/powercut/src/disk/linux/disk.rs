//! One mounted disk: mounts an image, serves it and returns its recording.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption};
use nix::mount::MntFlags;

use super::super::{DiskOptions, Faults, FileSystem, Image, Recording};
use super::programs::{find, run};
use super::server::{DISK, MARK, Server, Shared};

/// How long an unmount waits for a file system that is still in use.
const BUSY_LIMIT: Duration = Duration::from_secs(3);
/// The file that [`Disk::fill`] creates to use up the space.
const FILLER: &str = "filler";

/// A mounted disk. Dropping it unmounts it and discards its recording.
#[derive(Debug)]
pub struct Disk {
    base: Image,
    shared: Arc<Shared>,
    /// The directory of the two mount points.
    root: PathBuf,
    files: PathBuf,
    /// `None` once it is unmounted.
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Returns an image with an empty file system, always the same within a process. The first call formats it; later
    /// calls take microseconds.
    pub fn formatted(file_system: FileSystem) -> io::Result<Image> {
        static MADE: Mutex<Vec<(FileSystem, Image)>> = Mutex::new(Vec::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, image)) = made.iter().find(|(of, _)| *of == file_system) {
            return Ok(image.clone());
        }
        let image = format(file_system)?;
        made.push((file_system, image.clone()));
        Ok(image)
    }

    /// Mounts `image`. The kernel recovers its file system, as after a power cut. If the kernel refuses it, it is
    /// repaired first by the program of the file system, as at the start of a machine: ext4's superblock spans two
    /// sectors under one checksum, so a power cut may tear it. Fails if the file system is damaged beyond that.
    pub fn mount(image: Image, file_system: FileSystem, options: &DiskOptions) -> io::Result<Disk> {
        let root = tempfile::Builder::new().prefix("strongroom-disk-").tempdir()?.keep();
        let (device, files) = (root.join("device"), root.join("files"));
        let shared = Arc::new(Shared::new(image.clone()));
        let session = match serve(&shared, image.len_bytes(), &device, &files, options) {
            Ok(session) => session,
            Err(error) => {
                remove_mount_points(&root);
                return Err(error);
            }
        };
        // From here on `Drop` cleans up.
        let disk = Disk { base: image, shared, root, files, session: Some(session) };
        let device = device.join(DISK);
        mount_loop(&device, &disk.files, file_system).or_else(|refused| {
            let Some((program, arguments)) = file_system.repair() else { return Err(refused) };
            // The exit status is not needed: the mount shows whether the repair worked.
            let _ = run(program, arguments.iter().map(AsRef::as_ref).chain([device.as_os_str()]));
            mount_loop(&device, &disk.files, file_system).map_err(|_| refused)
        })?;
        Ok(disk)
    }

    /// Where the file system is mounted.
    pub fn path(&self) -> &Path {
        &self.files
    }

    /// The file that a child writes marks to. Each `write` call of up to 1 MiB is one
    /// [`Entry::Mark`](super::super::Entry::Mark). When the call returns, the mark is in the log, after every request
    /// that was answered before. The file is not on the disk, and reads as empty.
    pub fn mark_path(&self) -> PathBuf {
        self.root.join("device").join(MARK)
    }

    /// The switch for I/O errors.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Fills the file system except for about `leave_bytes` bytes with a file `filler`, so that programs meet
    /// `ENOSPC`. The file takes space but is not written. Exact to about 100 KiB, because the file system needs
    /// space itself.
    pub fn fill(&self, leave_bytes: u64) -> io::Result<()> {
        let filler = self.files.join(FILLER);
        let mut len_bytes = self.free_bytes()?.saturating_sub(leave_bytes);
        loop {
            let taken = run("fallocate", ["-l".as_ref(), len_bytes.to_string().as_ref(), filler.as_os_str()]);
            // The metadata of the filler takes some of the free space.
            let less = len_bytes.saturating_sub(64 << 10);
            match taken {
                Err(_) if less > 0 && filler.exists() => len_bytes = less,
                other => return other,
            }
        }
    }

    /// Removes the file of [`fill`](Self::fill), and returns when the space is free again.
    pub fn make_room(&self) -> io::Result<()> {
        run("rm", ["-f".as_ref(), self.files.join(FILLER).as_os_str()])?;
        // btrfs and xfs free the space at their next own commit.
        run("sync", ["-f".as_ref(), self.files.as_os_str()])
    }

    /// The space that the file system has left, in bytes.
    #[allow(clippy::useless_conversion)] // the types are narrower on 32-bit machines
    pub fn free_bytes(&self) -> io::Result<u64> {
        let free = nix::sys::statvfs::statvfs(&self.files)?;
        Ok(u64::from(free.blocks_available()) * u64::from(free.fragment_size()))
    }

    /// Unmounts the disk, which writes the kernel's dirty pages, and ends the recording. The caller must first end
    /// the processes that use the disk. A file system that stays in use for three more seconds is cut off; see
    /// [`Recording::cut_off`]. I/O errors at the end do not matter, because the log is what reached the disk.
    pub fn unmount(mut self) -> io::Result<Recording> {
        let cut_off = !self.take_down()?;
        let log = self.shared.take_log();
        Ok(Recording { base: self.base.clone(), log, cut_off })
    }

    /// Unmounts the file system and then the disk under it; returns whether the file system was no longer in use.
    fn take_down(&mut self) -> io::Result<bool> {
        let Some(session) = self.session.take() else { return Ok(true) };
        let unmounted = unmount_files(&self.files);
        let device = self.root.join("device");
        if unmount_device(&device, matches!(unmounted, Ok(true))) {
            // The server threads end by themselves. Waiting for them keeps memory and threads of one trial out of
            // the next. The wait is limited, because another process may have copied the mounts.
            let began = Instant::now();
            while !session.guard.is_finished() && began.elapsed() < BUSY_LIMIT {
                thread::sleep(Duration::from_micros(100));
            }
        }
        remove_mount_points(&self.root);
        unmounted
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.take_down();
        self.shared.take_log();
    }
}

/// Creates the mount points and serves the disk on the first.
fn serve(
    shared: &Arc<Shared>,
    len_bytes: u64,
    device: &Path,
    files: &Path,
    options: &DiskOptions,
) -> io::Result<BackgroundSession> {
    fs::create_dir(device)?;
    fs::create_dir(files)?;
    let mut config = Config::default();
    config.mount_options.push(MountOption::FSName("strongroom-disk".to_string()));
    // While one thread waits in a flush, the other still takes marks.
    config.n_threads = Some(2);
    fuser::spawn_mount(Server::new(Arc::clone(shared), len_bytes, options.flush_delay), device, &config)
}

/// Mounts the file system in the file `disk`. The loop device releases the file by itself when it is unmounted, or
/// when the mounts of this process disappear.
fn mount_loop(disk: &Path, files: &Path, file_system: FileSystem) -> io::Result<()> {
    let options = format!("loop,nodev,nosuid,{}", file_system.mount_options());
    let arguments = ["-n", "-t", file_system.name(), "-o", &options].map(AsRef::<std::ffi::OsStr>::as_ref);
    let mount = || run("mount", arguments.into_iter().chain([disk.as_os_str(), files.as_os_str()]));
    if file_system != FileSystem::Btrfs || find("btrfs").is_none() {
        return mount();
    }
    // btrfs remembers every device that it has seen, and refuses another one of the same UUID that seems older, as
    // two crash images of one disk do. So it must forget the devices; a mount by another thread may require a retry.
    let forget = || run("btrfs", ["device", "scan", "--forget"]);
    forget()?;
    mount().or_else(|_| forget().and_then(|()| mount()))
}

/// Unmounts the file system: `true` if it is unmounted, `false` if it had to be cut off because it was in use.
fn unmount_files(files: &Path) -> io::Result<bool> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    while let Err(error) = run("umount", ["-n".as_ref(), files.as_os_str()]) {
        if !is_mount_point(files)? {
            return Ok(true);
        }
        if error.kind() == io::ErrorKind::TimedOut {
            return Err(error);
        }
        if began.elapsed() > BUSY_LIMIT {
            return run("umount", ["-n".as_ref(), "-l".as_ref(), files.as_os_str()]).map(|()| false);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    Ok(true)
}

/// Unmounts the disk itself; returns whether its server is idle now. The loop device releases the disk shortly after
/// the file system is unmounted.
fn unmount_device(device: &Path, soon: bool) -> bool {
    let began = Instant::now();
    while soon && began.elapsed() < BUSY_LIMIT {
        match nix::mount::umount2(device, MntFlags::empty()) {
            Ok(()) => return true,
            Err(_) => thread::sleep(Duration::from_micros(200)),
        }
    }
    let _ = nix::mount::umount2(device, MntFlags::MNT_DETACH);
    false
}

/// Whether something is mounted at `directory`, as this thread sees it.
fn is_mount_point(directory: &Path) -> io::Result<bool> {
    // Mounts of this thread, not of the process: `isolate` works on a thread and those that it starts.
    let mounts = fs::read_to_string("/proc/thread-self/mounts")?;
    // The file escapes blanks, which only the path of the temporary directory can contain.
    let wanted = directory.to_string_lossy().replace(' ', "\\040");
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(&wanted)))
}

/// Removes the empty mount points. Never removes contents, so that a disk that is still mounted loses nothing.
fn remove_mount_points(root: &Path) {
    for directory in [&root.join("files"), &root.join("device"), root] {
        let _ = fs::remove_dir(directory);
    }
}

/// Formats a file system in a sparse file, and reads it.
fn format(file_system: FileSystem) -> io::Result<Image> {
    let directory = tempfile::Builder::new().prefix("strongroom-mkfs-").tempdir()?;
    let file = directory.path().join(DISK);
    let len_bytes = file_system.disk_len_bytes();
    File::create(&file)?.set_len(len_bytes)?;
    let (mkfs, options) = file_system.mkfs();
    run(mkfs, options.iter().map(AsRef::as_ref).chain([file.as_os_str()])).map_err(|error| {
        io::Error::new(error.kind(), format!("{error} (package {})", file_system.package()))
    })?;
    Image::from_reader(&mut File::open(&file)?, len_bytes)
}
