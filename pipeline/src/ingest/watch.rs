//! Who hears which object is being read.

use async_trait::async_trait;

use crate::error::Result;
use crate::raw::RawObject;
use crate::report::Observer;

/// Hears which object is being read, and may forbid it.
#[async_trait]
pub(crate) trait Watch: Send + Sync {
    /// Before an object is read; a reason rejects it unread.
    async fn begin(&self, object: &RawObject) -> Result<Option<String>>;
    /// After it was read.
    async fn end(&self, object: &RawObject) -> Result<()>;
    /// Storage does not let it be read. True where the batch is to go on without it.
    async fn refused(&self, object: &RawObject) -> Result<bool>;
    /// Of all objects it takes the most room, and there was too little.
    async fn too_large(&self, object: &RawObject) -> Result<()>;
    /// Whether it can be that all objects of the batch are gone.
    fn may_be_gone(&self) -> bool;
}

/// Tells an observer about objects.
pub(crate) struct Telling<'a>(pub(crate) &'a dyn Observer);

#[async_trait]
impl Watch for Telling<'_> {
    async fn begin(&self, _object: &RawObject) -> Result<Option<String>> {
        Ok(None)
    }

    async fn end(&self, object: &RawObject) -> Result<()> {
        self.0.object_done(&object.uri, object.size);
        Ok(())
    }

    async fn refused(&self, _object: &RawObject) -> Result<bool> {
        Ok(false)
    }

    async fn too_large(&self, _object: &RawObject) -> Result<()> {
        Ok(())
    }

    fn may_be_gone(&self) -> bool {
        true
    }
}
