//! What a `workflow.yaml` says of a decision table, as it says it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A decision table: what is compared, and what the row that holds gives. Facts, fields of children, queues and computed fields
/// ask it as `table NAME`, or `table NAME.COLUMN` where it gives several columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// Which row counts.
    pub hit: Hit,
    /// What is compared, by the column of the file.
    pub inputs: BTreeMap<String, TableInput>,
    /// The columns that are given.
    pub gives: Vec<String>,
}

/// Which row of a table counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Hit {
    /// The first that holds.
    First,
    /// The only one that holds; the check refuses rows that hold for the same.
    Unique,
}

/// What a column of a table is compared with, and everything that it may be: the check looks for what no row holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TableInput {
    /// A CEL expression over what the place knows that asks the table.
    pub of: String,
    /// The words that it may be.
    #[serde(default)]
    pub values: BTreeSet<String>,
    /// The numbers that it may be, such as `0..100`, `0..` or `..`.
    pub numbers: Option<String>,
    /// True when the numbers are whole.
    #[serde(default)]
    pub whole: bool,
    /// True when it may be nothing, for which a cell says `none`.
    #[serde(default)]
    pub optional: bool,
}
