//! Work that nothing waits for until the end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Tasks beside the main one. They end with the process, done or not: whoever wants them done waits for them.
#[derive(Clone, Default)]
pub(crate) struct Beside(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Beside {
    /// Begins a task.
    pub(crate) fn begin(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(tokio::spawn(task.in_current_span()));
    }

    /// Waits until all tasks that were begun have ended. They go on where nobody waits any more.
    pub(crate) async fn ended(&self) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::debug!(%error, "a task beside the work ended early");
            }
        }
    }
}
