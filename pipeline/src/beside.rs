//! Work that nothing waits for until the end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// Tasks beside the main one. They end with the process, done or not: whoever wants them done waits for them.
#[derive(Clone, Default)]
pub(crate) struct Beside(Arc<Mutex<JoinSet<()>>>);

impl Beside {
    /// Begins a task.
    pub(crate) fn begin(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are forgotten.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until all tasks that were begun have ended.
    pub(crate) async fn ended(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}
