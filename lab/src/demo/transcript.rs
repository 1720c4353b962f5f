//! What the seed's transcript has: the commands as they stand there, and the tables they print.

/// The routers' commands.
pub const ROUTERS: [&str; 3] = [
    "gohan client router create --host_name GoBGP-1 --router_id 10.0.1.1 --local_as 65001 --mgmt_addr 192.168.200.103",
    "gohan client router create --host_name GoBGP-2 --router_id 10.0.1.2 --local_as 65001 --mgmt_addr 192.168.200.104",
    "gohan client router create --host_name GoBGP-3 --router_id 10.0.1.3 --local_as 65001 --mgmt_addr 192.168.200.105",
];

/// The neighbors' commands.
pub const NEIGHBORS: [&str; 7] = [
    "gohan client neighbor create --host_name GoBGP-1 --neighbor_addr 192.168.0.1 --peer_as 65000 --mgmt_addr 192.168.200.103",
    "gohan client neighbor create --host_name GoBGP-1 --neighbor_addr 172.16.0.2 --peer_as 65001 --mgmt_addr 192.168.200.103",
    "gohan client neighbor create --host_name GoBGP-2 --neighbor_addr 192.168.1.1 --peer_as 65000 --mgmt_addr 192.168.200.104",
    "gohan client neighbor create --host_name GoBGP-2 --neighbor_addr 172.16.1.2 --peer_as 65001 --mgmt_addr 192.168.200.104",
    "gohan client neighbor create --host_name GoBGP-3 --neighbor_addr 172.16.0.1 --peer_as 65001 --mgmt_addr 192.168.200.105",
    "gohan client neighbor create --host_name GoBGP-3 --neighbor_addr 172.16.1.1 --peer_as 65001 --mgmt_addr 192.168.200.105",
    "gohan client neighbor create --host_name GoBGP-3 --neighbor_addr 192.168.2.2 --peer_as 65002 --mgmt_addr 192.168.200.105",
];

/// The policies' commands.
pub const POLICIES: [&str; 4] = [
    r#"gohan client policyinfo create --host_name GoBGP-1 --mgmt_addr 192.168.200.103 --policy_name policy1 --statement_name statement1 --statement_action "next-hop self" --route_disposition accept --apply_direction export --apply_neighbor 172.16.0.2 --exist New"#,
    r#"gohan client policyinfo create --host_name GoBGP-2 --mgmt_addr 192.168.200.104 --policy_name policy1 --statement_name statement1 --statement_action "next-hop self" --route_disposition accept --apply_direction export --apply_neighbor 172.16.1.2 --exist New"#,
    r#"gohan client policyinfo create --host_name GoBGP-3 --mgmt_addr 192.168.200.105 --policy_name policy1 --statement_name statement1 --statement_action "next-hop self" --route_disposition accept --apply_direction export --apply_neighbor 172.16.0.1 --exist New"#,
    r#"gohan client policyinfo create --host_name GoBGP-3 --mgmt_addr 192.168.200.105 --policy_name policy1 --statement_name statement1 --statement_action "next-hop self" --route_disposition accept --apply_direction export --apply_neighbor 172.16.1.1 --exist Existing"#,
];

/// What the first router's command prints.
pub const CREATED_ROUTER: &str = "\
+-----------+--------------------------------------+
| PROPERTY  |                VALUE                 |
+-----------+--------------------------------------+
| host_name | GoBGP-1                              |
| id        | 0483728d-546a-47d7-99ce-6734aa853c1e |
| local_as  |                                65001 |
| mgmt_addr | 192.168.200.103                      |
| router_id | 10.0.1.1                             |
| status    | PENDING_CREATE                       |
+-----------+--------------------------------------+

";

