//! Work that keeps a thread busy, or waits for a disk.

use tracing::Span;

use crate::error::{Context, Kind, Result};

/// Does work on a thread of its own, where it holds up no other task.
///
/// # Errors
/// What the work says; `Internal` where it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .await
        .context(Kind::Internal, "work on a thread of its own panicked")?
}
