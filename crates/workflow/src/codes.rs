//! Codes that people meet in messages and look up in documents: one list for an enum, its names, and those who go through all of
//! them.

/// Declares an enum of codes, each with its name, which never changes.
macro_rules! codes {
    ($(#[$meta:meta])* $codes:ident { $($(#[$doc:meta])* $code:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        pub enum $codes { $($(#[$doc])* #[serde(rename = $name)] $code,)+ }

        impl $codes {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// Its name, which never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)+ }
            }
        }

        impl std::fmt::Display for $codes {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use codes;