/// `gohan client router list`.
pub const ROUTER_LIST: &str = "\
+-----------+--------------------------------------+----------+-----------------+-----------+--------+
| HOST NAME |                  ID                  | LOCAL AS |    MGMT ADDR    | ROUTER ID | STATUS |
+-----------+--------------------------------------+----------+-----------------+-----------+--------+
| GoBGP-1   | 0483728d-546a-47d7-99ce-6734aa853c1e |    65001 | 192.168.200.103 | 10.0.1.1  | ACTIVE |
| GoBGP-3   | 23071b3e-868d-4877-b671-0af34a2a835f |    65001 | 192.168.200.105 | 10.0.1.3  | ACTIVE |
| GoBGP-2   | 6a67cb08-8cbb-4f80-ae55-73097f4c8a4a |    65001 | 192.168.200.104 | 10.0.1.2  | ACTIVE |
+-----------+--------------------------------------+----------+-----------------+-----------+--------+

";

/// What the first neighbor's command prints.
pub const CREATED_NEIGHBOR: &str = "\
+---------------+--------------------------------------+
|   PROPERTY    |                VALUE                 |
+---------------+--------------------------------------+
| host_name     | GoBGP-1                              |
| id            | bc402892-b43b-43b6-8975-9e6dfbace901 |
| mgmt_addr     | 192.168.200.103                      |
| neighbor_addr | 192.168.0.1                          |
| peer_as       |                                65000 |
| status        | PENDING_CREATE                       |
+---------------+--------------------------------------+

";

/// `gohan client neighbor list`, all sessions up.
pub const NEIGHBOR_LIST: &str = "\
+-----------+--------------------------------------+-----------------+---------------+---------+--------+
| HOST NAME |                  ID                  |    MGMT ADDR    | NEIGHBOR ADDR | PEER AS | STATUS |
+-----------+--------------------------------------+-----------------+---------------+---------+--------+
| GoBGP-2   | 91f8e478-d3cc-459c-adf4-3f6cc4f2ba03 | 192.168.200.104 | 192.168.1.1   |   65000 | UP     |
| GoBGP-2   | 97432008-6e58-416a-a976-d79aacc66849 | 192.168.200.104 | 172.16.1.2    |   65001 | UP     |
| GoBGP-1   | bc402892-b43b-43b6-8975-9e6dfbace901 | 192.168.200.103 | 192.168.0.1   |   65000 | UP     |
| GoBGP-1   | c99176e8-2676-4781-9782-15d5b22aba02 | 192.168.200.103 | 172.16.0.2    |   65001 | UP     |
| GoBGP-3   | e101709a-2934-4c95-8b3a-dcafc00ebb60 | 192.168.200.105 | 192.168.2.2   |   65002 | UP     |
| GoBGP-3   | f253a80d-d644-4f56-8b87-f7409d44f92e | 192.168.200.105 | 172.16.1.1    |   65001 | UP     |
| GoBGP-3   | f43abcc7-b593-44d2-a673-6b1208d977ad | 192.168.200.105 | 172.16.0.1    |   65001 | UP     |
+-----------+--------------------------------------+-----------------+---------------+---------+--------+

";

/// What the first policy's command prints.
pub const CREATED_POLICY: &str = "\
+-------------------+--------------------------------------+
|     PROPERTY      |                VALUE                 |
+-------------------+--------------------------------------+
| apply_direction   | export                               |
| apply_neighbor    | 172.16.0.2                           |
| exist             | New                                  |
| host_name         | GoBGP-1                              |
| id                | 7759ddb4-340e-41b7-94ac-6f3c64cee6ae |
| mgmt_addr         | 192.168.200.103                      |
| policy_name       | policy1                              |
| route_disposition | accept                               |
| statement_action  | next-hop self                        |
| statement_name    | statement1                           |
| status            | PENDING_CREATE                       |
+-------------------+--------------------------------------+

";

