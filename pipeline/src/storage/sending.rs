//! New files on their way.

use tokio::task::{JoinError, JoinSet};

use crate::error::{Error, Result};

use super::sink::Sent;

/// Files that are sent side by side, as far as there is room for them in memory. What is dropped before all arrived is
/// given up.
#[derive(Default)]
pub(crate) struct Sending {
    under_way: JoinSet<Result<()>>,
}

impl Sending {
    /// Sends one more, as soon as there is room for it.
    ///
    /// # Errors
    /// When one of those before did not arrive.
    pub(crate) async fn add(&mut self, file: Sent) -> Result<()> {
        let Some(upload) = file.upload() else {
            return Ok(());
        };
        let room = upload.uploads().clone().take(upload.held_bytes()).await?;
        self.under_way.spawn(async move {
            let arrived = file.arrived().await;
            drop(room);
            arrived
        });
        while let Some(arrived) = self.under_way.try_join_next() {
            settled(arrived)?;
        }
        Ok(())
    }

    /// Waits until all have arrived.
    pub(crate) async fn all(mut self) -> Result<()> {
        while let Some(arrived) = self.under_way.join_next().await {
            settled(arrived)?;
        }
        Ok(())
    }
}

fn settled(arrived: std::result::Result<Result<()>, JoinError>) -> Result<()> {
    arrived.map_err(|error| Error::internal("sending a file panicked").because(error))?
}
