//! The graph of dependencies between transactions, and its cycles.
//!
//! A cycle lies within one strongly connected component, and a single walk finds all of these (Tarjan,
//! "Depth-First Search and Linear Graph Algorithms", 1972). The search starts with few kinds of dependencies and
//! adds more, so that each cycle is reported as the simplest anomaly that it is.

use super::anomaly::{CycleKind, Dependency, Edge};
use crate::isolation::history::{History, Outcome};
use std::collections::{HashSet, VecDeque};

/// The most edges to try in the search for the simplest cycle, which limits the time on a badly broken history.
const TRIED_MAX: usize = 200;

pub(super) struct Graph {
    /// Edges by node. Nodes are the transactions, followed by time nodes: one for the end of each transaction, in
    /// order.
    edges: Vec<Vec<Edge>>,
    transactions: usize,
}

impl Graph {
    /// Creates the graph with the edges of the real-time order. Edges between all pairs of transactions would be
    /// quadratic. Instead, each transaction has an edge to the time node of its end, each time node to the next,
    /// and the last time node before the start of a transaction to that transaction.
    pub(super) fn new(history: &History) -> Self {
        let transactions = history.transactions.len();
        // The time of a commit with an unknown outcome is unknown.
        let known = |place: &usize| history.transactions[*place].outcome != Outcome::Unknown;
        let mut ends: Vec<usize> = (0..transactions).filter(known).collect();
        ends.sort_by_key(|place| history.transactions[*place].completed);
        let mut graph = Self { edges: vec![Vec::new(); transactions + ends.len()], transactions };
        for (number, place) in ends.iter().enumerate() {
            let time = transactions + number;
            graph.add(*place, time, Dependency::RealTime);
            if number > 0 {
                graph.add(time - 1, time, Dependency::RealTime);
            }
        }
        for (place, transaction) in history.transactions.iter().enumerate() {
            let before =
                ends.partition_point(|end| history.transactions[*end].completed < transaction.invoked);
            if before > 0 {
                graph.add(transactions + before - 1, place, Dependency::RealTime);
            }
        }
        graph
    }

    pub(super) fn add(&mut self, from: usize, to: usize, why: Dependency) {
        if from != to {
            self.edges[from].push(Edge { from, to, why });
        }
    }

    /// Returns one cycle of each component, the simplest kinds first.
    pub(super) fn cycles(&self) -> Vec<(CycleKind, Vec<Edge>)> {
        let mut covered = HashSet::new();
        let mut cycles = Vec::new();
        for level in [writes, flows, data, all] {
            for component in self.components(level) {
                if component.iter().any(|node| covered.contains(node)) {
                    continue;
                }
                if let Some(cycle) = self.cycle_in(&component, level) {
                    covered.extend(component);
                    let cycle = self.without_time_nodes(&cycle);
                    cycles.push((kind_of(&cycle), cycle));
                }
            }
        }
        cycles
    }

    fn cycle_in(&self, component: &HashSet<usize>, level: Level) -> Option<Vec<Edge>> {
        let mut inside: Vec<Edge> = component
            .iter()
            .flat_map(|node| &self.edges[*node])
            .filter(|edge| component.contains(&edge.to) && level(edge.why))
            .copied()
            .collect();
        // Sorted, so that the same history gives the same cycle.
        inside.sort_by_key(|edge| (edge.from, edge.to, edge.why));
        // Prefers a cycle with exactly one read that missed a later append.
        let anti = inside.iter().filter(|edge| matches!(edge.why, Dependency::ReadWrite(_)));
        let single = anti.take(TRIED_MAX).find_map(|edge| self.closed(*edge, component, flows));
        single.or_else(|| {
            let others = inside.iter().filter(|edge| data(edge.why)).take(TRIED_MAX);
            others.filter_map(|edge| self.closed(*edge, component, level)).min_by_key(Vec::len)
        })
    }

    /// The shortest cycle through this edge.
    fn closed(&self, edge: Edge, component: &HashSet<usize>, level: Level) -> Option<Vec<Edge>> {
        let mut came_by: Vec<Option<Edge>> = vec![None; self.edges.len()];
        let mut waiting = VecDeque::from([edge.to]);
        while let Some(node) = waiting.pop_front()
            && node != edge.from
        {
            for next in self.edges[node].iter().filter(|next| component.contains(&next.to) && level(next.why))
            {
                if next.to == edge.to || came_by[next.to].is_some() {
                    continue;
                }
                came_by[next.to] = Some(*next);
                waiting.push_back(next.to);
            }
        }
        let mut cycle = Vec::new();
        let mut node = edge.from;
        while node != edge.to {
            let before = came_by[node]?;
            cycle.push(before);
            node = before.from;
        }
        cycle.push(edge);
        cycle.reverse();
        Some(cycle)
    }

