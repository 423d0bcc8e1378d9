//! The admin socket: access, answers, and that no client disturbs the store or another client.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strongroom_admin::{
    ADMIN_SOCKET_FILE, AdminChangeKind, AdminClient, AdminEnd, AdminEvent, AdminSocket, AdminWatch,
};
use strongroom_core::{
    Durability, Engine as _, ErrorKind, MemoryBackend, MemoryOptions, Options, TypedOptions as _, Undo,
};
use strongroom_store::{Store, StoreOptions};
use strongroom_testkit::{PretendBackend, PretendEngine};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);
const WATCH: &str = "{\"v\":1,\"command\":\"watch\"}\n";

const ENGINE: &str = "pretend";

/// Opens or creates a store on the test kit's engine. The facade's tests do the same on the real ones.
fn open_with(path: &Path, options: &Options) -> Store {
    let info = <Undo<PretendEngine>>::INFO;
    Store::open(path, &info, StoreOptions::new(), options, |path, options| {
        Ok(Box::new(PretendBackend::open(path, MemoryOptions::from_options(options)?)?))
    })
    .unwrap()
}

fn open(path: &Path) -> Store {
    open_with(path, &Options::new())
}

/// A store with its socket; dropped in the order of the fields.
struct Served {
    socket: AdminSocket,
    store: Store,
    home: TempDir,
}

fn served() -> Served {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    Served { socket: AdminSocket::open(&store).unwrap(), store, home }
}

impl Served {
    fn client(&self) -> AdminClient {
        AdminClient::connect(self.home.path()).unwrap()
    }

    fn stream(&self) -> UnixStream {
        UnixStream::connect(self.socket.path()).unwrap()
    }

    fn watch(&self) -> AdminWatch {
        self.client().watch("default", "").unwrap()
    }

    fn set(&self, key: &[u8], value: &[u8]) -> u64 {
        let keyspace = self.store.default_keyspace().unwrap();
        keyspace.set(key, value).unwrap();
        keyspace.get_row(key).unwrap().unwrap().version
    }

    /// A connection that watches.
    fn raw_watch(&self) -> UnixStream {
        let mut stream = self.stream();
        stream.write_all(WATCH.as_bytes()).unwrap();
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"{\"ok\":true,");
        stream
    }
}

fn next(watch: &mut AdminWatch) -> AdminEvent {
    watch.next_timeout(LONG).unwrap().expect("an event")
}

fn line(stream: &UnixStream) -> String {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn only_the_user_may_connect_and_only_while_it_is_open() {
    let served = served();
    let path = served.home.path().join(ADMIN_SOCKET_FILE);
    assert_eq!(served.socket.path(), path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let (store, home) = (served.store, served.home);
    drop(served.socket);
    assert!(!path.exists());
    let error = AdminClient::connect(home.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.way_out().contains("AdminSocket::open"), "{error}");
    drop(store);
}

/// Linux takes the mode of the file from the socket. On other systems no client can connect until it is set.
#[cfg(target_os = "linux")]
#[test]
fn the_file_has_its_mode_from_its_creation_on() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let path = home.path().join(ADMIN_SOCKET_FILE);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut modes = std::collections::BTreeSet::new();
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                modes.extend(fs::metadata(&path).map(|found| found.permissions().mode() & 0o7777));
            }
            modes
        });
        for _ in 0..200 {
            drop(AdminSocket::open(&store).unwrap());
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(looking.join().unwrap().into_iter().collect::<Vec<_>>(), [0o600]);
    });
}

#[test]
fn a_socket_that_is_open_is_not_taken_over() {
    let served = served();
    let error = AdminSocket::open(&served.store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    served.client().stats().unwrap();
    let Served { socket, store, home } = served;
    drop(socket);
    let socket = AdminSocket::open(&store).unwrap();
    AdminClient::connect(home.path()).unwrap().stats().unwrap();
    drop(socket);
}

#[test]
fn a_file_that_is_not_a_socket_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let path = home.path().join(ADMIN_SOCKET_FILE);
    fs::write(&path, "notes").unwrap();
    let error = AdminSocket::open(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "notes");
}

