//! Runs everything that touches a store in a child process, so that a hang, a crash or a kill never ends the harness.
//!
//! A child is this same program with hidden arguments. It limits its own memory, and its parent limits its time.

use crate::look::{self, Depth, Seen};
use crate::marks::{Mark, What};
use crate::script::{Batch, KEYSPACES, Op, Script, Step, Value, Workload};
use crate::subject::{Done, Failure, Opened, Role, Subject, Verdict};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The first argument of a child.
pub const CHILD: &str = "child";

/// Limit on a child's address space, in bytes: more than any engine needs for these stores, including LMDB's map.
#[cfg(target_os = "linux")]
const MEMORY_BYTES_MAX: u64 = 8 * 1_024 * 1_024 * 1_024;

/// Longer than the high-water mark of a store may lag its commits.
const SETTLE: Duration = Duration::from_millis(1_400);

/// How a writing child ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It closes the store.
    Close,
    /// It pauses before the last fifth of its steps, for longer than the high-water mark lags, and aborts after them.
    Die,
}

/// The task of a writing child.
#[derive(Debug, Clone)]
pub struct Writing<'w> {
    /// The subject's name.
    pub subject: &'w str,
    /// The store's directory, which must exist.
    pub directory: &'w Path,
    /// The file for its marks.
    pub marks: &'w Path,
    /// The script.
    pub workload: Workload,
    /// Its seed.
    pub seed: u64,
    /// Its length.
    pub commits: usize,
    /// How it ends.
    pub end: End,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It completed its task.
    Done(T),
    /// It was killed at its time limit.
    Hung,
    /// It gave up, with this message.
    Failed(String),
    /// It died; the text gives the cause.
    Died(String),
}

/// The exit status of a child that gives up.
pub const GAVE_UP: u8 = 9;

impl Writing<'_> {
    /// Starts the child.
    pub fn start(&self) -> io::Result<Child> {
        let end = match self.end {
            End::Close => "close",
            End::Die => "die",
        };
        let mut command = Command::new(this_program()?);
        command.args([CHILD, "write", self.subject]).arg(self.directory).arg(self.marks);
        command.args([self.workload.to_string(), self.seed.to_string(), self.commits.to_string()]).arg(end);
        isolated(&mut command).spawn()
    }

    /// Runs the child until it ends, or kills it after `limit`.
    pub fn run(&self, limit: Duration) -> io::Result<Outcome<()>> {
        Ok(match wait(self.start()?, limit)? {
            Outcome::Died(_) if self.end == End::Die => Outcome::Done(()),
            outcome => outcome,
        })
    }
}

/// The script that filled a store: workload, seed and length in commits.
pub type Filling = (Workload, u64, usize);

/// The report of a child that inspects a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What it saw before it ended; complete if it ended well.
    pub seen: Option<Seen>,
    /// How it ended: done, hung or died. Never [`Outcome::Failed`].
    pub ended: Outcome<()>,
}

/// Inspects the store in `directory` in a child. A child that gives up is a failure of the harness, and an error.
pub fn look_at(
    subject: &str,
    directory: &Path,
    (workload, seed, commits): Filling,
    depth: Depth,
    limit: Duration,
) -> io::Result<Look> {
    let report = tempfile::NamedTempFile::new()?;
    let mut command = Command::new(this_program()?);
    command.args([CHILD, "look", subject]).arg(directory).arg(report.path());
    command.args([workload.to_string(), seed.to_string(), commits.to_string()]);
    command.args([u8::from(depth.verify).to_string(), u8::from(depth.probe).to_string()]);
    let ended = wait(isolated(&mut command).spawn()?, limit)?;
    if let Outcome::Failed(why) = ended {
        return Err(io::Error::other(why));
    }
    // Each line repeats and extends the one before, so the last complete line is the report.
    let written = std::fs::read(report.path())?;
    let last = written.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok());
    if last.is_none() && ended == Outcome::Done(()) {
        return Err(io::Error::other("the child that inspected the store left no report"));
    }
    Ok(Look { seen: last, ended })
}

/// The executable of this process, even if another build has replaced it: children of a long run must not be of
/// another version.
fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// Isolates the child: it shares only a pipe for its errors with its parent. It gets its own process group, because
/// an interrupt from the terminal is for the harness, and a child that died of it would count as crashed.
fn isolated(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped())
}