    /// Replaces paths through time nodes by edges between transactions.
    fn without_time_nodes(&self, cycle: &[Edge]) -> Vec<Edge> {
        // A cycle starts with an edge between transactions.
        let mut edges: Vec<Edge> = Vec::new();
        for edge in cycle {
            match edges.last_mut() {
                Some(last) if last.to >= self.transactions => last.to = edge.to,
                _ => edges.push(*edge),
            }
        }
        edges
    }

    /// Returns the strongly connected components of more than one node.
    fn components(&self, level: Level) -> Vec<HashSet<usize>> {
        let mut walk = Walk {
            number: vec![None; self.edges.len()],
            low: vec![0; self.edges.len()],
            is_open: vec![false; self.edges.len()],
            open: Vec::new(),
            next: 0,
        };
        let mut components = Vec::new();
        for root in 0..self.edges.len() {
            if walk.number[root].is_none() {
                self.walk_from(root, level, &mut walk, &mut components);
            }
        }
        components
    }

    /// Walks without recursion, because a path may be as long as the history.
    fn walk_from(&self, root: usize, level: Level, walk: &mut Walk, components: &mut Vec<HashSet<usize>>) {
        walk.enter(root);
        let mut path = vec![(root, 0)];
        while let Some((node, place)) = path.last_mut() {
            let node = *node;
            if let Some(edge) = self.edges[node].get(*place) {
                *place += 1;
                if !level(edge.why) {
                    continue;
                }
                match walk.number[edge.to] {
                    None => {
                        walk.enter(edge.to);
                        path.push((edge.to, 0));
                    }
                    Some(number) if walk.is_open[edge.to] => walk.low[node] = walk.low[node].min(number),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                walk.low[*parent] = walk.low[*parent].min(walk.low[node]);
            }
            if walk.number[node] == Some(walk.low[node]) {
                let component = walk.close(node);
                if component.len() > 1 {
                    components.push(component);
                }
            }
        }
    }
}

struct Walk {
    number: Vec<Option<usize>>,
    /// The lowest number of an open node that is reachable from the node.
    low: Vec<usize>,
    is_open: Vec<bool>,
    open: Vec<usize>,
    next: usize,
}

impl Walk {
    fn enter(&mut self, node: usize) {
        self.number[node] = Some(self.next);
        self.low[node] = self.next;
        self.next += 1;
        self.is_open[node] = true;
        self.open.push(node);
    }

    fn close(&mut self, node: usize) -> HashSet<usize> {
        let mut component = HashSet::new();
        while let Some(member) = self.open.pop() {
            self.is_open[member] = false;
            component.insert(member);
            if member == node {
                break;
            }
        }
        component
    }
}

/// The kinds of dependencies that a search for cycles uses.
type Level = fn(Dependency) -> bool;

fn writes(why: Dependency) -> bool {
    matches!(why, Dependency::WriteWrite(_))
}

fn flows(why: Dependency) -> bool {
    matches!(why, Dependency::WriteWrite(_) | Dependency::WriteRead(_))
}

fn data(why: Dependency) -> bool {
    why != Dependency::RealTime
}

fn all(_why: Dependency) -> bool {
    true
}

fn kind_of(cycle: &[Edge]) -> CycleKind {
    let count = |is: fn(Dependency) -> bool| cycle.iter().filter(|edge| is(edge.why)).count();
    let anti = count(|why| matches!(why, Dependency::ReadWrite(_)));
    if count(|why| why == Dependency::RealTime) > 0 {
        return CycleKind::RealTime;
    }
    match (anti, cycle) {
        (0, _) if count(writes) == cycle.len() => CycleKind::G0,
        (0, _) => CycleKind::G1c,
        (1, [one, other]) => match (one.why, other.why) {
            (Dependency::ReadWrite(list), Dependency::WriteWrite(same)) if list == same => {
                CycleKind::LostUpdate
            }
            (Dependency::WriteWrite(list), Dependency::ReadWrite(same)) if list == same => {
                CycleKind::LostUpdate
            }
            _ => CycleKind::GSingle,
        },
        (1, _) => CycleKind::GSingle,
        _ => CycleKind::G2,
    }
}
