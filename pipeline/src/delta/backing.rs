//! What the tables of a lake are kept in.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;

use super::landing::Patience;
use crate::storage::durable::DurableLocal;

/// A store that holds every table of a lake, by the path of its location, and how long it is waited for.
#[derive(Clone)]
pub(crate) struct Backing {
    /// The whole of it: paths begin at its root.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// For what is put into logs.
    pub(crate) patience: Patience,
}

impl Default for Backing {
    /// The local file system.
    fn default() -> Self {
        Self {
            store: Arc::new(DurableLocal::new()),
            patience: Patience::default(),
        }
    }
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.store)
    }
}

#[cfg(test)]
impl Backing {
    /// A store that is not waited for long.
    pub(crate) fn hasty(store: Arc<dyn ObjectStore>) -> Self {
        use std::time::Duration;
        Self {
            store,
            patience: Patience {
                answer: Duration::from_millis(250),
                pause: Duration::from_millis(1),
                longest: Duration::from_millis(100),
                puts: 12,
                races: 12,
            },
        }
    }
}
