//! Python literals as JSON: what can be told without running anything.

use ruff_python_ast::{Expr, Number, UnaryOp};
use serde_json::{Map, Value};

/// Values in one literal.
const VALUES: usize = 2_000;
/// Lists and dicts in one another.
const DEPTH: usize = 32;
/// A literal as JSON text, in bytes: indexes repeat it for each release.
const TEXT_BYTES: usize = 4 << 10;

/// The value of `expr`, when it is written out: texts, numbers, `True`, `False`, `None`, lists, tuples
/// and dicts with keys of text. `None` for all else, and for what is too large to be repeated.
pub(super) fn json(expr: &Expr) -> Option<Value> {
    let value = read(expr, &mut VALUES.clone(), 0)?;
    (value.to_string().len() <= TEXT_BYTES).then_some(value)
}

fn read(expr: &Expr, left: &mut usize, depth: usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    if depth > DEPTH {
        return None;
    }
    Some(match expr {
        Expr::StringLiteral(text) => Value::String(text.value.to_str().to_owned()),
        Expr::BooleanLiteral(truth) => Value::Bool(truth.value),
        Expr::NoneLiteral(_) => Value::Null,
        Expr::NumberLiteral(number) => self::number(&number.value, false)?,
        Expr::UnaryOp(minus) if minus.op == UnaryOp::USub => match &*minus.operand {
            Expr::NumberLiteral(number) => self::number(&number.value, true)?,
            _ => return None,
        },
        Expr::List(list) => items(&list.elts, left, depth)?,
        Expr::Tuple(tuple) => items(&tuple.elts, left, depth)?,
        Expr::Dict(dict) => {
            let mut map = Map::new();
            for item in &dict.items {
                let Some(Expr::StringLiteral(key)) = &item.key else { return None };
                map.insert(key.value.to_str().to_owned(), read(&item.value, left, depth + 1)?);
            }
            Value::Object(map)
        }
        _ => return None,
    })
}

fn items(items: &[Expr], left: &mut usize, depth: usize) -> Option<Value> {
    items.iter().map(|item| read(item, left, depth + 1)).collect::<Option<_>>().map(Value::Array)
}

fn number(number: &Number, negative: bool) -> Option<Value> {
    Some(match number {
        Number::Int(int) => {
            let int = int.as_i64()?;
            Value::from(if negative { int.checked_neg()? } else { int })
        }
        // JSON has no infinity: `1e999` is none of its numbers.
        Number::Float(float) => {
            Value::Number(serde_json::Number::from_f64(if negative { -float } else { *float })?)
        }
        Number::Complex { .. } => return None,
    })
}
