//! Derives the order of each list from the reads, and finds reads that fit no order.

use super::anomaly::{Anomaly, Dependency, Seen};
use super::graph::Graph;
use crate::isolation::history::{Element, History, Key, Operation, Outcome, Recorded};
use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) struct Lists<'h> {
    history: &'h History,
    /// The transaction that appended an element.
    writers: HashMap<(Key, Element), usize>,
    /// The last element that a transaction appended to a list.
    last_of: HashMap<(Key, usize), Element>,
    reads: Vec<Read<'h>>,
    by_key: BTreeMap<Key, List<'h>>,
    /// Anomalies within single transactions.
    internal: Vec<Anomaly>,
}

/// A read of a list, without the reader's own appends.
#[derive(Clone, Copy)]
struct Read<'h> {
    list: Key,
    reader: usize,
    elements: &'h [Element],
}

#[derive(Default)]
struct List<'h> {
    /// The longest read of the list, and its reader.
    order: &'h [Element],
    reader: usize,
    /// Acknowledged elements that are not in `order`: they come after it, unless they are lost.
    unseen: Vec<(Element, usize)>,
}

impl<'h> Lists<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let mut lists = Self {
            history,
            writers: HashMap::new(),
            last_of: HashMap::new(),
            reads: Vec::new(),
            by_key: BTreeMap::new(),
            internal: Vec::new(),
        };
        for place in 0..history.transactions.len() {
            lists.take_in(place);
        }
        lists.find_unseen();
        lists
    }

    fn take_in(&mut self, place: usize) {
        let transaction = &self.history.transactions[place];
        let mut own: HashMap<Key, Vec<Element>> = HashMap::new();
        let mut before: HashMap<Key, &[Element]> = HashMap::new();
        for operation in &transaction.operations {
            match operation {
                Operation::Append(list, element) => {
                    let other = self.writers.insert((*list, *element), place);
                    assert!(
                        other.is_none(),
                        "element {element} is appended to list {list} twice: the history is invalid"
                    );
                    self.last_of.insert((*list, place), *element);
                    own.entry(*list).or_default().push(*element);
                }
                Operation::Read(list, seen) => {
                    let own = own.get(list).map_or(&[][..], Vec::as_slice);
                    let others = seen.strip_suffix(own);
                    let first = others.map(|others| *before.entry(*list).or_insert(others));
                    if others.is_none() || first != others {
                        self.internal.push(Anomaly::Internal { list: *list, reader: place });
                    }
                    let Some(elements) = others else { continue };
                    self.reads.push(Read { list: *list, reader: place, elements });
                    // Its own appends are in the list only if it was committed.
                    let is_there = transaction.outcome == Outcome::Committed;
                    let known: &[Element] = if is_there { seen } else { elements };
                    let longest = self.by_key.entry(*list).or_default();
                    if known.len() > longest.order.len() || longest.order.is_empty() {
                        (longest.order, longest.reader) = (known, place);
                    }
                }
            }
        }
    }

    fn find_unseen(&mut self) {
        let seen: HashSet<(Key, Element)> = self
            .by_key
            .iter()
            .flat_map(|(key, list)| list.order.iter().map(|element| (*key, *element)))
            .collect();
        // A transaction with an unknown outcome was committed if any of its appends was seen.
        let effective: HashSet<usize> =
            seen.iter().filter_map(|element| self.writers.get(element).copied()).collect();
        for ((key, element), writer) in &self.writers {
            let outcome = self.history.transactions[*writer].outcome;
            let is_there =
                outcome == Outcome::Committed || (outcome == Outcome::Unknown && effective.contains(writer));
            if is_there
                && !seen.contains(&(*key, *element))
                && let Some(list) = self.by_key.get_mut(key)
            {
                list.unseen.push((*element, *writer));
            }
        }
        self.by_key.values_mut().for_each(|list| list.unseen.sort_unstable());
    }

    /// Returns the anomalies of the reads, independent of the order of transactions.
    pub(super) fn anomalies(&self) -> Vec<Anomaly> {
        let mut anomalies = self.internal.clone();
        for (key, list) in &self.by_key {
            self.judge_elements(*key, list.reader, list.order, &mut anomalies);
            for (element, writer) in &list.unseen {
                let Recorded { outcome, completed, .. } = self.history.transactions[*writer];
                if outcome == Outcome::Unknown {
                    // A transaction that began later may still come first.
                    continue;
                }
                let later = self.reads.iter().find(|read| {
                    read.list == *key
                        && self.history.transactions[read.reader].invoked > completed
                        && !read.elements.contains(element)
                });
                if let Some(read) = later {
                    anomalies.push(Anomaly::Lost(Seen {
                        list: *key,
                        element: *element,
                        writer: Some(*writer),
                        reader: read.reader,
                    }));
                }
            }
        }
        for read in &self.reads {
            let Some(list) = self.by_key.get(&read.list) else { continue };
            if !list.order.starts_with(read.elements) {
                anomalies.push(Anomaly::IncompatibleOrders {
                    list: read.list,
                    readers: [read.reader, list.reader],
                });
                self.judge_elements(read.list, read.reader, read.elements, &mut anomalies);
            }
            anomalies.extend(self.intermediate(*read));
        }
        anomalies
    }

    fn judge_elements(&self, list: Key, reader: usize, elements: &[Element], anomalies: &mut Vec<Anomaly>) {
        let mut known = HashSet::new();
        for element in elements {
            let writer = self.writers.get(&(list, *element)).copied();
            let seen = Seen { list, element: *element, writer, reader };
            if !known.insert(*element) {
                anomalies.push(Anomaly::Duplicate(seen));
            }
            match writer.map(|writer| self.history.transactions[writer].outcome) {
                None => anomalies.push(Anomaly::Garbage(seen)),
                Some(Outcome::Aborted) => anomalies.push(Anomaly::AbortedRead(seen)),
                Some(Outcome::Committed | Outcome::Unknown) => {}
            }
        }
    }

    fn intermediate(&self, read: Read<'_>) -> Option<Anomaly> {
        let element = *read.elements.last()?;
        let writer = *self.writers.get(&(read.list, element))?;
        let is_last = self.last_of.get(&(read.list, writer)) == Some(&element);
        (writer != read.reader && !is_last).then_some(Anomaly::IntermediateRead(Seen {
            list: read.list,
            element,
            writer: Some(writer),
            reader: read.reader,
        }))
    }

    /// Adds the dependencies between transactions to `graph`.
    pub(super) fn dependencies(&self, graph: &mut Graph) {
        for (key, list) in &self.by_key {
            let writers: Vec<usize> =
                list.order.iter().filter_map(|element| self.writer(*key, *element)).collect();
            for pair in writers.windows(2) {
                graph.add(pair[0], pair[1], Dependency::WriteWrite(*key));
            }
            for (_, writer) in &list.unseen {
                if let Some(last) = writers.last() {
                    graph.add(*last, *writer, Dependency::WriteWrite(*key));
                }
            }
        }
        for read in &self.reads {
            // A read that does not fit the order implies no dependencies.
            let Some(list) = self.by_key.get(&read.list).filter(|list| list.order.starts_with(read.elements))
            else {
                continue;
            };
            if let Some(writer) = read.elements.last().and_then(|last| self.writer(read.list, *last)) {
                graph.add(writer, read.reader, Dependency::WriteRead(read.list));
            }
            let why = Dependency::ReadWrite(read.list);
            match list.order.get(read.elements.len()) {
                Some(next) => {
                    if let Some(writer) = self.writer(read.list, *next) {
                        graph.add(read.reader, writer, why);
                    }
                }
                None => {
                    list.unseen.iter().for_each(|(_, writer)| graph.add(read.reader, *writer, why));
                }
            }
        }
    }

    /// The transaction that appended an element, unless it was aborted.
    fn writer(&self, list: Key, element: Element) -> Option<usize> {
        let writer = *self.writers.get(&(list, element))?;
        (self.history.transactions[writer].outcome != Outcome::Aborted).then_some(writer)
    }
}
