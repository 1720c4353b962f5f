//! Reads that are at least as new as what the caller knows: `?min_revision=`
//! with an `X-Revision`, and watches that go on after a `Last-Event-ID`.

use super::Api;
use super::problem::Problem;
use super::query::Params;
use crate::catalog::{Point, Unreached};
use http::StatusCode;

/// The parameter.
pub(super) const MIN_REVISION: &str = "min_revision";

/// The point that a request asks for.
pub(super) fn asked(params: &mut Params) -> Option<Point> {
    let text = params.one(MIN_REVISION)?;
    let point = text.parse().ok();
    if point.is_none() {
        let why = format!("must be an X-Revision such as 17 or 2-17, not {text:?}");
        params.refuse(MIN_REVISION, &why);
    }
    point
}

/// Waits until this server is there, if a point was asked for.
///
/// # Errors
/// 410 for one of another epoch or store, 504 where it takes too long.
pub(super) async fn reach(api: &Api, point: Option<Point>, whose: &str) -> Result<(), Problem> {
    let Some(point) = point else { return Ok(()) };
    let patience = api.limits.catch_up;
    let gone = |why: &str| Problem::new(StatusCode::GONE, format!("{whose} {point} {why}"));
    match api.catalog.reach(point, patience).await {
        Ok(()) => Ok(()),
        Err(Unreached::OtherEpoch) => Err(gone(&format!(
            "is from before the store was restored, or of another store: the store is at {} \
             now, read it afresh",
            api.catalog.snapshot().point()
        ))),
        Err(Unreached::Ahead) => Err(gone("is from the future: it is not of this store")),
        Err(Unreached::Late) => Err(Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!(
                "this server did not get to {whose} {point} within {} s: it may be cut off from \
                 the store; ask again, or another server",
                patience.as_secs()
            ),
        )),
    }
}
