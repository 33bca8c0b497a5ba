//! What the words of the language may be, for its schemas: the parts that are written as texts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// One list for the words that are written as texts.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $schema:tt;)+) => {
        $($(#[$doc])* pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

words! {
    /// A text in both languages.
    Text = {
        "type": "object", "description": "A text in Arabic and English.",
        "properties": {"ar": {"type": "string"}, "en": {"type": "string"}},
        "required": ["ar", "en"], "additionalProperties": false
    };
    /// The code of a role.
    RoleCode = {"type": "string", "description": "The code of a role.", "pattern": "^[a-z_]+$"};
    /// The category of a state.
    Category = {"type": "string", "enum": ["open", "waiting", "resolved", "closed"]};
    /// How long.
    Duration = {
        "type": "string",
        "description": "How long: `15 minutes`, `4 business_hours` (`4 bh`), `10 business_days` (`10 bd`).",
        "pattern": "^\\s*[0-9]+ \\s*((business_)?(hour|minute|second|day)s?|bd|bh)\\s*$"
    };
    /// A day.
    Date = {"type": "string", "description": "A day: `2026-12-01`.", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"};
    /// A degree of importance, or every other.
    ImportanceOrAll = {"type": "string", "enum": ["high", "medium", "low", "all"]};
    /// How long something waits that comes again.
    WaitingTime = {
        "type": "string",
        "description": "How long: `12 months`, or as any time: `30 days`, `10 business_days`.",
        "pattern": "^\\s*[0-9]+ \\s*((business_)?(hour|minute|second|day)s?|months?|bd|bh)\\s*$"
    };
    /// A day of every so many months.
    DayOfMonths = {
        "type": "object", "description": "A day of every so many months, as the opening of a working day.",
        "properties": {
            "months": {"type": "integer", "minimum": 1, "maximum": 120, "description": "Every so many months."},
            "from_month": {"type": "integer", "minimum": 1, "maximum": 12, "description": "A month in which it comes; January without it."},
            "day": {"type": "integer", "minimum": -31, "maximum": 31, "description": "The day of the month, or from its end with -1; the first working day after it where it is none."},
            "working_day": {"type": "integer", "minimum": -31, "maximum": 31, "description": "The working day of the month instead, or from its end with -1."}
        },
        "required": ["months"], "additionalProperties": false
    };
    /// A moment of a clock.
    Moment = {
        "type": "string",
        "description": "A share of the target (`75%`), `breach`, or some time after it (`breach + 2 bd`).",
        "pattern": "^\\s*([1-9][0-9]?\\s*%|breach(\\s*\\+\\s*[0-9]+ .+)?)\\s*$"
    };
}
