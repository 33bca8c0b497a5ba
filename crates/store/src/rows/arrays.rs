//! Rows for PostgreSQL: an array for each column, so that one statement of one text takes any number of rows in one go.

use std::fmt::Write as _;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbBackend, EntityName, EntityTrait, IdenStatic, Iterable, Statement, Value,
};

use super::Taken;

/// Columns of rows, as a table that a statement reads from.
struct Given {
    /// The expression of each column, in the order of the columns.
    values: Vec<String>,
    /// What stands after FROM.
    table: String,
    arrays: Vec<Value>,
}

impl Given {
    fn new<A: ActiveModelTrait>(rows: &mut [A], columns: &[<A::Entity as EntityTrait>::Column]) -> Self {
        let (mut arrays, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for column in columns {
            let taken = rows.iter_mut().filter_map(|row| row.take(*column).into_value()).collect();
            let name = format!("c{}", names.len());
            if column.def().is_null() {
                // An array that is bound has no elements without a value: a second one says which of them are none.
                let (taken, nulls) = without_nulls(taken);
                let null = format!("c{}", names.len() + 1);
                values.push(format!("CASE WHEN {null} THEN NULL ELSE {name} END"));
                names.extend([name, null]);
                arrays.extend([array(taken), array(nulls)]);
            } else {
                values.push(name.clone());
                names.push(name);
                arrays.push(array(taken));
            }
        }
        let places: Vec<_> = (1..=arrays.len()).map(|place| format!("${place}")).collect();
        let table = format!("UNNEST({}) AS given ({})", places.join(", "), names.join(", "));
        Self { values, table, arrays }
    }

    fn statement(self, sql: String) -> Statement {
        Statement::from_sql_and_values(DbBackend::Postgres, sql, self.arrays)
    }
}

/// The statement that inserts rows; none when there are none. It returns the rows that it inserted where it may skip some.
pub(super) fn insert<A: ActiveModelTrait>(
    mut rows: Vec<A>,
    taken: &Taken<<A::Entity as EntityTrait>::Column>,
) -> Option<Statement> {
    let first = rows.first()?;
    let columns = <A::Entity as EntityTrait>::Column::iter();
    let columns: Vec<_> = columns.filter(|column| !first.get(*column).is_not_set()).collect();
    let given = Given::new(&mut rows, &columns);
    let mut sql = format!(
        "INSERT INTO \"{}\" ({}) SELECT {} FROM {}",
        A::Entity::default().table_name(),
        quoted(&columns),
        given.values.join(", "),
        given.table,
    );
    match taken {
        Taken::Refused => {}
        Taken::Skipped(key) => {
            let _ = write!(sql, " ON CONFLICT ({}) DO NOTHING RETURNING *", quoted(key));
        }
        Taken::Replaced { key, others } => {
            let others: Vec<_> = others
                .iter()
                .map(IdenStatic::as_str)
                .map(|name| format!("\"{name}\" = excluded.\"{name}\""))
                .collect();
            let _ = write!(sql, " ON CONFLICT ({}) DO UPDATE SET {}", quoted(key), others.join(", "));
        }
    }
    Some(given.statement(sql))
}

/// The statement that writes some columns of rows that are there; none when there are no rows.
pub(super) fn update<A: ActiveModelTrait>(
    mut rows: Vec<A>,
    key: &[<A::Entity as EntityTrait>::Column],
    columns: &[<A::Entity as EntityTrait>::Column],
) -> Option<Statement> {
    rows.first()?;
    let given = Given::new(&mut rows, &[key, columns].concat());
    let (keys, values) = given.values.split_at(key.len());
    let table = A::Entity::default().table_name().to_owned();
    let set = columns.iter().zip(values).map(|(column, value)| format!("\"{}\" = {value}", column.as_str()));
    let same =
        key.iter().zip(keys).map(|(column, key)| format!("\"{table}\".\"{}\" = {key}", column.as_str()));
    let sql = format!(
        "UPDATE \"{table}\" SET {} FROM {} WHERE {}",
        set.collect::<Vec<_>>().join(", "),
        given.table,
        same.collect::<Vec<_>>().join(" AND "),
    );
    Some(given.statement(sql))
}

fn without_nulls(values: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let known = |value: Value| {
        let null = value == value.as_null();
        (if null { value.dummy_value() } else { value }, Value::from(null))
    };
    values.into_iter().map(known).unzip()
}

/// All are of one type: they come from one column.
fn array(values: Vec<Value>) -> Value {
    let kind = values.first().map_or_else(|| Value::from(false).array_type(), Value::array_type);
    Value::Array(kind, Some(Box::new(values)))
}

fn quoted<C: IdenStatic>(columns: &[C]) -> String {
    let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    names.join(", ")
}