#[test]
fn a_path_that_is_too_long_is_refused_with_a_hint() {
    let home = tempfile::tempdir().unwrap();
    let long = home.path().join("d".repeat(100));
    let store = open(&long);
    let before = names(&long);
    let error = AdminSocket::open(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.way_out().contains("open_at"), "{error}");
    assert_eq!(names(&long), before);
    assert_eq!(AdminClient::connect(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
    let short = home.path().join("admin");
    let _socket = AdminSocket::open_at(&store, &short).unwrap();
    AdminClient::connect_at(&short).unwrap().stats().unwrap();
}

#[test]
fn a_store_without_a_directory_needs_a_path_for_its_socket() {
    let options = StoreOptions::new().durability(Durability::Buffered);
    let store = Store::new(MemoryBackend::in_memory(), options).unwrap();
    let error = AdminSocket::open(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("admin");
    let _socket = AdminSocket::open_at(&store, &path).unwrap();
    let stats = AdminClient::connect_at(&path).unwrap().stats().unwrap();
    assert_eq!((&*stats.engine, stats.store, stats.path), ("memory", None, None));
}

#[test]
fn a_read_only_store_does_not_take_the_writers_socket() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()));
    let store = open_with(home.path(), &Options::new().read_only());
    let error = AdminSocket::open(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let path = home.path().join("elsewhere");
    let _socket = AdminSocket::open_at(&store, &path).unwrap();
    AdminClient::connect_at(&path).unwrap().stats().unwrap();
    let error = AdminClient::connect_at(&path).unwrap().watch("default", "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn figures_are_those_of_the_process_that_has_the_store_open() {
    let served = served();
    served.set(b"a", b"1");
    let mut batch = served.store.batch();
    batch.expect_absent(&served.store.default_keyspace().unwrap(), "a");
    assert_eq!(served.store.commit(&batch).unwrap_err().kind(), ErrorKind::Conflict);
    let stats = served.client().stats().unwrap();
    assert_eq!((stats.figures.conflicts, stats.keyspaces), (1, 1));
    assert_eq!(stats.store, served.store.id().map(|id| id.to_string()));
    assert!(stats.path.is_some_and(|path| Path::new(&path).is_absolute()));
    assert!(stats.figures.backend.commits > 0);
}

#[test]
fn a_watch_receives_its_changes_in_order() {
    let served = served();
    let keyspace = served.store.default_keyspace().unwrap();
    let mut all = served.watch();
    let mut some = served.client().watch("default", b"\xff").unwrap();
    assert_eq!(all.engine(), ENGINE);
    let first = served.set(b"a", "Zürich \"\n\u{0}".as_bytes());
    let second = served.set(b"\xff\x00", b"\xfe");
    keyspace.delete("a").unwrap();
    served.store.create_keyspace("other").unwrap().set("a", "1").unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let AdminEvent::Commit { sequence, changes, .. } = next(&mut all) else { panic!() };
        assert_eq!((changes.len(), &*changes[0].keyspace), (1, "default"));
        seen.push((sequence, changes[0].key.clone(), changes[0].kind.clone()));
    }
    let zurich = AdminChangeKind::Set("Zürich \"\n\u{0}".as_bytes().to_vec());
    assert_eq!(seen[0], (first, b"a".to_vec(), zurich));
    assert_eq!(seen[1], (second, b"\xff\x00".to_vec(), AdminChangeKind::Set(b"\xfe".to_vec())));
    assert_eq!((&*seen[2].1, &seen[2].2), (&b"a"[..], &AdminChangeKind::Deleted));
    assert!(matches!(next(&mut some), AdminEvent::Commit { sequence, .. } if sequence == second));
    assert_eq!(some.next_timeout(Duration::from_millis(50)).unwrap(), None);
}

#[test]
fn the_lines_are_as_documented() {
    let served = served();
    let stream = served.stream();
    (&stream).write_all(WATCH.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let engine = ENGINE;
    assert_eq!(lines.next().unwrap(), format!("{{\"ok\":true,\"watch\":{{\"engine\":\"{engine}\"}}}}"));
    let sequence = served.set(b"a", b"1");
    assert_eq!(
        lines.next().unwrap(),
        format!(
            "{{\"sequence\":{sequence},\"changes\":[{{\"keyspace\":\"default\",\"key\":\"a\",\"kind\":\"set\",\"value\":\"1\"}}]}}"
        )
    );
    served.store.default_keyspace().unwrap().delete(b"\xff").unwrap();
    let deleted = "\"changes\":[{\"keyspace\":\"default\",\"key_hex\":\"ff\",\"kind\":\"delete\"}]}";
    assert!(lines.next().unwrap().ends_with(deleted));
    // No commit for five seconds.
    assert_eq!(lines.next().unwrap(), "{\"heartbeat\":true}");
    drop(served);
    assert_eq!(lines.next().unwrap(), "{\"end\":{\"reason\":\"socket closed\"}}");
    assert_eq!(lines.next(), None);
}

#[test]
fn a_watch_of_a_missing_or_dropped_keyspace_fails() {
    let served = served();
    let error = served.client().watch("missing", "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    served.store.create_keyspace("short").unwrap().set("a", "1").unwrap();
    let mut watch = served.client().watch("short", "").unwrap();
    served.store.drop_keyspace("short").unwrap();
    let error = watch.next_timeout(LONG).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn a_store_with_an_open_socket_closes_and_reopens_at_once() {
    let Served { socket, store, home } = served();
    let mut watch = AdminClient::connect(home.path()).unwrap().watch("default", "").unwrap();
    let _idle = UnixStream::connect(socket.path()).unwrap();
    drop(store);
    let again = open(home.path());
    // The old socket closes by itself, though it is not dropped.
    let second = AdminSocket::open(&again).unwrap();
    assert_eq!(next(&mut watch), AdminEvent::Ended(AdminEnd::StoreClosed));
    drop(socket);
    AdminClient::connect(home.path()).unwrap().stats().unwrap();
    drop(second);
    assert!(!home.path().join(ADMIN_SOCKET_FILE).exists());
}

#[test]
fn a_socket_closes_after_its_store() {
    let Served { socket, store, home } = served();
    drop(store);
    wait_until("the name goes", || !home.path().join(ADMIN_SOCKET_FILE).exists());
    drop(socket);
}

#[test]
fn clients_beyond_the_limits_are_answered_unavailable() {
    let served = served();
    let mut watches: Vec<AdminWatch> = (0..12).map(|_| served.watch()).collect();
    let error = served.client().watch("default", "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    served.client().stats().unwrap();
    wait_until("the others have gone", || {
        let idle: Vec<UnixStream> = (0..4).map(|_| served.stream()).collect();
        let error = served.client().stats().err();
        drop(idle);
        error.is_some_and(|error| error.kind() == ErrorKind::Unavailable)
    });
    // The clients that were there before are still served.
    served.set(b"a", b"1");
    for watch in &mut watches {
        assert!(matches!(next(watch), AdminEvent::Commit { .. }));
    }
    drop(watches);
    wait_until("places are free again", || {
        AdminClient::connect(served.home.path()).unwrap().watch("default", "").is_ok()
    });
}

#[test]
fn garbage_is_answered_and_disturbs_no_other_client() {
    let served = served();
    let mut watch = served.watch();
    let long = "x".repeat(70 * 1_024);
    for garbage in ["\n", "GET / HTTP/1.1\r\n\r\n", "{\"v\":1}\n", "{\"v\":9,\"command\":\"stats\"}\n", &long]
    {
        let mut stream = served.stream();
        // It may be answered before all is sent.
        let _ = stream.write_all(garbage.as_bytes());
        let answer = line(&stream);
        assert!(answer.starts_with("{\"ok\":false,\"error\":{\"kind\":"), "{answer}");
    }
    // Half a line, by a client that still reads and by one that does not.
    let mut half = served.stream();
    half.write_all(b"{\"v\":1,\"comm").unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(line(&half).contains("invalid input"));
    served.stream().write_all(b"{\"v\":1,\"comm").unwrap();
    // The end of the sending side ends a request too.
    let mut asked = served.stream();
    asked.write_all(b"{\"v\":1,\"command\":\"stats\"}").unwrap();
    asked.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(line(&asked).starts_with("{\"ok\":true,\"stats\":{"));
    served.set(b"a", b"1");
    assert!(matches!(next(&mut watch), AdminEvent::Commit { .. }));
}

#[test]
fn a_client_that_sends_no_request_in_time_is_disconnected() {
    let served = served();
    let began = Instant::now();
    let mut stream = served.stream();
    stream.write_all(b"{").unwrap();
    let answer = line(&stream);
    assert!(answer.contains("did not come within 10 seconds"), "{answer}");
    assert!(began.elapsed() >= Duration::from_secs(9));
}

#[test]
fn a_client_that_does_not_read_misses_commits_and_delays_none() {
    const COMMITS: u64 = 400;
    let served = served();
    let mut slow = served.watch();
    let _never = served.raw_watch();
    let value = vec![0xff; 100 * 1_024];
    let keyspace = served.store.default_keyspace().unwrap();
    for _ in 0..COMMITS {
        keyspace.set("k", &value).unwrap();
    }
    let (mut read, mut missed) = (0, 0);
    while read + missed < COMMITS {
        match next(&mut slow) {
            AdminEvent::Commit { changes, .. } => {
                assert_eq!(changes[0].kind, AdminChangeKind::Set(value.clone()));
                read += 1;
            }
            AdminEvent::Lagged(commits) => missed += commits,
            other => panic!("{other:?}"),
        }
    }
    // A buffer of 4 MiB, and the bytes under way.
    assert!(read <= 50 && missed >= 350, "{read} read, {missed} missed");
    // It continues with later commits.
    served.set(b"a", b"1");
    assert!(matches!(next(&mut slow), AdminEvent::Commit { .. }));
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let served = served();
    for round in 0..3 {
        let watches: Vec<UnixStream> = (0..12).map(|_| served.raw_watch()).collect();
        served.set(b"a", &vec![b'x'; 1_024 * 1_024]);
        drop(watches);
        wait_until(&format!("all places of round {round} are free"), || {
            std::thread::sleep(Duration::from_millis(300));
            (0..12)
                .map(|_| served.client().watch("default", ""))
                .collect::<Vec<_>>()
                .iter()
                .all(Result::is_ok)
        });
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn dropping_it_ends_everything_within_a_second() {
    let Served { socket, store, home } = served();
    let connect = || UnixStream::connect(socket.path()).unwrap();
    let idle = connect();
    let half = connect();
    (&half).write_all(b"{\"v\":1,").unwrap();
    let watching = connect();
    (&watching).write_all(WATCH.as_bytes()).unwrap();
    assert!(line(&watching).starts_with("{\"ok\":true"));
    // This client does not read, so its thread is blocked in the middle of a line.
    let stuck = connect();
    (&stuck).write_all(WATCH.as_bytes()).unwrap();
    assert!(line(&stuck).starts_with("{\"ok\":true"));
    store.default_keyspace().unwrap().set("k", vec![b'x'; 2 * 1_024 * 1_024]).unwrap();
    std::thread::sleep(Duration::from_millis(300));

    let path: PathBuf = socket.path().to_owned();
    let began = Instant::now();
    drop(socket);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!path.exists());
    for mut stream in [idle, half, watching, stuck] {
        stream.set_read_timeout(Some(LONG)).unwrap();
        // Reads what was sent, then the end.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // No thread holds the store.
    drop(store);
    open(home.path());
}
