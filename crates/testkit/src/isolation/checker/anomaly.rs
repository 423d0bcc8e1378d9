//! Anomalies: what a history can show that no strictly serializable store would.

use crate::isolation::history::{Element, Key};
use std::fmt;

/// Something that no strictly serializable store shows. Transactions are named by their places in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anomaly {
    /// An element was read whose transaction was refused or rolled back (G1a).
    AbortedRead(Seen),
    /// An element was read as the last one whose transaction has appended more to the same list (G1b).
    IntermediateRead(Seen),
    /// An element is twice in a list.
    Duplicate(Seen),
    /// An element was read that nobody has appended.
    Garbage(Seen),
    /// An element was acknowledged before the reader began, and is missing.
    Lost(Seen),
    /// Neither of two reads of a list is a beginning of the other.
    IncompatibleOrders {
        /// The list.
        list: Key,
        /// Who read it.
        readers: [usize; 2],
    },
    /// A transaction does not see its own appends, or sees two states of one list.
    Internal {
        /// The list.
        list: Key,
        /// Who read it.
        reader: usize,
    },
    /// Transactions that would each have to come before the next, in a circle.
    Cycle(CycleKind, Vec<Edge>),
}

/// An element that a transaction has read, or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The list.
    pub list: Key,
    /// The element.
    pub element: Element,
    /// Who appended it, if anybody did.
    pub writer: Option<usize>,
    /// Who read the list.
    pub reader: usize,
}

/// The kinds of circles, by what they are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CycleKind {
    /// Only of appends (write cycle).
    G0,
    /// Of appends and reads of them (circular information flow).
    G1c,
    /// Two appended to the same list, and one of them had not seen the other's (P4).
    LostUpdate,
    /// With one who had not seen what came later (read skew).
    GSingle,
    /// With several of those (write skew).
    G2,
    /// Only with the real time in it: something old was seen.
    RealTime,
}

/// Why one transaction must have come before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The earlier one.
    pub from: usize,
    /// The later one.
    pub to: usize,
    /// Why.
    pub why: Dependency,
}

/// What one transaction has to do with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// Both appended to this list, one after the other.
    WriteWrite(Key),
    /// It read what the other had appended to this list.
    WriteRead(Key),
    /// It read this list before the other appended to it.
    ReadWrite(Key),
    /// It had ended when the other began.
    RealTime,
}

impl Anomaly {
    /// The transactions that it is about.
    pub fn transactions(&self) -> Vec<usize> {
        match self {
            Self::AbortedRead(seen)
            | Self::IntermediateRead(seen)
            | Self::Duplicate(seen)
            | Self::Garbage(seen)
            | Self::Lost(seen) => seen.writer.into_iter().chain([seen.reader]).collect(),
            Self::IncompatibleOrders { readers, .. } => readers.to_vec(),
            Self::Internal { reader, .. } => vec![*reader],
            Self::Cycle(_, edges) => edges.iter().map(|edge| edge.from).collect(),
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AbortedRead(seen) => write!(f, "aborted read (G1a): {seen}"),
            Self::IntermediateRead(seen) => write!(f, "intermediate read (G1b): {seen}"),
            Self::Duplicate(seen) => write!(f, "an element twice: {seen}"),
            Self::Garbage(seen) => write!(f, "an element that nobody appended: {seen}"),
            Self::Lost(seen) => write!(f, "a lost element: {seen}"),
            Self::IncompatibleOrders { list, readers: [one, other] } => {
                write!(
                    f,
                    "transactions {one} and {other} have read list {list} in orders that do not go together"
                )
            }
            Self::Internal { list, reader } => {
                write!(f, "transaction {reader} sees list {list} in two states, or not its own appends")
            }
            Self::Cycle(kind, edges) => {
                write!(f, "a circle ({kind:?}):")?;
                edges.iter().try_for_each(|edge| match edge.why {
                    Dependency::WriteWrite(list) => {
                        write!(f, " {} appended to {list} before {};", edge.from, edge.to)
                    }
                    Dependency::WriteRead(list) => {
                        write!(f, " {1} saw in {list} what {0} appended;", edge.from, edge.to)
                    }
                    Dependency::ReadWrite(list) => {
                        write!(f, " {} did not see in {list} what {} appended;", edge.from, edge.to)
                    }
                    Dependency::RealTime => write!(f, " {} ended before {} began;", edge.from, edge.to),
                })
            }
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {} of list {}, read by {}", self.element, self.list, self.reader)?;
        self.writer.map_or(Ok(()), |writer| write!(f, ", appended by {writer}"))
    }
}
