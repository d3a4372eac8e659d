//! Audiences: what a CI token is made for. Client and registry build the same text on their own and
//! compare; nobody parses one, and a registry never tells a client which to ask for.

use crate::identifier::Identifier;

/// What an owner's CI does to a package besides publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manage {
    /// Yank, or take a yank back.
    Yank,
    /// Deprecate, or take a deprecation back.
    Deprecate,
    /// Change the policy.
    Policy,
}

/// The audience of a token that manages `identifier` on the registry at `origin`:
/// `packhouse-yank:<origin>:<identifier>`, good for nothing else.
pub fn manage_audience(origin: &str, identifier: &Identifier, what: Manage) -> String {
    let what = match what {
        Manage::Yank => "yank",
        Manage::Deprecate => "deprecate",
        Manage::Policy => "policy",
    };
    format!("packhouse-{what}:{origin}:{}", identifier.key())
}
