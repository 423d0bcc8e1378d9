//! Tests the simulated disk with the real kernel: synced data is in every crash image, unsynced data can be lost, and
//! I/O errors reach the program.
//!
//! Where disks are unavailable, each test prints a line that begins with SKIPPED and tests nothing.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // in the tests' helpers too

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use strongroom_powercut::disk::{
    self, Crash, Disk, DiskOptions, Entry, Fault, FileSystem, Image, Recording, die_with_parent, isolate,
};
use strongroom_powercut::random::Random;

/// Error numbers of the kernel, because `ErrorKind` has no variant for `EIO`.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// Runs `test` on every available file system, in a private mount namespace.
fn on_each_file_system(test: impl Fn(FileSystem)) {
    // Before `unavailable`, which mounts a disk to find out.
    let isolated = isolate();
    if let Some(reason) = disk::unavailable() {
        println!("SKIPPED: {reason}");
        return;
    }
    isolated.unwrap();
    for file_system in FileSystem::ALL {
        match file_system.unavailable() {
            Some(reason) => println!("SKIPPED {file_system}: {reason}"),
            None => test(file_system),
        }
    }
}

fn mounted(image: Image, file_system: FileSystem) -> Disk {
    Disk::mount(image, file_system, &DiskOptions::default()).unwrap()
}

fn empty(file_system: FileSystem) -> Disk {
    mounted(Disk::formatted(file_system).unwrap(), file_system)
}

fn marks_of(disk: &Disk) -> File {
    OpenOptions::new().append(true).open(disk.mark_path()).unwrap()
}

/// Creates a file and syncs it and its directory, which makes the directory entry durable.
fn synced(directory: &Path, name: &str, content: &[u8]) {
    let mut file = File::create(directory.join(name)).unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    File::open(directory).unwrap().sync_all().unwrap();
}

/// Mounts `image` and returns the contents of a file in it.
fn read_back(image: Image, file_system: FileSystem, name: &str) -> Option<Vec<u8>> {
    let disk = mounted(image, file_system);
    let found = fs::read(disk.path().join(name)).ok();
    assert!(!disk.unmount().unwrap().cut_off);
    found
}

fn index_of_mark(recording: &Recording, wanted: &[u8]) -> usize {
    recording.marks().find(|(_, mark)| *mark == wanted).expect("the mark is in the log").0
}

#[test]
fn synced_data_is_in_every_crash_image_and_drop_unflushed_loses_the_rest() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        let mut marks = marks_of(&disk);
        let content: Vec<u8> = (0..20_000_u32).map(|i| (i % 251) as u8).collect();
        synced(disk.path(), "synced", &content);
        marks.write_all(b"ACK").unwrap();
        fs::write(disk.path().join("unsynced"), &content).unwrap();
        marks.write_all(b"END").unwrap();
        let recording = disk.unmount().unwrap();

        let acknowledged = index_of_mark(&recording, b"ACK");
        let end = index_of_mark(&recording, b"END");
        let mut random = Random::new(1);
        for kind in Crash::ALL {
            for cut in [acknowledged + 1, end + 1, recording.log.len()] {
                let found = read_back(recording.crash(cut, kind, &mut random), file_system, "synced");
                assert!(found.as_ref() == Some(&content), "{file_system}, {}, cut {cut}", kind.name());
            }
        }
        let lost = recording.crash(end + 1, Crash::DropUnflushed, &mut random);
        let found = read_back(lost, file_system, "unsynced");
        assert!(found.as_ref() != Some(&content), "{file_system}: unsynced data was kept");
        // The unmount wrote and flushed everything, so the last image must have the file.
        assert!(read_back(recording.last(), file_system, "unsynced") == Some(content));
    });
}

#[test]
fn a_crash_image_can_be_recorded_again() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        synced(disk.path(), "first", b"1");
        marks_of(&disk).write_all(b"ACK").unwrap();
        let first = disk.unmount().unwrap();
        let cut = index_of_mark(&first, b"ACK") + 1;
        let image = first.crash(cut, Crash::RandomSectors, &mut Random::new(3));

        // Cuts within the writes of the recovery itself.
        let second = mounted(image.clone(), file_system).unmount().unwrap();
        assert!(second.base == image);
        for cut in [second.log.len() / 3, second.log.len() / 2, second.log.len()] {
            let image = second.crash(cut, Crash::Reordered, &mut Random::new(4));
            assert_eq!(read_back(image, file_system, "first").as_deref(), Some(&b"1"[..]), "{file_system}");
        }
    });
}

#[test]
fn each_write_to_the_mark_file_is_one_mark_in_order() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        let mut marks = marks_of(&disk);
        let wanted: Vec<Vec<u8>> = (0..100).map(|i| format!("ACK {i}\n").into_bytes()).collect();
        for (i, mark) in wanted.iter().enumerate() {
            if i % 10 == 0 {
                synced(disk.path(), &format!("file-{i}"), b"x");
            }
            marks.write_all(mark).unwrap();
        }
        let recording = disk.unmount().unwrap();
        assert!(recording.marks().map(|(_, mark)| mark).eq(wanted.iter().map(Vec::as_slice)));
        for i in (10..100).step_by(10) {
            let before = index_of_mark(&recording, &wanted[i - 1]);
            let after = index_of_mark(&recording, &wanted[i]);
            assert!(
                recording.log[before..after].contains(&Entry::Flush),
                "{file_system}: no flush in between"
            );
        }
    });
}

