//! Names of trials, which contain everything needed to repeat one.

use crate::disk::FileSystem;
use crate::script::Workload;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a crash image is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageKind {
    /// All writes after the last flush are lost.
    Drop,
    /// All writes are kept.
    Keep,
    /// Each sector written after the last flush is kept or lost.
    Random,
    /// Some writes after the last flush are kept, regardless of their order.
    Reordered,
    /// The last write is kept in part.
    Torn,
    /// The power fails again while the store recovers from an image of another kind.
    Recovery,
}

/// How the disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// One write fails.
    Write,
    /// All writes fail from then on.
    Writes,
    /// One write fails after storing its first half.
    ShortWrite,
    /// One flush fails.
    Flush,
    /// All flushes fail from then on.
    Flushes,
    /// The file system is full.
    NoSpace,
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamageKind {
    /// One bit is flipped.
    FlippedBit,
    /// A page of 4 KiB becomes zeros.
    ZeroedPage,
    /// The file is truncated.
    Truncated,
    /// Bytes are appended.
    Extended,
    /// Two pages, or two files, are swapped.
    Swapped,
    /// The file is deleted.
    Deleted,
}

macro_rules! words {
    ($kind:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $kind {
            /// All variants.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),* })
            }
        }

        impl FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("unknown word {text:?}: use one of {:?}", [$($word),*])),
                }
            }
        }
    };
}

words!(ImageKind {
    Drop = "drop",
    Keep = "keep",
    Random = "random",
    Reordered = "reordered",
    Torn = "torn",
    Recovery = "recovery",
});
words!(FaultKind {
    Write = "write",
    Writes = "writes",
    ShortWrite = "short-write",
    Flush = "flush",
    Flushes = "flushes",
    NoSpace = "no-space",
});
words!(DamageKind {
    FlippedBit = "flipped-bit",
    ZeroedPage = "zeroed-page",
    Truncated = "truncated",
    Extended = "extended",
    Swapped = "swapped",
    Deleted = "deleted",
});

/// One trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A child is killed.
    Kill {
        /// The subject.
        subject: String,
        /// The script.
        workload: Workload,
        /// Its seed, which also decides when.
        seed: u64,
    },
    /// The power is cut.
    Power {
        /// The subject.
        subject: String,
        /// The file system under it.
        file_system: FileSystem,
        /// The script.
        workload: Workload,
        /// Its seed.
        seed: u64,
        /// How the image is made.
        kind: ImageKind,
        /// The number of the image, which decides when the power fails and what survives.
        number: u64,
    },
    /// A write or a flush fails.
    Fault {
        /// The subject.
        subject: String,
        /// The file system under it.
        file_system: FileSystem,
        /// The script.
        workload: Workload,
        /// What fails.
        kind: FaultKind,
        /// The script's seed, which also decides when.
        seed: u64,
    },
    /// A file is damaged.
    Damage {
        /// The subject.
        subject: String,
        /// Whether the store was closed before; otherwise its process had died.
        closed: bool,
        /// How the file is damaged.
        kind: DamageKind,
        /// The seed of the script and of the damage.
        seed: u64,
    },
}

impl Name {
    /// Its subject.
    pub fn subject(&self) -> &str {
        match self {
            Self::Kill { subject, .. }
            | Self::Power { subject, .. }
            | Self::Fault { subject, .. }
            | Self::Damage { subject, .. } => subject,
        }
    }

    /// Its section.
    pub fn section(&self) -> Section {
        match self {
            Self::Kill { .. } => Section::Kill,
            Self::Power { .. } => Section::Power,
            Self::Fault { .. } => Section::Fault,
            Self::Damage { .. } => Section::Damage,
        }
    }

    /// The kind under which the report counts it, within its subject.
    pub fn kind(&self) -> String {
        match self {
            Self::Kill { workload, .. } => workload.to_string(),
            Self::Power { file_system, kind, .. } => format!("{file_system} {kind}"),
            Self::Fault { kind, .. } => kind.to_string(),
            Self::Damage { kind, closed, .. } => {
                format!("{} {kind}", if *closed { "closed" } else { "died" })
            }
        }
    }
}

/// A part of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Section {
    /// Killed processes.
    Kill,
    /// Power cuts.
    Power,
    /// I/O errors.
    Fault,
    /// Damaged files.
    Damage,
}

words!(Section { Kill = "kill", Power = "power", Fault = "fault", Damage = "damage" });

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { subject, workload, seed } => write!(f, "kill:{subject}:{workload}:{seed}"),
            Self::Power { subject, file_system, workload, seed, kind, number } => {
                write!(f, "power:{subject}:{file_system}:{workload}:{seed}:{kind}:{number}")
            }
            Self::Fault { subject, file_system, workload, kind, seed } => {
                write!(f, "fault:{subject}:{file_system}:{workload}:{kind}:{seed}")
            }
            Self::Damage { subject, closed, kind, seed } => {
                write!(f, "damage:{subject}:{}:{kind}:{seed}", if *closed { "closed" } else { "died" })
            }
        }
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a number"));
        let words: Vec<&str> = text.split(':').collect();
        Ok(match words[..] {
            ["kill", subject, workload, seed] => {
                Self::Kill { subject: subject.into(), workload: workload.parse()?, seed: number(seed)? }
            }
            ["power", subject, file_system, workload, seed, kind, image] => Self::Power {
                subject: subject.into(),
                file_system: file_system.parse()?,
                workload: workload.parse()?,
                seed: number(seed)?,
                kind: kind.parse()?,
                number: number(image)?,
            },
            ["fault", subject, file_system, workload, kind, seed] => Self::Fault {
                subject: subject.into(),
                file_system: file_system.parse()?,
                workload: workload.parse()?,
                kind: kind.parse()?,
                seed: number(seed)?,
            },
            ["damage", subject, state @ ("closed" | "died"), kind, seed] => Self::Damage {
                subject: subject.into(),
                closed: state == "closed",
                kind: kind.parse()?,
                seed: number(seed)?,
            },
            _ => {
                return Err(format!(
                    "{text:?} is not the name of a trial: use a name such as kill:redb/store:single:1"
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_round_trip() {
        for text in [
            "kill:redb/store:single:1",
            "power:redb:ext4:batches:7:recovery:12",
            "fault:lmdb/store:xfs:keyspaces:short-write:3",
            "damage:sled/store-full:died:swapped:99",
        ] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        for text in
            ["", "kill", "power:redb:ext4:batches:x:drop:1", "damage:a:open:swapped:1", "kill:a:none:1"]
        {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
