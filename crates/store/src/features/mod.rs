//! The features, built once for every engine. Each is a module that implements the [stages](crate::stage::Stages)
//! it needs. Features do not know each other.
//!
//! [`Features`] is the only list of them. A new feature is a module here and one entry in that list, which says where it
//! stands and how it begins.

pub(crate) mod conditions;
pub(crate) mod counters;
#[cfg(test)]
pub(crate) mod example;
pub(crate) mod expiry;
pub(crate) mod high_water;
pub(crate) mod tallies;
pub(crate) mod transactions;
pub(crate) mod watch;

use crate::base::Base;
use crate::catalog::KeyspaceInfo;
use crate::request::Request;
use crate::stage::{Group, KeyspaceEvent, Member, Stages};
use strongroom_core::Result;

/// What the opening of a store found, for the features to begin with.
pub(crate) struct Opening {
    /// The sequence number of the newest commit.
    pub(crate) last_sequence: u64,
    pub(crate) sweep_interval_ms: u64,
    /// None: the store keeps no row counts.
    pub(crate) ledger: Option<tallies::ledger::Ledger>,
    /// The loss that a read-only opening has accepted.
    pub(crate) accepted: Option<high_water::recovery::Accepted>,
}

/// Defines the struct of the features. Each stage calls them in the order of the list. The calls are static, so a
/// stage that a feature does not implement compiles to nothing (ADR 0009 has the figures).
macro_rules! features {
    ($($(#[$attribute:meta])* $name:ident: $feature:ty = $begin:expr,)*) => {
        /// All features, in the order in which each stage calls them.
        pub(crate) struct Features {
            $($(#[$attribute])* pub(crate) $name: $feature,)*
        }

        impl Features {
            /// Begins all features.
            pub(crate) fn begin(opening: &Opening) -> Self {
                Self {
                    $($(#[$attribute])* $name: {
                        let begin: fn(&Opening) -> $feature = $begin;
                        begin(opening)
                    },)*
                }
            }
        }

        impl Stages for Features {
            #[inline]
            fn prepare(&self, base: &Base, request: &Request) -> Result<()> {
                $($(#[$attribute])* self.$name.prepare(base, request)?;)*
                Ok(())
            }

            #[inline]
            fn validate(&self, group: &Group<'_>, request: &Request) -> Result<()> {
                $($(#[$attribute])* self.$name.validate(group, request)?;)*
                Ok(())
            }

            #[inline]
            fn draft(&self, group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
                $($(#[$attribute])* self.$name.draft(group, member)?;)*
                Ok(())
            }

            #[inline]
            fn add_rows(&self, group: &mut Group<'_>, member: &Member<'_>) {
                $($(#[$attribute])* self.$name.add_rows(group, member);)*
            }

            #[inline]
            fn finish_draft(&self, group: &mut Group<'_>) -> Result<()> {
                $($(#[$attribute])* self.$name.finish_draft(group)?;)*
                Ok(())
            }

            #[inline]
            fn publish(&self, group: &Group<'_>, member: &Member<'_>) {
                $($(#[$attribute])* self.$name.publish(group, member);)*
            }

            #[inline]
            fn publish_keyspace(&self, event: KeyspaceEvent, keyspace: &KeyspaceInfo, sequence: u64) {
                $($(#[$attribute])* self.$name.publish_keyspace(event, keyspace, sequence);)*
            }

            #[inline]
            fn fail(&self) {
                $($(#[$attribute])* self.$name.fail();)*
            }

            #[inline]
            fn after_commit(&self) {
                $($(#[$attribute])* self.$name.after_commit();)*
            }
        }
    };
}

// The order matters. Validation goes from cheap to expensive. Counters add writes before expiry handles them; the
// tallies count what all others have added; watchers are notified last.
features! {
    conditions: conditions::Conditions = |_| conditions::Conditions,
    transactions: transactions::Transactions = |opening| transactions::Transactions::new(opening.last_sequence),
    counters: counters::Counters = |_| counters::Counters,
    expiry: expiry::Expiries = |opening| expiry::Expiries::new(opening.sweep_interval_ms),
    high_water: high_water::HighWater = |opening| high_water::HighWater { mark: None, accepted: opening.accepted },
    tallies: tallies::Tallies = |opening| tallies::Tallies::new(opening.ledger),
    #[cfg(test)]
    example: example::Forbidden = |_| example::Forbidden::default(),
    watch: watch::Watchers = |_| watch::Watchers::default(),
}
