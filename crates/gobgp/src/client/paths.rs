//! Routes.

use super::Client;
use crate::dialect::rpc;
use crate::error::Error;
use crate::types::{Destination, Path, PathFilter, PathId, TableType};
use crate::wire;

impl Client {
    /// The routes of a table, in no order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_paths(&self, filter: &PathFilter) -> Result<Vec<Destination>, Error> {
        let request = wire::ListPathRequest {
            table_type: self.api.shift(filter.table.number()),
            name: filter.name.clone(),
            family: Some(filter.family.to_wire()),
            prefixes: filter
                .prefixes
                .iter()
                .map(|(prefix, lookup)| wire::TableLookupPrefix {
                    prefix: prefix.clone(),
                    r#type: self.api.shift(lookup.number()),
                })
                .collect(),
            enable_filtered: filter.filtered,
            enable_only_binary: true,
        };
        let rows: Vec<wire::ListPathResponse> = self.list(rpc!("ListPath"), request).await?;
        let destinations = rows.into_iter().filter_map(|row| row.destination);
        Ok(destinations
            .map(|d| Destination::from_wire(d, filter.family))
            .collect())
    }

    /// Adds a path of this router's own to the global table.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_path(&self, path: &Path) -> Result<PathId, Error> {
        let request = wire::AddPathRequest {
            table_type: self.api.shift(TableType::Global.number()),
            path: Some(path.to_wire()),
        };
        let answer: wire::AddPathResponse = self.unary(rpc!("AddPath"), request).await?;
        Ok(PathId(answer.uuid))
    }

    /// Withdraws a path of this router's own from the global table.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_path(&self, path: &Path) -> Result<(), Error> {
        let request = wire::DeletePathRequest {
            table_type: self.api.shift(TableType::Global.number()),
            family: Some(path.family.to_wire()),
            path: Some(path.to_wire()),
            ..Default::default()
        };
        self.unary::<_, wire::Empty>(rpc!("DeletePath"), request)
            .await
            .map(drop)
    }

    /// Withdraws the path that an [`Self::add_path`] made.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_path_by_id(&self, id: &PathId) -> Result<(), Error> {
        // An empty one would withdraw all paths of the API.
        if id.0.is_empty() {
            return Err(Error::invalid(
                rpc!("DeletePath"),
                "gobgpd gave the path no id",
            ));
        }
        let request = wire::DeletePathRequest {
            table_type: self.api.shift(TableType::Global.number()),
            uuid: id.0.clone(),
            ..Default::default()
        };
        self.unary::<_, wire::Empty>(rpc!("DeletePath"), request)
            .await
            .map(drop)
    }
}
