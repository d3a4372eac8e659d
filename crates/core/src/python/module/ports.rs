//! What a class's body says of its ports and its configuration.

use ruff_python_ast::{Expr, Stmt, StmtFunctionDef};

use super::Port;
use crate::python::literal;

/// A summary, in characters.
const SUMMARY: usize = 200;

/// `inputs`, `outputs`, `config_schema`, and the first line of the docstring.
pub(super) fn read(body: &[Stmt]) -> (Port, Port, Port, Option<String>) {
    let (mut inputs, mut outputs, mut config) = (Port::Absent, Port::Absent, Port::Absent);
    for stmt in body {
        match stmt {
            Stmt::FunctionDef(function) => match function.name.as_str() {
                "inputs" => inputs = returned(function),
                "outputs" => outputs = returned(function),
                "config_schema" => config = returned(function),
                _ => {}
            },
            Stmt::Assign(assign) if assign.targets.iter().any(is_config) => {
                config = value(&assign.value);
            }
            Stmt::AnnAssign(assign) if is_config(&assign.target) => {
                config = assign.value.as_deref().map_or(Port::Absent, value);
            }
            _ => {}
        }
    }
    (inputs, outputs, config, docstring(body))
}

fn is_config(target: &Expr) -> bool {
    matches!(target, Expr::Name(name) if name.id.as_str() == "config_schema")
}

/// A port that is written out.
pub(super) fn value(expr: &Expr) -> Port {
    match literal::json(expr) {
        Some(value) if value.is_object() => Port::Literal(value),
        _ => Port::Computed,
    }
}

/// A function that returns in one place only, and a literal there.
fn returned(function: &StmtFunctionDef) -> Port {
    let mut returns = Vec::new();
    gather(&function.body, &mut returns);
    match returns.as_slice() {
        [Some(expr)] => value(expr),
        _ => Port::Computed,
    }
}

/// All `return`s of a body; those of functions and classes inside are their own.
fn gather<'a>(body: &'a [Stmt], found: &mut Vec<Option<&'a Expr>>) {
    for stmt in body {
        match stmt {
            Stmt::Return(stmt) => found.push(stmt.value.as_deref()),
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            other => super::collect::blocks(other, &mut |body| gather(body, found)),
        }
    }
}

/// The first line of a body's docstring.
pub(super) fn docstring(body: &[Stmt]) -> Option<String> {
    let Some(Stmt::Expr(first)) = body.first() else { return None };
    let Expr::StringLiteral(text) = &*first.value else { return None };
    let line = text.value.to_str().lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(SUMMARY).collect())
}
