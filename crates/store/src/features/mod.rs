//! The features, built once for every engine. Each is a module that implements the [stages](crate::stage::Stages)
//! it needs. Features do not know each other.
//!
//! [`Features`] is the only list of them. A new feature is a module here and one entry in that list.

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

/// Defines the struct of the features. Each stage calls them in the order of the list. The calls are static, so a
/// stage that a feature does not implement compiles to nothing (ADR 0009 has the figures).
macro_rules! features {
    ($($(#[$attribute:meta])* $name:ident: $feature:ty,)*) => {
        /// All features, in the order in which each stage calls them.
        pub(crate) struct Features {
            $($(#[$attribute])* pub(crate) $name: $feature,)*
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
    conditions: conditions::Conditions,
    transactions: transactions::Transactions,
    counters: counters::Counters,
    expiry: expiry::Expiries,
    high_water: high_water::HighWater,
    tallies: tallies::Tallies,
    #[cfg(test)]
    example: example::Forbidden,
    watch: watch::Watchers,
}
