//! What a case is run on: lakes that take deliveries, however and wherever they are worked on.

use anyhow::Result;

use crate::{Case, Delivery, Rejected, Rows, Run};

/// Makes lakes for cases, and knows how a run on one can die.
pub trait Lakes: Sync {
    /// An empty lake with the case's accounts.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    fn lake(&self, case: &Case) -> Result<Box<dyn CaseLake>>;

    /// The deaths that runs of the case are tried with.
    ///
    /// # Errors
    ///
    /// When they cannot be found out.
    fn deaths(&self, case: &Case) -> Result<Vec<Death>>;
}

/// A moment at which a run can die.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Name of the moment.
    pub at: String,
    /// Whether every case that takes something in comes by: where no run died of it, the test has proved nothing.
    pub is_sure: bool,
}

/// A lake that takes deliveries, is run, and is looked at.
pub trait CaseLake {
    /// Delivers an object.
    ///
    /// # Errors
    ///
    /// When it cannot be put in place.
    fn deliver(&self, delivery: &Delivery) -> Result<()>;

    /// Runs the tables of a case over its periods.
    ///
    /// # Errors
    ///
    /// When nothing can be run; how it ended is for the caller to judge.
    fn run(&self, case: &Case) -> Result<Run>;

    /// As [`run`](Self::run); where it comes to that moment, it dies there.
    ///
    /// # Errors
    ///
    /// When nothing can be run.
    fn run_until(&self, death: &Death, case: &Case) -> Result<Run>;

    /// The rows of a table; no rows when the table is not there yet.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn rows(&self, table: &str) -> Result<Rows>;

    /// What waits in quarantine for a table, in the order of objects and rows; addresses are paths below the raw
    /// zone.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn quarantine(&self, table: &str) -> Result<Vec<Rejected>>;
}

impl dyn CaseLake {
    /// Delivers objects.
    pub(crate) fn deliver_all<'a>(&self, deliveries: impl IntoIterator<Item = &'a Delivery>) -> Result<()> {
        deliveries
            .into_iter()
            .try_for_each(|delivery| self.deliver(delivery))
    }
}
