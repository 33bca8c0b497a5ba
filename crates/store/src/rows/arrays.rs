//! Rows for PostgreSQL: an array for each column, so that one statement of one text takes any number of rows in one go.

use std::fmt::Write as _;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbBackend, EntityName, EntityTrait, IdenStatic, Iterable, Statement, Value,
};

use super::Taken;

/// The statement that inserts rows; none when there are none. It returns the rows that it inserted where it may skip some.
pub(super) fn insert<A: ActiveModelTrait>(
    mut rows: Vec<A>,
    taken: &Taken<<A::Entity as EntityTrait>::Column>,
) -> Option<Statement> {
    let first = rows.first()?;
    let columns = <A::Entity as EntityTrait>::Column::iter();
    let columns: Vec<_> = columns.filter(|column| !first.get(*column).is_not_set()).collect();
    let (mut arrays, mut names, mut taken_from) = (Vec::new(), Vec::new(), Vec::new());
    for column in &columns {
        let values = rows.iter_mut().filter_map(|row| row.take(*column).into_value()).collect();
        let name = format!("c{}", names.len());
        if column.def().is_null() {
            // An array that is bound has no elements without a value: a second one says which of them are none.
            let (values, nulls) = without_nulls(values);
            let null = format!("c{}", names.len() + 1);
            taken_from.push(format!("CASE WHEN {null} THEN NULL ELSE {name} END"));
            names.extend([name, null]);
            arrays.extend([array(values), array(nulls)]);
        } else {
            taken_from.push(name.clone());
            names.push(name);
            arrays.push(array(values));
        }
    }
    let places: Vec<_> = (1..=arrays.len()).map(|place| format!("${place}")).collect();
    let mut sql = format!(
        "INSERT INTO \"{}\" ({}) SELECT {} FROM UNNEST({}) AS given ({})",
        A::Entity::default().table_name(),
        quoted(&columns),
        taken_from.join(", "),
        places.join(", "),
        names.join(", "),
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
    Some(Statement::from_sql_and_values(DbBackend::Postgres, sql, arrays))
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
