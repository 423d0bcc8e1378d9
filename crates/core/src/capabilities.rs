//! What an engine can do beyond what every engine must: a short list, on purpose.
//!
//! Everything else in the contract holds on every engine. What a backend declares here is tested; what
//! it does not declare must answer [`Unsupported`](crate::ErrorKind::Unsupported).

/// The declared capabilities of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // A list of yes and no is what it is.
pub struct Capabilities {
    /// What is written can be found again after the backend was closed and opened.
    pub persistent: bool,
    /// A [`PowerSafe`](crate::Durability::PowerSafe) commit survives the loss of power.
    pub power_safe: bool,
    /// [`checkpoint`](crate::StorageBackend::checkpoint) makes a copy that can be opened, while writers go on.
    pub checkpoint: bool,
    /// [`compact`](crate::StorageBackend::compact) gives space back.
    pub compaction: bool,
    /// [`verify`](crate::StorageBackend::verify) has the engine check its own files.
    pub integrity_check: bool,
}

impl Capabilities {
    /// Name and value of each, in the order of the tables in docs and output.
    pub fn rows(&self) -> [(&'static str, bool); 5] {
        [
            ("persistent", self.persistent),
            ("power_safe", self.power_safe),
            ("checkpoint", self.checkpoint),
            ("compaction", self.compaction),
            ("integrity_check", self.integrity_check),
        ]
    }
}

/// Which engine a backend adapts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EngineInfo {
    /// The engine's name, which is also the scheme of its URLs: `redb`.
    pub name: &'static str,
    /// The engine's version: `4.5`.
    pub version: &'static str,
    /// How snapshots come about: `engine` (MVCC of its own) or `undo overlay`.
    pub snapshots: &'static str,
    /// What it can do.
    pub capabilities: Capabilities,
}
