//! One mounted disk, from its image to its recording.

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
/// The file with which [`Disk::fill`] takes up the space.
const FILLER: &str = "filler";

/// A mounted disk. When it is dropped it is unmounted and its recording is lost.
#[derive(Debug)]
pub struct Disk {
    base: Image,
    shared: Arc<Shared>,
    /// Holds the two mount points.
    root: PathBuf,
    files: PathBuf,
    /// `None` once it is unmounted.
    session: Option<BackgroundSession>,
}

impl Disk {
    /// An image with an empty file system, always the same within a process. The file system is made once; later
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

    /// Mounts `image`. Its file system is recovered by the kernel, as after a power cut. One that the kernel refuses is
    /// repaired by its own program first, as a machine does when it starts: ext4's superblock spans two sectors under one
    /// checksum, so that a power cut may tear it. One that is too damaged for that is an error.
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
        // From here on the drop cleans up.
        let disk = Disk { base: image, shared, root, files, session: Some(session) };
        let device = device.join(DISK);
        mount_loop(&device, &disk.files, file_system).or_else(|refused| {
            let Some((program, arguments)) = file_system.repair() else { return Err(refused) };
            // Its status says that it repaired something, or that it could not. The mount will show.
            let _ = run(program, arguments.iter().map(AsRef::as_ref).chain([device.as_os_str()]));
            mount_loop(&device, &disk.files, file_system).map_err(|_| refused)
        })?;
        Ok(disk)
    }

    /// Where the file system is mounted.
    pub fn path(&self) -> &Path {
        &self.files
    }

    /// The file that a child opens and writes marks to: each `write` call of up to 1 MiB is one
    /// [`Entry::Mark`](super::super::Entry::Mark). It is in the log, behind all that the child was told before, when
    /// the call returns. Nothing of it is on the disk; it reads as empty.
    pub fn mark_path(&self) -> PathBuf {
        self.root.join("device").join(MARK)
    }

    /// The switch for I/O errors.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Fills the file system up to some `leave_bytes` bytes with a file `filler`, so that programs meet `ENOSPC`. The
    /// file takes space and is not written. Exact to some 100 KiB, since the file system needs room of its own.
    pub fn fill(&self, leave_bytes: u64) -> io::Result<()> {
        let filler = self.files.join(FILLER);
        let mut len_bytes = self.free_bytes()?.saturating_sub(leave_bytes);
        loop {
            let taken = run("fallocate", ["-l".as_ref(), len_bytes.to_string().as_ref(), filler.as_os_str()]);
            // Some of what counts as free is needed for the filler's own metadata.
            let less = len_bytes.saturating_sub(64 << 10);
            match taken {
                Err(_) if less > 0 && filler.exists() => len_bytes = less,
                other => return other,
            }
        }
    }

    /// Removes what [`fill`](Self::fill) made, and returns when the space is free again.
    pub fn make_room(&self) -> io::Result<()> {
        run("rm", ["-f".as_ref(), self.files.join(FILLER).as_os_str()])?;
        // btrfs and xfs give space back with the next commit of their own.
        run("sync", ["-f".as_ref(), self.files.as_os_str()])
    }

    /// The space that the file system has left, in bytes.
    #[allow(clippy::useless_conversion)] // the types are narrower on 32-bit machines
    pub fn free_bytes(&self) -> io::Result<u64> {
        let free = nix::sys::statvfs::statvfs(&self.files)?;
        Ok(u64::from(free.blocks_available()) * u64::from(free.fragment_size()))
    }

    /// Unmounts the disk, which writes what the kernel still holds, and ends the recording. Processes that use the
    /// disk are ended first, by the caller. A file system that is in use for three seconds more is cut off, as
    /// [`Recording::cut_off`] says. I/O errors at the end do not matter: the log is what reached the disk.
    pub fn unmount(mut self) -> io::Result<Recording> {
        let cut_off = !self.take_down()?;
        let log = self.shared.take_log();
        Ok(Recording { base: self.base.clone(), log, cut_off })
    }

    /// Unmounts the file system and then the disk beneath it; whether the file system was no longer in use.
    fn take_down(&mut self) -> io::Result<bool> {
        let Some(session) = self.session.take() else { return Ok(true) };
        let unmounted = unmount_files(&self.files);
        let device = self.root.join("device");
        if unmount_device(&device, matches!(unmounted, Ok(true))) {
            // Its threads end by themselves. They are waited for so that no trial begins while another's memory
            // and threads are still there, but not for ever: another process may have copied the mounts.
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

/// Makes the mount points and serves the disk on the first.
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
    // One thread waits while a flush takes its time, and the marks of others go on.
    config.n_threads = Some(2);
    fuser::spawn_mount(Server::new(Arc::clone(shared), len_bytes, options.flush_delay), device, &config)
}

/// Mounts the file system in the file `disk`. The loop device lets go by itself when it is unmounted, or when the
/// mounts of this process vanish.
fn mount_loop(disk: &Path, files: &Path, file_system: FileSystem) -> io::Result<()> {
    let options = format!("loop,nodev,nosuid,{}", file_system.mount_options());
    let arguments = ["-n", "-t", file_system.name(), "-o", &options].map(AsRef::<std::ffi::OsStr>::as_ref);
    let mount = || run("mount", arguments.into_iter().chain([disk.as_os_str(), files.as_os_str()]));
    if file_system != FileSystem::Btrfs || find("btrfs").is_none() {
        return mount();
    }
    // btrfs remembers every device that it has seen, and refuses another of the same UUID that seems older: two
    // crash images of one disk. It is made to forget; one that another thread mounts meanwhile may still be in the way.
    let forget = || run("btrfs", ["device", "scan", "--forget"]);
    forget()?;
    mount().or_else(|_| forget().and_then(|()| mount()))
}

/// Unmounts the file system: `true` if it is gone, `false` if it had to be cut off because it was in use.
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

/// Unmounts the disk itself; whether its server has nothing more to do. The loop device lets go of it a moment after
/// the file system is gone.
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

/// Whether something is mounted there, for this process.
fn is_mount_point(directory: &Path) -> io::Result<bool> {
    // Of this thread, not of the process: `isolate` gives mounts to a thread and to those it starts.
    let mounts = fs::read_to_string("/proc/thread-self/mounts")?;
    // Blanks are escaped there, and the paths made here have none but for what the temporary directory brings.
    let wanted = directory.to_string_lossy().replace(' ', "\\040");
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(&wanted)))
}

/// Removes the directories, which are empty: never anything in them, so that a disk that is still mounted loses
/// nothing.
fn remove_mount_points(root: &Path) {
    for directory in [&root.join("files"), &root.join("device"), root] {
        let _ = fs::remove_dir(directory);
    }
}

/// Makes the file system in a sparse file, and reads it.
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
