//! One file of Python: what its names are bound to, and its classes, as far as the text alone tells.

mod collect;
mod expressions;
mod ports;

use std::collections::HashMap;

use serde_json::Value;

use super::nesting;
use crate::tree::TreePath;

/// The largest file that is read, in bytes: what a registry keeps of an archive's files, so that
/// both ends read the same.
pub(super) const FILE_BYTES: usize = 256 << 10;
/// From this depth on, a file is read on a stack of its own.
const SHALLOW: usize = 256;
/// That stack, in bytes. Only what is used of it takes memory.
const STACK_BYTES: usize = 128 << 20;

/// A file that is going to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The dotted name by which it is imported.
    pub(super) module: String,
    pub(super) path: TreePath,
    /// Whether it is an `__init__.py`.
    pub(super) package: bool,
}

/// A dotted expression: `pb.Process` is `["pb", "Process"]`.
pub(super) type Dotted = Vec<String>;

/// What a name is bound to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Binding {
    /// `import a.b as x`.
    Module(String),
    /// `from a import b as x`.
    From { module: String, name: String },
    /// `x = a.b`.
    Alias(Dotted),
    /// A class of this file.
    Class(usize),
    /// Something else: a function, a number.
    Other,
}

/// A module's, a class's or a function's names. Of a name that is bound under conditions, all bindings.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) parent: Option<usize>,
    pub(super) names: HashMap<String, Vec<Binding>>,
}

/// A base of a class.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    /// A name; type arguments are left out.
    Name(Dotted),
    /// A call: what is called, and the names among its arguments.
    Call { function: Option<Dotted>, arguments: Vec<Dotted> },
    /// The decorator that makes a class of a function.
    Maker(Dotted),
    /// Another expression.
    Opaque,
}

/// What a class says of a port or of its configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Port {
    /// Nothing: it is inherited.
    #[default]
    Absent,
    /// Something that only running it would tell.
    Computed,
    /// A literal.
    Literal(Value),
}

/// A class.
#[derive(Debug)]
pub(super) struct Class {
    /// The name below its module, `Outer.Inner` for a nested one.
    pub(super) name: String,
    pub(super) line: u32,
    /// Its bases, with their text for messages.
    pub(super) bases: Vec<(Base, String)>,
    /// The scope in which its bases are looked up.
    pub(super) scope: usize,
    /// Its own scope.
    pub(super) own: usize,
    /// Whether it lives in a function.
    pub(super) local: bool,
    /// Whether importing the module never makes it: under `if __name__ == "__main__"`.
    pub(super) unreached: bool,
    pub(super) inputs: Port,
    pub(super) outputs: Port,
    pub(super) config: Port,
    pub(super) summary: Option<String>,
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) file: File,
    /// The first one is the module's.
    pub(super) scopes: Vec<Scope>,
    /// The modules of `from x import *`, in their order.
    pub(super) stars: Vec<String>,
    /// `__all__`, when it is a literal.
    pub(super) all: Option<Vec<String>>,
    pub(super) classes: Vec<Class>,
}

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) message: String,
}

impl Module {
    /// Reads `bytes` of `file`. Nothing is run.
    ///
    /// # Errors
    ///
    /// [`Unread`] with the place for a file that is too large, no UTF-8, or no Python.
    pub(super) fn read(file: File, bytes: &[u8]) -> Result<Self, Unread> {
        let whole = |message: String| Unread { line: 1, column: 1, message };
        if bytes.len() > FILE_BYTES {
            return Err(whole(format!(
                "has {} bytes; source files are read up to {FILE_BYTES}",
                bytes.len()
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let (line, column) = place(&bytes[..error.valid_up_to()]);
            Unread { line, column, message: "is not UTF-8 from here on".to_owned() }
        })?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let depth = nesting::depth(text).ok_or_else(|| {
            let (line, column) = place(nesting::readable(text).as_bytes());
            Unread { line, column, message: "nests deeper than Python reads".to_owned() }
        })?;
        if depth < SHALLOW {
            collect::module(file, text)
        } else {
            stacker::grow(STACK_BYTES, || collect::module(file, text))
        }
    }

    /// The full name of a class.
    pub(super) fn full(&self, class: usize) -> String {
        format!("{}.{}", self.file.module, self.classes[class].name)
    }
}

/// Line and column, both from 1, behind `before`.
pub(super) fn place(before: &[u8]) -> (u32, u32) {
    let lines = memchr::memchr_iter(b'\n', before).count();
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count();
    (number(lines), number(column))
}

fn number(zero_based: usize) -> u32 {
    u32::try_from(zero_based).unwrap_or(u32::MAX - 1) + 1
}
