//! The BGP speaker itself: started where it isn't, and otherwise only
//! compared. An AS or router-id can't be changed on a running daemon: StopBgp
//! is terminal from 4.5 on, and a second StartBgp replaces the AS and the RIB
//! under running peers.

use super::draft::Draft;
use super::{Disturbance, Op, Stage};
use crate::config::RouterConfig;
use crate::observed::Observed;

/// Starts BGP if need be. The error says what the operator has to do first.
pub(super) fn plan(
    config: &RouterConfig,
    observed: &Observed,
    draft: &mut Draft<'_>,
) -> Result<(), String> {
    let want = &config.global;
    let Some(have) = &observed.global else {
        draft.step(
            Stage::Start,
            Op::StartBgp(want.clone()),
            Disturbance::None,
            "BGP is not started",
            vec![config.source.resource.clone()],
            Vec::new(),
        );
        draft.applied(&config.source);
        return Ok(());
    };
    let mut differs = Vec::new();
    if have.asn != want.asn {
        differs.push(format!("AS {}, declared is {}", have.asn, want.asn));
    }
    if have.router_id != want.router_id {
        differs.push(format!(
            "router-id {}, declared is {}",
            have.router_id, want.router_id
        ));
    }
    if let Some(port) = want.listen_port
        && have.listen_port.unwrap_or(LISTEN_PORT) != port
    {
        let listens = have.listen_port.unwrap_or(LISTEN_PORT);
        differs.push(format!("port {listens}, declared is {port}"));
    }
    if differs.is_empty() {
        draft.applied(&config.source);
        return Ok(());
    }
    Err(format!(
        "gobgpd already runs with {}: restart gobgpd, it is then started as declared",
        differs.join(" and ")
    ))
}

/// GoBGP's default port (RFC 4271).
const LISTEN_PORT: u16 = 179;
