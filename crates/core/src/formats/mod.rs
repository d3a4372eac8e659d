//! Formats: each ecosystem's manifest and layout. A format turns a tree into manifests.

use crate::manifest::{Manifest, Place};
use crate::tree::{Tree, TreePath};

/// One ecosystem's manifest and layout.
pub trait Format: Send + Sync {
    /// The format's name in records, for example `ato`.
    fn id(&self) -> &'static str;
    /// The manifest's file name, for example `ato.yaml`.
    fn file(&self) -> &'static str;
    /// The order in which its versions are compared, where the manifest does not choose.
    fn order(&self) -> crate::version::Order;
    /// Reads the package whose manifest stands at the root of `tree`.
    fn read(&self, tree: &Tree) -> Found;
    /// `text` of the manifest with its version set (and, for a full name, nothing else changed:
    /// comments and order stay). `None` where the format has no place for a version.
    fn set_version(&self, text: &str, version: &str) -> Option<String>;
}

/// What a format finds at the root of a tree: three different answers.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum Found {
    /// No manifest of this format.
    Missing,
    /// A manifest that cannot be read.
    Broken(Broken),
    /// A manifest.
    Package(Manifest),
}

/// Why a manifest cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{}:{}: {}{message}", at.line, at.column, field.as_deref().map(|f| format!("`{f}`: ")).unwrap_or_default())]
pub struct Broken {
    /// The manifest file.
    pub path: TreePath,
    /// Where.
    pub at: Place,
    /// The field's path, where one is known.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Every format; where several manifests stand at one root, the first of this list owns it.
pub const FORMATS: &[&dyn Format] = &[];

/// The format with this id.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().find(|format| format.id() == id).copied()
}

/// The identifier of a native name below an owner: `<owner>/<name>`.
///
/// # Errors
///
/// A name that no identifier can hold.
pub fn native_identifier(
    native: &crate::manifest::NativeName,
    owner: &str,
) -> Result<crate::identifier::Identifier, crate::identifier::IdentifierError> {
    crate::identifier::Identifier::new(owner, &native.name)
}
