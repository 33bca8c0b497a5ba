//! What must hold at the end of every run.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::Disk;

/// What was found, if it is not what it should be.
pub(crate) type Found = Result<(), String>;

pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Every event that was written was handled once, and those of a subject in their order.
pub(crate) fn handled_once_and_in_order(written: &Disk, handled: &Disk) -> Found {
    let sql =
        |table: &str| format!("SELECT subject || ' ' || number || ' ' || event FROM {table} ORDER BY id");
    let by_subject = |rows: Vec<String>| {
        let mut subjects: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let (subject, rest) = row.split_once(' ').unwrap_or((&row, ""));
            subjects.entry(subject.to_owned()).or_default().push(rest.to_owned());
        }
        subjects
    };
    let (written, handled) =
        (by_subject(written.texts(&sql("written"))), by_subject(handled.texts(&sql("handled"))));
    ensure(written == handled, || format!("written: {written:#?}\nhandled: {handled:#?}"))
}

/// Nothing waits to be sent, and nothing is parked.
pub(crate) fn nothing_is_left(disk: &Disk) -> Found {
    for table in ["outbox", "parked"] {
        let left = disk.count(table);
        ensure(left == 0, || format!("{left} left in {table}"))?;
    }
    Ok(())
}

/// What a database has written down of what was done under leases.
pub(crate) const LOG: &str = "SELECT shard || ' ' || epoch || ' ' || who FROM log ORDER BY id";

/// What was done under a lease was done by one holder for each time that it was taken: nobody who was superseded did any.
/// Rows say the shard, the epoch and who did it, in the order in which it was done.
pub(crate) fn one_holder_of_each_epoch(rows: &[String]) -> Found {
    let mut holders: BTreeMap<(i64, i64), &str> = BTreeMap::new();
    let mut newest: BTreeMap<i64, i64> = BTreeMap::new();
    for row in rows {
        let words: Vec<&str> = row.split(' ').collect();
        let [shard, epoch, who] = words[..] else { return Err(format!("`{row}` is no row of a log")) };
        let number = |text: &str| text.parse::<i64>().map_err(|_| format!("`{row}` says no shard and epoch"));
        let (shard, epoch) = (number(shard)?, number(epoch)?);
        let holder = *holders.entry((shard, epoch)).or_insert(who);
        ensure(holder == who, || {
            format!("epoch {epoch} of shard {shard} was held by {holder} and by {who}")
        })?;
        let last = newest.insert(shard, epoch).unwrap_or(epoch);
        ensure(last <= epoch, || format!("shard {shard}: epoch {epoch} wrote after epoch {last}"))?;
    }
    Ok(())
}

/// No two lines are alike.
pub(crate) fn no_two_alike(rows: &[String], of: &str) -> Found {
    let mut seen = BTreeSet::new();
    match rows.iter().find(|row| !seen.insert(row.as_str())) {
        Some(twice) => Err(format!("{of} twice: {twice}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_was_superseded_is_found() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        assert!(one_holder_of_each_epoch(&rows(&["0 1 a", "1 1 b", "0 2 b", "0 3 a"])).is_ok());
        assert!(one_holder_of_each_epoch(&rows(&["0 1 a", "0 2 b", "0 2 a"])).is_err());
        assert!(one_holder_of_each_epoch(&rows(&["0 1 a", "0 2 b", "0 1 a"])).is_err());
        assert!(no_two_alike(&rows(&["a", "b", "a"]), "a row").is_err());
    }
}