/// `gohan client policyinfo list`.
pub const POLICY_LIST: &str = "\
+-----------------+----------------+----------+-----------+--------------------------------------+-----------------+-------------+-------------------+------------------+----------------+--------+
| APPLY DIRECTION | APPLY NEIGHBOR |  EXIST   | HOST NAME |                  ID                  |    MGMT ADDR    | POLICY NAME | ROUTE DISPOSITION | STATEMENT ACTION | STATEMENT NAME | STATUS |
+-----------------+----------------+----------+-----------+--------------------------------------+-----------------+-------------+-------------------+------------------+----------------+--------+
| export          | 172.16.0.2     | New      | GoBGP-1   | 08485d14-84d7-4c63-b3ce-75755219b411 | 192.168.200.103 | policy1     | accept            | next-hop self    | statement1     | ACTIVE |
| export          | 172.16.1.1     | Existing | GoBGP-3   | 38676bc8-8386-4a7e-b116-56b83c110f18 | 192.168.200.105 | policy1     | accept            | next-hop self    | statement1     | ACTIVE |
| export          | 172.16.0.1     | New      | GoBGP-3   | 7e488b4d-d5f2-4570-83d7-e7023b0dd417 | 192.168.200.105 | policy1     | accept            | next-hop self    | statement1     | ACTIVE |
| export          | 172.16.1.2     | New      | GoBGP-2   | c751303d-c2c4-4a63-be24-814c6bd728c9 | 192.168.200.104 | policy1     | accept            | next-hop self    | statement1     | ACTIVE |
+-----------------+----------------+----------+-----------+--------------------------------------+-----------------+-------------+-------------------+------------------+----------------+--------+

";

/// `gohan client neighbor list` after SRX-1's halt.
pub const NEIGHBOR_LIST_AFTER: &str = "\
+-----------+--------------------------------------+-----------------+---------------+---------+--------+
| HOST NAME |                  ID                  |    MGMT ADDR    | NEIGHBOR ADDR | PEER AS | STATUS |
+-----------+--------------------------------------+-----------------+---------------+---------+--------+
| GoBGP-2   | 91f8e478-d3cc-459c-adf4-3f6cc4f2ba03 | 192.168.200.104 | 192.168.1.1   |   65000 | UP     |
| GoBGP-2   | 97432008-6e58-416a-a976-d79aacc66849 | 192.168.200.104 | 172.16.1.2    |   65001 | UP     |
| GoBGP-1   | bc402892-b43b-43b6-8975-9e6dfbace901 | 192.168.200.103 | 192.168.0.1   |   65000 | DOWN   |
| GoBGP-1   | c99176e8-2676-4781-9782-15d5b22aba02 | 192.168.200.103 | 172.16.0.2    |   65001 | UP     |
| GoBGP-3   | e101709a-2934-4c95-8b3a-dcafc00ebb60 | 192.168.200.105 | 192.168.2.2   |   65002 | UP     |
| GoBGP-3   | f253a80d-d644-4f56-8b87-f7409d44f92e | 192.168.200.105 | 172.16.1.1    |   65001 | UP     |
| GoBGP-3   | f43abcc7-b593-44d2-a673-6b1208d977ad | 192.168.200.105 | 172.16.0.1    |   65001 | UP     |
+-----------+--------------------------------------+-----------------+---------------+---------+--------+

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn the_tables_have_their_rows() {
        let rows = |text| Table::read(text).unwrap().column("STATUS").unwrap().len();
        assert_eq!(rows(ROUTER_LIST), ROUTERS.len());
        assert_eq!(rows(NEIGHBOR_LIST), NEIGHBORS.len());
        assert_eq!(rows(POLICY_LIST), POLICIES.len());
    }

    #[test]
    fn the_halt_takes_one_neighbor_down() {
        let down = |text| {
            Table::read(text)
                .unwrap()
                .column("STATUS")
                .unwrap()
                .iter()
                .filter(|status| **status == "DOWN")
                .count()
        };
        assert_eq!((down(NEIGHBOR_LIST), down(NEIGHBOR_LIST_AFTER)), (0, 1));
    }
}
