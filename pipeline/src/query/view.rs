//! Views: queries with a name, computed for whoever asks.

use std::sync::Arc;

use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, cast, ident};
use datafusion::prelude::SessionContext;

use crate::contract::{TableName, View};
use crate::error::{Context, Error, Kind, Result};
use crate::lake::Lake;
use crate::layout;

use super::session::{register, session};

impl Lake {
    /// Runs a view over tables without rows.
    ///
    /// # Errors
    /// When there is no such view, or it cannot be run.
    pub async fn verify_view(&self, name: &TableName) -> Result<()> {
        let view = self.contracts().views().get(name);
        let view = view.ok_or_else(|| Error::usage(format!("there is no view {name}")))?;
        let context = session(self.room())?;
        for input in &view.inputs {
            let told = layout::told(self.contract(input)?);
            register(&context, input, Arc::new(EmptyTable::new(told)))?;
        }
        let plan = plan(&context, view).await?;
        let frame = context.execute_logical_plan(plan).await;
        let rows = async { frame?.collect().await };
        rows.await.map(drop).context(Kind::Usage, "view cannot be run")
    }
}

/// Makes a view known to SQL whose tables are.
pub(super) async fn offer(context: &SessionContext, view: &View) -> Result<()> {
    let plan = plan(context, view).await?;
    register(
        context,
        &view.name,
        Arc::new(ViewTable::new(plan, Some(view.sql.clone()))),
    )
}

/// The columns of a view in their order, each cast to the type that is declared.
async fn plan(context: &SessionContext, view: &View) -> Result<LogicalPlan> {
    let planned = async {
        let query = context.state().create_logical_plan(&view.sql).await?;
        let columns = view
            .columns
            .iter()
            .map(|column| cast(ident(&column.name), column.ty.arrow()).alias(&column.name));
        LogicalPlanBuilder::from(query).project(columns)?.build()
    };
    planned
        .await
        .map_err(|error| Error::usage(format!("view {} cannot be planned", view.name)).because(error))
}