/// Writes and syncs `count` files until one fails, and returns the failure.
fn first_error(directory: &Path, count: usize) -> Option<io::Error> {
    (0..count).find_map(|i| {
        let write = || -> io::Result<()> {
            let mut file = File::create(directory.join(format!("file-{i}")))?;
            file.write_all(&[7; 8192])?;
            file.sync_all()
        };
        write().err()
    })
}

#[test]
fn faults_reach_the_program() {
    on_each_file_system(|file_system| {
        for fault in [Fault::WriteError, Fault::ShortWrite, Fault::FlushError] {
            let disk = empty(file_system);
            assert!(first_error(disk.path(), 2).is_none());
            disk.faults().arm(fault, 1, true);
            let error = first_error(disk.path(), 50).unwrap_or_else(|| panic!("{file_system}: no {fault:?}"));
            assert!(
                [Some(EIO), Some(EROFS)].contains(&error.raw_os_error()),
                "{file_system}, {fault:?}: {error}"
            );
            assert!(disk.faults().hits() > 0);
            disk.faults().disarm();
            disk.unmount().unwrap();
        }
    });
}

#[test]
fn fsync_reports_a_failed_write_of_data() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        let mut file = File::create(disk.path().join("file")).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_all().unwrap();
        disk.faults().arm(Fault::WriteError, 0, false);
        file.write_all(&[2; 4096]).unwrap();
        let error = file.sync_data().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EIO), "{file_system}");
        assert_eq!(disk.faults().hits(), 1);
        drop(file);
        disk.unmount().unwrap();
    });
}

#[test]
fn a_failed_flush_covers_nothing() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        let mut marks = marks_of(&disk);
        marks.write_all(b"BEGIN").unwrap();
        disk.faults().arm(Fault::FlushError, 0, true);
        assert!(first_error(disk.path(), 5).is_some(), "{file_system}");
        marks.write_all(b"END").unwrap();
        let recording = disk.unmount().unwrap();
        let failing = &recording.log[index_of_mark(&recording, b"BEGIN")..index_of_mark(&recording, b"END")];
        assert!(!failing.contains(&Entry::Flush), "{file_system}");
    });
}

#[test]
fn a_filled_file_system_has_space_after_make_room() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        disk.fill(1 << 20).unwrap();
        let write = |name: &str| -> io::Result<()> {
            let mut file = File::create(disk.path().join(name))?;
            file.write_all(&vec![5; 16 << 20])?;
            file.sync_all()
        };
        assert_eq!(write("large").unwrap_err().raw_os_error(), Some(ENOSPC), "{file_system}");
        disk.make_room().unwrap();
        write("large").unwrap();
        disk.make_room().unwrap();
        disk.unmount().unwrap();
    });
}

#[test]
fn a_flush_takes_at_least_its_delay() {
    on_each_file_system(|file_system| {
        let options = DiskOptions { flush_delay: Duration::from_millis(30) };
        let disk = Disk::mount(Disk::formatted(file_system).unwrap(), file_system, &options).unwrap();
        let before = disk.faults().flushes();
        let began = Instant::now();
        for i in 0..3 {
            synced(disk.path(), &format!("file-{i}"), b"x");
        }
        assert!(began.elapsed() >= Duration::from_millis(90), "{file_system}: {:?}", began.elapsed());
        assert!(disk.faults().flushes() >= before + 3);
        disk.unmount().unwrap();
    });
}

#[test]
fn a_disk_in_use_is_cut_off() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        synced(disk.path(), "file", b"x");
        marks_of(&disk).write_all(b"ACK").unwrap();
        let in_use = File::open(disk.path().join("file")).unwrap();
        let root = disk.path().parent().unwrap().to_path_buf();
        let recording = disk.unmount().unwrap();
        assert!(recording.cut_off);
        assert!(!root.exists());
        drop(in_use);
        let cut = index_of_mark(&recording, b"ACK") + 1;
        let image = recording.crash(cut, Crash::DropUnflushed, &mut Random::new(1));
        assert_eq!(read_back(image, file_system, "file").as_deref(), Some(&b"x"[..]));
    });
}

#[test]
fn two_images_of_one_disk_can_be_mounted_at_once() {
    on_each_file_system(|file_system| {
        let disk = empty(file_system);
        synced(disk.path(), "a", b"x");
        let newer = disk.unmount().unwrap().last();
        // Mounted in this order, the older image looks to btrfs like a stale copy of the newer.
        drop(mounted(newer.clone(), file_system));
        let older = empty(file_system);
        assert!(!older.path().join("a").exists());
        let newer = Disk::mount(newer, file_system, &DiskOptions::default());
        match newer {
            Ok(newer) => {
                assert!(newer.path().join("a").exists());
                assert!(!older.path().join("a").exists());
            }
            // Kernels before 6.7 identify a btrfs only by its UUID.
            Err(error) => assert!(file_system == FileSystem::Btrfs, "{file_system}: {error}"),
        }
        older.unmount().unwrap();
    });
}

