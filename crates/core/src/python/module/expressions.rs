//! What an expression may stand for: a name, a base, a condition that is never true on import.

use ruff_python_ast::Expr;

use super::{Base, Binding, Dotted};

/// Names in one dotted expression.
const DOTS: usize = 32;

/// `a.b.c`.
pub(super) fn dotted(expr: &Expr) -> Option<Dotted> {
    let (mut at, mut parts) = (expr, Vec::new());
    loop {
        match at {
            Expr::Attribute(attribute) if parts.len() < DOTS => {
                parts.push(attribute.attr.as_str().to_owned());
                at = &attribute.value;
            }
            Expr::Name(name) => {
                parts.push(name.id.as_str().to_owned());
                parts.reverse();
                return Some(parts);
            }
            _ => return None,
        }
    }
}

/// What an assigned expression may be.
pub(super) fn bindings(value: &Expr) -> Vec<Binding> {
    match value {
        Expr::If(either) => {
            [&either.body, &either.orelse].into_iter().map(|v| binding(v)).collect()
        }
        Expr::BoolOp(any) => any.values.iter().take(DOTS).map(binding).collect(),
        other => vec![binding(other)],
    }
}

fn binding(value: &Expr) -> Binding {
    let value = match value {
        Expr::Subscript(generic) => &*generic.value,
        other => other,
    };
    dotted(value).map_or(Binding::Other, Binding::Alias)
}

/// A base, without its type arguments; of `A if x else B`, both.
pub(super) fn bases(expr: &Expr) -> Vec<Base> {
    match expr {
        Expr::Subscript(generic) => vec![dotted(&generic.value).map_or(Base::Opaque, Base::Name)],
        Expr::If(either) => [&either.body, &either.orelse]
            .into_iter()
            .map(|expr| dotted(expr).map_or(Base::Opaque, Base::Name))
            .collect(),
        Expr::Call(call) => vec![Base::Call {
            function: dotted(&call.func),
            arguments: call.arguments.args.iter().filter_map(dotted).take(DOTS).collect(),
        }],
        other => vec![dotted(other).map_or(Base::Opaque, Base::Name)],
    }
}

pub(super) fn is_all(expr: &Expr) -> bool {
    matches!(expr, Expr::Name(name) if name.id.as_str() == "__all__")
}

/// The texts of a list or tuple of texts.
pub(super) fn strings(expr: &Expr) -> Option<Vec<String>> {
    let elements = match expr {
        Expr::List(list) => &list.elts,
        Expr::Tuple(tuple) => &tuple.elts,
        _ => return None,
    };
    let text = |expr: &Expr| match expr {
        Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
        _ => None,
    };
    elements.iter().map(text).collect()
}

/// `__name__ == "__main__"`, `TYPE_CHECKING`, `False`, `0`: the block makes no class on import.
pub(super) fn never_on_import(test: &Expr) -> bool {
    match test {
        Expr::BooleanLiteral(literal) => !literal.value,
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TYPE_CHECKING",
        Expr::Compare(compare) => {
            let main = |expr: &Expr| matches!(expr, Expr::StringLiteral(text) if text.value.to_str() == "__main__");
            let name = |expr: &Expr| matches!(expr, Expr::Name(n) if n.id.as_str() == "__name__");
            let sides = || std::iter::once(&*compare.left).chain(&compare.comparators);
            sides().any(main) && sides().any(name)
        }
        _ => false,
    }
}
