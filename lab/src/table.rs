//! Reading the tables that the client prints.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// A table: its headings and its rows, the cells without the blanks around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads what a command printed.
    ///
    /// # Errors
    /// When that is no table.
    pub fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| line.starts_with('|')).map(cells);
        let headings = lines
            .next()
            .with_context(|| format!("no table in {text:?}"))?;
        let rows: Vec<_> = lines.collect();
        if let Some(odd) = rows.iter().find(|row| row.len() != headings.len()) {
            bail!("a row of other columns than {headings:?}: {odd:?}");
        }
        Ok(Self { headings, rows })
    }

    /// A column's cells, from the top.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn column(&self, heading: &str) -> Result<Vec<&str>> {
        let index = self.headings.iter().position(|name| name == heading);
        let index = index.with_context(|| format!("the table has no column {heading}"))?;
        Ok(self.rows.iter().map(|row| row[index].as_str()).collect())
    }

    /// A table of properties and their values, as `create` and `show` print it.
    ///
    /// # Errors
    /// When it is not one.
    pub fn properties(&self) -> Result<BTreeMap<&str, &str>> {
        let (names, values) = (self.column("PROPERTY")?, self.column("VALUE")?);
        Ok(names.into_iter().zip(values).collect())
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line
        .trim_end()
        .trim_start_matches('|')
        .trim_end_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// `text` with the digits of every UUID replaced, so that all ids are the same.
#[must_use]
pub fn without_ids(text: &str) -> String {
    const SHAPE: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    let fits = |candidate: &str| {
        candidate
            .bytes()
            .zip(SHAPE.bytes())
            .all(|(byte, shape)| match shape {
                b'-' => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        match rest.get(..SHAPE.len()) {
            Some(candidate) if fits(candidate) => {
                result.push_str(SHAPE);
                rest = &rest[SHAPE.len()..];
            }
            _ => {
                result.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    result
}

/// Checks that a printed table is the expected one, byte for byte but for ids; in a list also but
/// for the order that the ids give, which is checked instead.
///
/// # Errors
/// With the first line that differs.
pub fn same(printed: &str, expected: &str) -> Result<()> {
    let table = Table::read(printed)?;
    if let Ok(ids) = table.column("ID")
        && !ids.is_sorted()
    {
        bail!("the rows are not in the order of their ids");
    }
    let order = |text: &str| {
        let mut lines: Vec<_> = without_ids(text).split('\n').map(str::to_owned).collect();
        // The heading's three lines stay on top.
        if let Some(rows) = lines.get_mut(3..)
            && table.column("ID").is_ok()
        {
            rows.sort();
        }
        lines
    };
    let (printed, expected) = (order(printed), order(expected));
    for (index, line) in expected.iter().enumerate() {
        match printed.get(index) {
            Some(found) if found == line => {}
            found => bail!("expected {line:?} in line {}, found {found:?}", index + 1),
        }
    }
    anyhow::ensure!(
        printed.len() == expected.len(),
        "there is more: {:?}",
        printed.last()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
+-----------+--------------------------------------+
| HOST NAME |                  ID                  |
+-----------+--------------------------------------+
| GoBGP-1   | 0483728d-546a-47d7-99ce-6734aa853c1e |
| GoBGP-3   | 23071b3e-868d-4877-b671-0af34a2a835f |
+-----------+--------------------------------------+

";

    #[test]
    fn a_table_is_read_by_column() {
        let table = Table::read(LIST).unwrap();
        assert_eq!(table.column("HOST NAME").unwrap(), ["GoBGP-1", "GoBGP-3"]);
        assert!(table.column("STATUS").is_err());
        assert!(Table::read("Error: no\n").is_err());
    }

    #[test]
    fn ids_and_the_order_they_give_are_free() {
        let other = LIST
            .replace("GoBGP-1   | 0483728d", "GoBGP-x   | 0483728d")
            .replace("GoBGP-3   | 23071b3e", "GoBGP-1   | f3071b3e")
            .replace("GoBGP-x", "GoBGP-3");
        same(&other, LIST).unwrap();
    }

    #[test]
    fn all_else_is_not() {
        same(&LIST.replace("GoBGP-3 ", "GoBGP-4 "), LIST).unwrap_err();
        same(&LIST.replace("| HOST NAME |", "| Host Name |"), LIST).unwrap_err();
        same(LIST.trim_end(), LIST).unwrap_err();
        same(&LIST.replace("0483728d", "f483728d"), LIST).unwrap_err();
    }
}
