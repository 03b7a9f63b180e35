//! Choices: keys whose value is one of a few words.
//!
//! Each enum is one list of words with what they mean, used for reading,
//! printing, "did you mean" and the JSON Schema alike. Must never grow a word
//! that does not work yet.
//! Next: `app.rs` (where each stands).

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cause::Cause;
use crate::suggest;
use crate::units::Text;

/// An enum that is written as one of a few words.
macro_rules! choice {
    ($(#[$meta:meta])* $type:ident as $what:literal {
        $($(#[$doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        pub enum $type {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $type {
            /// Every choice, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that stands in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Text for $type {
            fn parse(text: &str) -> Result<Self, Cause> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| {
                    Cause::UnknownChoice {
                        what: $what,
                        word: text.to_owned(),
                        hint: suggest::one_of(text, &[$($word),+]),
                    }
                })
            }
        }
    };
}

choice! {
    /// How secrets reach the app's processes.
    #[derive(Default)]
    SecretDelivery as "way to hand over secrets" {
        /// As variables of the app's environment.
        #[default]
        Environment = "environment",
        /// As files in its container, and not in its environment.
        Files = "files",
    }
}

choice! {
    /// How many members components get.
    Size as "size" {
        /// As many as it takes to outlive the loss of one.
        Ha = "ha",
        /// As few as work: laptops, CI.
        Small = "small",
    }
}

choice! {
    /// What the cache evicts when its memory is full (Valkey's policies).
    CachePolicy as "cache policy" {
        /// The least recently used of all keys.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used of all keys.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// The least recently used of the keys that expire.
        VolatileLru = "volatile-lru",
        /// The least frequently used of the keys that expire.
        VolatileLfu = "volatile-lfu",
        /// Any key that expires.
        VolatileRandom = "volatile-random",
        /// The key that expires soonest.
        VolatileTtl = "volatile-ttl",
        /// Nothing: writes are refused.
        Noeviction = "noeviction",
    }
}

choice! {
    /// A component whose image can be replaced.
    Component as "component" {
        /// Envoy at the door.
        Edge = "edge",
        /// PgBouncer.
        Pooler = "pooler",
        /// PostgreSQL with Patroni.
        Database = "database",
        /// Patroni's store.
        Etcd = "etcd",
        /// Valkey.
        Cache = "cache",
        /// Prometheus.
        Prometheus = "prometheus",
        /// The exporters of metrics.
        Exporters = "exporters",
        /// scalectl's own resident part.
        Agent = "agent",
        /// Grafana, which scalectl has no image of.
        Grafana = "grafana",
    }
}