/// Waits for a child, and kills it at its time limit.
pub fn wait(mut child: Child, limit: Duration) -> io::Result<Outcome<()>> {
    let said = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = io::Read::read_to_end(&mut io::Read::take(&mut stderr, 64 * 1_024), &mut said);
            // Discards the rest, because a full pipe would block the child.
            let _ = io::copy(&mut stderr, &mut io::sink());
            said
        })
    });
    let began = Instant::now();
    let mut pause = Duration::from_micros(500);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(Outcome::Hung);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    };
    if status.success() {
        return Ok(Outcome::Done(()));
    }
    let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("").trim();
    if status.code() == Some(i32::from(GAVE_UP)) {
        return Ok(Outcome::Failed(line.to_owned()));
    }
    // The first line of a panic message gives its location.
    let line = said.lines().find(|line| line.contains("panicked")).unwrap_or(line);
    Ok(Outcome::Died(format!("{}: {line}", how(status))))
}

#[cfg(unix)]
fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

#[cfg(not(unix))]
fn how(status: ExitStatus) -> String {
    status.to_string()
}

/// Entry point of a child: runs the task in its arguments. The caller prints an `Err` to standard error.
pub fn main(subjects: &[Box<dyn Subject>], arguments: &[String]) -> Result<(), String> {
    crate::disk::die_with_parent().map_err(|error| error.to_string())?;
    limit_resources()?;
    let [what, name, directory, file, rest @ ..] = arguments else {
        return Err("too few arguments".to_owned());
    };
    let subject = subjects.iter().find(|subject| subject.name() == name);
    let subject = &**subject.ok_or_else(|| format!("unknown subject {name:?}"))?;
    let (directory, file) = (PathBuf::from(directory), PathBuf::from(file));
    let [workload, seed, commits, rest @ ..] = rest else {
        return Err("too few arguments".to_owned());
    };
    let number = |text: &String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let commits = usize::try_from(number(commits)?).map_err(|error| error.to_string())?;
    let script = Script::new(workload.parse()?, number(seed)?, commits);
    match (what.as_str(), rest) {
        ("write", [end]) => {
            let end = if end == "die" { End::Die } else { End::Close };
            write(subject, &directory, &file, &script, end).map_err(|failure| failure.message)
        }
        ("look", [verify, probe]) => {
            let depth = Depth { verify: verify == "1", probe: probe == "1" };
            let mut report = File::create(file).map_err(|error| error.to_string())?;
            let mut reported = Ok(());
            look::look(subject, &directory, &script, depth, &mut |seen| {
                let line = serde_json::to_string(seen).map(|line| line + "\n").map_err(io::Error::from);
                let outcome = line.and_then(|line| report.write_all(line.as_bytes()));
                reported = std::mem::replace(&mut reported, Ok(())).and(outcome);
            });
            reported.map_err(|error| error.to_string())
        }
        _ => Err(format!("wrong arguments for {what}")),
    }
}

#[cfg(target_os = "linux")]
fn limit_resources() -> Result<(), String> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_AS, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX)
        .and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0))
        .map_err(|error| format!("cannot set the resource limits of a child: {error}"))
}

/// Other systems limit only the time.
#[cfg(not(target_os = "linux"))]
fn limit_resources() -> Result<(), String> {
    Ok(())
}

/// The file of marks. Each mark is one line in one write.
struct Marks(Mutex<File>);

impl Marks {
    fn say(&self, mark: Mark) -> Result<(), Failure> {
        let line = mark.to_string();
        let mut file = self.0.lock().map_err(|_| Failure::new("another writer panicked"))?;
        file.write_all(line.as_bytes()).map_err(|error| Failure::new(format!("cannot mark: {error}")))
    }
}