/// Set when this test program runs as the process that is killed; see below.
const KILLED: &str = "STRONGROOM_POWERCUT_KILLED";
/// Set if that process has a child that writes to its disk.
const WITH_WRITER: &str = "STRONGROOM_POWERCUT_WITH_WRITER";

#[test]
fn a_killed_process_leaves_no_mounts_or_loop_devices() {
    if let Ok(file_system) = std::env::var(KILLED) {
        hold_a_disk(file_system.parse().unwrap(), std::env::var(WITH_WRITER).is_ok());
    }
    // With a child of the killed process that writes to the disk and ends on I/O errors, and without one.
    on_each_file_system(|file_system| kill_one(file_system, true));
    on_each_file_system(|file_system| kill_one(file_system, false));
}

fn kill_one(file_system: FileSystem, with_writer: bool) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_killed_process_leaves_no_mounts_or_loop_devices", "--nocapture"])
        .env(KILLED, file_system.name())
        .stdout(Stdio::piped());
    if with_writer {
        command.env(WITH_WRITER, "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let root = lines.map_while(Result::ok).find_map(|line| {
        let at = line.find("MOUNTED ")?;
        Some(line[at + "MOUNTED ".len()..].to_string())
    });
    let root = PathBuf::from(root.expect("the child has mounted its disk"));
    let device = loop_device_of(&root).expect("the disk has a loop device");
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains(root.to_str().unwrap()));

    child.kill().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "{file_system}: the killed process does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    while loop_device_of(&root).is_some() || !is_released(&device) {
        assert!(began.elapsed() < Duration::from_secs(30), "{file_system}: the loop device is still in use");
        std::thread::sleep(Duration::from_millis(20));
    }
    for directory in [root.join("files"), root.join("device"), root] {
        fs::remove_dir(directory).unwrap();
    }
}

/// Mounts a disk, starts a child that writes to it endlessly if `with_writer`, and waits to be killed.
fn hold_a_disk(file_system: FileSystem, with_writer: bool) -> ! {
    isolate().unwrap();
    die_with_parent().unwrap();
    let disk = empty(file_system);
    synced(disk.path(), "file", b"x");
    if with_writer {
        let write = "while :; do echo x >> \"$0\" && sync \"$0\" 2> /dev/null || exit; done";
        #[allow(clippy::zombie_processes)] // it must outlive this process
        let _writer = Command::new("sh").args(["-c", write]).arg(disk.path().join("file")).spawn().unwrap();
        while disk.faults().flushes() < 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    println!("MOUNTED {}", disk.path().parent().unwrap().display());
    loop {
        std::thread::park();
    }
}

/// The loop device over the disk in `root`.
fn loop_device_of(root: &Path) -> Option<PathBuf> {
    let mut devices = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    devices.find(|device| backing_file_of(device).is_some_and(|file| file.contains(root.to_str().unwrap())))
}

fn backing_file_of(device: &Path) -> Option<String> {
    fs::read_to_string(device.join("loop/backing_file")).ok()
}

/// Whether the loop device is free, or already used for another disk. While the mount of its file is gone but the
/// device is not released, it reports a path without `root`.
fn is_released(device: &Path) -> bool {
    backing_file_of(device).is_none_or(|file| file.contains("/device/disk"))
}

/// Prints what a trial costs; not a test.
#[test]
#[ignore = "prints figures: run it with --ignored --nocapture"]
fn measure_mounts() {
    on_each_file_system(|file_system| {
        let image = Disk::formatted(file_system).unwrap();
        let rounds = 50;
        let (mut mount, mut unmount) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..rounds {
            let began = Instant::now();
            let disk = mounted(image.clone(), file_system);
            mount += began.elapsed();
            let began = Instant::now();
            disk.unmount().unwrap();
            unmount += began.elapsed();
        }
        let disk = empty(file_system);
        let mut file = File::create(disk.path().join("file")).unwrap();
        let began = Instant::now();
        for _ in 0..200 {
            file.write_all(&[1; 4096]).unwrap();
            file.sync_data().unwrap();
        }
        let sync = began.elapsed() / 200;
        drop(file);
        let recording = disk.unmount().unwrap();
        let began = Instant::now();
        let image = recording.crash(recording.log.len(), Crash::RandomSectors, &mut Random::new(1));
        println!(
            "{file_system}: mount {:?}, unmount {:?}, write and sync of 4 KiB {sync:?}; \
             image of a log of {} entries {:?}, {} KiB",
            mount / rounds,
            unmount / rounds,
            recording.log.len(),
            began.elapsed(),
            image.used_bytes() >> 10,
        );
    });
}
