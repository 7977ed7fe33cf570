//! Expressions in spec values, secret derivation and fingerprints.
//!
//! An expression is `${{ path }}` or `${{ path | filter(arguments) }}` inside a string value. It is read and evaluated on parsed
//! values, never on YAML text, so nothing that a value holds can add structure. There are no loops and no calls: the work for one
//! string is bounded by its length.
//!
//! ```text
//! text ──parse──> Template ──evaluate(scope)──> Text::Plain  may hold placeholders for outputs
//!                                          └──> Text::Secret tainted: reached only from secret values
//! ```

mod derive;
mod error;
mod evaluate;
mod filter;
mod fingerprint;
mod parse;

pub use derive::{Charset, GenerateError, MASTER_KEY_MINIMUM, SecretIdentity, generate};
pub use error::{TemplateError, TemplateErrorKind, did_you_mean};
pub use evaluate::{Destination, Lookup, Scope, Text, evaluate};
pub use filter::{shorten, url_encode};
pub use fingerprint::Fingerprinter;
pub use parse::{Argument, Expression, Filter, Path, Segment, Template, has_expression, parse};
