//! Anomalies, which a history of a strictly serializable store never has.

use crate::isolation::history::{Element, Key};
use std::fmt;

/// An anomaly. Transactions are identified by their index in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anomaly {
    /// A read of an element whose transaction was refused or rolled back (G1a).
    AbortedRead(Seen),
    /// A read that ends with an element after which its transaction appended more to the same list (G1b).
    IntermediateRead(Seen),
    /// A list with an element twice.
    Duplicate(Seen),
    /// A read of an element that was never appended.
    Garbage(Seen),
    /// A read that lacks an element acknowledged before the reader began.
    Lost(Seen),
    /// Two reads of a list of which neither is a prefix of the other.
    IncompatibleOrders {
        /// The list.
        list: Key,
        /// Its readers.
        readers: [usize; 2],
    },
    /// A transaction that does not see its own appends, or sees two states of one list.
    Internal {
        /// The list.
        list: Key,
        /// Its reader.
        reader: usize,
    },
    /// Transactions of which each must come before the next, in a cycle.
    Cycle(CycleKind, Vec<Edge>),
}

/// An element that a transaction read or missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The list.
    pub list: Key,
    /// The element.
    pub element: Element,
    /// The transaction that appended it, if any.
    pub writer: Option<usize>,
    /// The transaction that read the list.
    pub reader: usize,
}

/// Kinds of cycles, by their dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CycleKind {
    /// Only appends (write cycle).
    G0,
    /// Appends and reads of them (circular information flow).
    G1c,
    /// Two appends to the same list, of which one transaction had not seen the other's (P4).
    LostUpdate,
    /// Exactly one read that missed a later append (read skew).
    GSingle,
    /// Several reads that missed a later append (write skew).
    G2,
    /// A cycle that needs the real-time order: a stale read.
    RealTime,
}

/// Why one transaction must have come before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The earlier one.
    pub from: usize,
    /// The later one.
    pub to: usize,
    /// The reason.
    pub why: Dependency,
}

/// The dependency between two transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// Both appended to this list, one after the other.
    WriteWrite(Key),
    /// The later one read an append of the earlier one to this list.
    WriteRead(Key),
    /// The earlier one read this list before an append of the later one.
    ReadWrite(Key),
    /// The earlier one ended before the later one began.
    RealTime,
}

impl Anomaly {
    /// Returns the transactions involved.
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
            Self::Garbage(seen) => write!(f, "an element that was never appended: {seen}"),
            Self::Lost(seen) => write!(f, "a lost element: {seen}"),
            Self::IncompatibleOrders { list, readers: [one, other] } => {
                write!(f, "transactions {one} and {other} read list {list} in incompatible orders")
            }
            Self::Internal { list, reader } => {
                write!(f, "transaction {reader} sees list {list} in two states, or not its own appends")
            }
            Self::Cycle(kind, edges) => {
                write!(f, "a cycle ({kind:?}):")?;
                edges.iter().try_for_each(|edge| match edge.why {
                    Dependency::WriteWrite(list) => {
                        write!(f, " {} appended to {list} before {};", edge.from, edge.to)
                    }
                    Dependency::WriteRead(list) => {
                        write!(f, " {1} saw in {list} an append of {0};", edge.from, edge.to)
                    }
                    Dependency::ReadWrite(list) => {
                        write!(f, " {} missed in {list} an append of {};", edge.from, edge.to)
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
