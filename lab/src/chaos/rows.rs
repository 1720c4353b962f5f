//! The clients' rows on the wire: what each of them is in the API, and how its value is read back.
//! Pure.
//!
//! A row's number makes its id and, for what lies on routers, its router and its name there.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::declared::{ANCHOR, NOBODY};
use super::ground::ROUTERS;
use super::history::{Kind, Row, Sight, Write};

/// Begins the id of every row of the clients', and of no other.
const IDS: &str = "c4a05000-0000-4000-8000-";

impl Kind {
    /// The kind's id.
    #[must_use]
    pub fn singular(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Neighbor => "neighbor",
            Self::Policy => "policyinfo",
        }
    }

    /// What its rows are called in a path.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Mark => "marks",
            Self::Neighbor => "neighbors",
            Self::Policy => "policyinfos",
        }
    }

    /// The properties that a look at a row needs.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Mark => &["id", "value"],
            Self::Neighbor => &["id", "description", "status"],
            Self::Policy => &["id", "statement_action", "status"],
        }
    }

    /// The property that holds the value, and the value as it stands there.
    fn property(self, value: u64) -> (&'static str, Value) {
        match self {
            Self::Mark => ("value", json!(value)),
            Self::Neighbor => ("description", json!(format!("w {value}"))),
            Self::Policy => ("statement_action", json!(format!("med set {value}"))),
        }
    }

    fn value_of(self, shown: &Value) -> Option<u64> {
        let text = |property: &str, before: &str| {
            let text = shown[property].as_str()?;
            text.strip_prefix(before)?.parse().ok()
        };
        match self {
            Self::Mark => shown["value"].as_u64(),
            Self::Neighbor => text("description", "w "),
            Self::Policy => text("statement_action", "med set "),
        }
    }
}

impl Row {
    /// Its id.
    #[must_use]
    pub fn id(self) -> String {
        format!("{IDS}{:012x}", self.number)
    }

    /// The row that this is a representation of; `None` where it is none of the clients'.
    #[must_use]
    pub fn of(kind: Kind, shown: &Value) -> Option<Self> {
        let number = shown["id"].as_str()?.strip_prefix(IDS)?;
        let number = u64::from_str_radix(number, 16).ok()?;
        Some(Self { kind, number })
    }

    /// Its path.
    #[must_use]
    pub fn path(self) -> String {
        format!("/v2.0/{}/{}", self.kind.plural(), self.id())
    }

    /// The router that it lies on.
    #[must_use]
    pub fn router(self) -> &'static str {
        let routers = u64::try_from(ROUTERS.len()).unwrap_or(1);
        let place = usize::try_from(self.number % routers).unwrap_or_default();
        ROUTERS[place]
    }

    /// The address of a neighbor.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 1));
        // A run makes far less than what one /16 holds.
        let within = u32::try_from(self.number % 65_000).unwrap_or_default();
        Ipv4Addr::from(first + within)
    }

    /// The name of a policy.
    #[must_use]
    pub fn policy(self) -> String {
        format!("w{}", self.number)
    }

    /// A new row that holds a value.
    #[must_use]
    pub fn body(self, value: u64) -> Value {
        let mut body = match self.kind {
            Kind::Mark => json!({}),
            Kind::Neighbor => json!({
                "host_name": self.router(), "neighbor_addr": self.address().to_string(),
                "peer_as": NOBODY, "passive": true,
            }),
            Kind::Policy => json!({
                "host_name": self.router(), "policy_name": self.policy(),
                "statement_name": "s", "apply_direction": "export",
                "apply_neighbor": ANCHOR.to_string(),
            }),
        };
        body["id"] = json!(self.id());
        let (property, value) = self.kind.property(value);
        body[property] = value;
        body
    }

    /// A change of its value.
    #[must_use]
    pub fn patch(self, value: u64) -> Value {
        let (property, value) = self.kind.property(value);
        json!({ property: value })
    }

    /// What a representation shows of it. One that is on its way out is gone for its readers.
    #[must_use]
    pub fn sight(self, shown: &Value, version: Option<u64>) -> Sight {
        if shown["status"] == "PENDING_DELETE" {
            return Sight::Absent;
        }
        // A value that no client can have put is one that nobody wrote.
        let value = self.kind.value_of(shown).unwrap_or(u64::MAX);
        Sight::There { value, version }
    }
}

/// A write as a change of a transaction.
#[must_use]
pub fn change(write: &Write) -> Value {
    let (row, kind) = (write.row, write.row.kind.singular());
    match (write.base, write.value) {
        (0, Some(value)) => json!({"op": "create", "kind": kind, "body": row.body(value)}),
        (base, Some(value)) => json!({
            "op": "update", "kind": kind, "id": row.id(), "if_match": base,
            "body": row.patch(value),
        }),
        (base, None) => json!({
            "op": "delete", "kind": kind, "id": row.id(), "if_match": base,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_as_it_was_written() {
        for kind in Kind::ALL {
            let row = Row { kind, number: 4711 };
            let body = row.body(99);
            assert_eq!(Row::of(kind, &body), Some(row));
            let there = |value| Sight::There {
                value,
                version: Some(3),
            };
            assert_eq!(row.sight(&body, Some(3)), there(99));
            assert_eq!(row.sight(&row.patch(100), Some(3)), there(100));
        }
    }

    #[test]
    fn a_row_on_its_way_out_and_one_of_somebody_elses_are_told_apart() {
        let row = Row {
            kind: Kind::Neighbor,
            number: 1,
        };
        let mut shown = row.body(5);
        shown["status"] = json!("PENDING_DELETE");
        assert_eq!(row.sight(&shown, None), Sight::Absent);
        shown["id"] = json!("95a51c50-715e-426a-bf7b-e4a3945704d6");
        assert_eq!(Row::of(Kind::Neighbor, &shown), None);
    }
}