fn write(
    subject: &dyn Subject,
    directory: &Path,
    marks: &Path,
    script: &Script,
    end: End,
) -> Result<(), Failure> {
    let file = OpenOptions::new().append(true).create(true).open(marks);
    let marks = Marks(Mutex::new(file.map_err(|error| Failure::new(format!("cannot mark: {error}")))?));
    let opened = subject.open(directory)?;
    for name in KEYSPACES {
        opened.create_keyspace(name)?;
    }
    marks.say(Mark::new(What::Ready, 0, 0))?;
    let beside = directory.parent().unwrap_or(directory);
    let pace = Pace { of: script.writers.first().map_or(0, Vec::len), taken: AtomicUsize::new(0) };
    // A raw engine may have done a step that it reports as failed, so the step must not be repeated.
    let tries = if subject.role() == Role::Raw { 1 } else { 2 };
    let results: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
        let writers: Vec<_> = script
            .writers
            .iter()
            .enumerate()
            .map(|(number, steps)| {
                let (opened, marks, pace) = (&*opened, &marks, &pace);
                scope.spawn(move || {
                    let _ahead = (number == 0).then(|| Ahead(pace));
                    Writer { opened, marks, beside, pace, number, end, tries }.run(steps)
                })
            })
            .collect();
        writers
            .into_iter()
            // A panic must kill the child, not turn into the message of a child that gives up.
            .map(|writer| writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.into_iter().collect::<Result<(), Failure>>()?;
    if end == End::Die {
        std::process::abort();
    }
    drop(opened);
    marks.say(Mark::new(What::Ended, 0, 0))
}

/// The progress of the first writer, used to spread compactions and checkpoints of the others over its whole run.
struct Pace {
    of: usize,
    taken: AtomicUsize,
}

impl Pace {
    /// Waits until the first writer has done the same share of its script as `at` of `len` steps.
    fn keep(&self, at: usize, len: usize) {
        while self.taken.load(Ordering::Acquire).saturating_mul(len) < at * self.of {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// Marks the first writer as finished when dropped, so that no writer waits for it, however it ended.
struct Ahead<'p>(&'p Pace);

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.0.taken.store(usize::MAX, Ordering::Release);
    }
}

struct Writer<'w> {
    opened: &'w dyn Opened,
    marks: &'w Marks,
    beside: &'w Path,
    pace: &'w Pace,
    number: usize,
    end: End,
    /// How often to try a step that fails while the handle stays open.
    tries: usize,
}

impl Writer<'_> {
    /// Runs the steps; stops at the first that fails for good, which does not count as a failure of the child.
    fn run(&self, steps: &[Step]) -> Result<(), Failure> {
        for (at, step) in steps.iter().enumerate() {
            if self.number == 0 {
                self.pace.taken.store(at, Ordering::Release);
            } else if matches!(step, Step::Compact | Step::Checkpoint(_)) {
                self.pace.keep(at, steps.len());
            }
            if self.end == End::Die && self.number == 0 && at == steps.len() * 4 / 5 {
                std::thread::sleep(SETTLE);
                self.say(What::Settled, at)?;
            }
            self.say(What::Begun, at)?;
            match self.take_or_retry(step, at)? {
                Ok(what) => self.say(what, at)?,
                Err(failure) if failure.closed => return self.go_on(at),
                // A store that stays open promises that a failed commit had no effect.
                Err(_) if self.tries > 1 && matches!(step, Step::Commit { .. }) => {
                    return self.say(What::Undone, at);
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Runs a step, and repeats it if it fails while the handle stays open. Such a failure must have had no effect,
    /// so the conditions still hold. The outer error is the harness's own.
    fn take_or_retry(&self, step: &Step, at: usize) -> Result<Result<What, Failure>, Failure> {
        // A failed checkpoint may leave a directory that blocks a second try.
        let tries = if matches!(step, Step::Checkpoint(_)) { 1 } else { self.tries };
        let mut turn = 1;
        loop {
            let failure = match self.take(step) {
                Ok(what) => return Ok(Ok(what)),
                Err(failure) => failure,
            };
            self.say(What::Failed, at)?;
            eprintln!("writer {} step {at}: {failure}", self.number);
            if failure.closed || turn == tries {
                return Ok(Err(failure));
            }
            turn += 1;
        }
    }

    fn take(&self, step: &Step) -> Result<What, Failure> {
        let done = match step {
            Step::Commit { batch, .. } => {
                return Ok(match self.opened.commit(batch)? {
                    Verdict::Committed => What::Acknowledged,
                    Verdict::Refused => What::Refused,
                });
            }
            Step::Create(name) => self.opened.create_keyspace(name).map(|()| Done::Done),
            Step::Drop(name) => self.opened.drop_keyspace(name).map(|()| Done::Done),
            Step::Compact => self.opened.compact(),
            Step::Checkpoint(name) => self.opened.checkpoint(&self.beside.join(name)),
        };
        Ok(if look::exists(done?) { What::Acknowledged } else { What::Lacking })
    }

    /// Writes once more to a handle that reported that it is closed, which must fail.
    fn go_on(&self, at: usize) -> Result<(), Failure> {
        let op = Op::new(KEYSPACES[0], "probe/after", Some(Value { seed: 3, len: 9 }));
        let accepted = self.opened.commit(&Batch { ops: vec![op], ..Batch::default() }).is_ok();
        self.say(if accepted { What::WentOn } else { What::Poisoned }, at)
    }

    fn say(&self, what: What, step: usize) -> Result<(), Failure> {
        self.marks.say(Mark::new(what, self.number, step))
    }
}
