//! One walk over a file's statements, which notes bindings and classes.

use ruff_python_ast::{
    ExceptHandler, Expr, Operator, Stmt, StmtClassDef, StmtFunctionDef, StmtImportFrom,
};
use ruff_text_size::Ranged as _;

use super::expressions::{bases, bindings, dotted, is_all, never_on_import, strings};
use super::{Base, Binding, Class, File, Module, Port, Scope, Unread, place, ports};

/// A base as messages quote it, in characters.
const QUOTED: usize = 60;

/// Reads `text` of `file`.
pub(super) fn module(file: File, text: &str) -> Result<Module, Unread> {
    let parsed = ruff_python_parser::parse_module(text).map_err(|error| {
        let (line, column) = place(&text.as_bytes()[..error.location.start().to_usize()]);
        Unread { line, column, message: format!("is no Python: {}", error.error) }
    })?;
    let module = Module {
        file,
        scopes: vec![Scope::default()],
        stars: Vec::new(),
        all: None,
        classes: Vec::new(),
    };
    let mut collector = Collector { text, module, line: 1, offset: 0, all_known: true };
    collector.block(parsed.suite(), &Here::default());
    if !collector.all_known {
        collector.module.all = None;
    }
    Ok(collector.module)
}

/// Calls `f` with each block inside `stmt`, in the order of the text.
pub(super) fn blocks<'a>(stmt: &'a Stmt, f: &mut dyn FnMut(&'a [Stmt])) {
    match stmt {
        Stmt::For(stmt) => {
            f(&stmt.body);
            f(&stmt.orelse);
        }
        Stmt::While(stmt) => {
            f(&stmt.body);
            f(&stmt.orelse);
        }
        Stmt::If(stmt) => {
            f(&stmt.body);
            stmt.elif_else_clauses.iter().for_each(|clause| f(&clause.body));
        }
        Stmt::With(stmt) => f(&stmt.body),
        Stmt::Match(stmt) => stmt.cases.iter().for_each(|case| f(&case.body)),
        Stmt::Try(stmt) => {
            f(&stmt.body);
            for ExceptHandler::ExceptHandler(handler) in &stmt.handlers {
                f(&handler.body);
            }
            f(&stmt.orelse);
            f(&stmt.finalbody);
        }
        _ => {}
    }
}

/// Where a statement stands.
#[derive(Clone, Default)]
struct Here {
    scope: usize,
    /// The names of the classes around, each with a final dot.
    prefix: String,
    local: bool,
    /// Under an `if`, in a `try` or a loop: it may be one of several.
    conditional: bool,
    unreached: bool,
}

struct Collector<'a> {
    text: &'a str,
    module: Module,
    /// The line of `offset`: classes come in the order of the text.
    line: u32,
    offset: usize,
    all_known: bool,
}

impl Collector<'_> {
    fn block(&mut self, body: &[Stmt], here: &Here) {
        for stmt in body {
            self.stmt(stmt, here);
        }
    }

    fn stmt(&mut self, stmt: &Stmt, here: &Here) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let module = alias.name.as_str();
                    let top = module.split('.').next().unwrap_or(module);
                    let (name, module) = match &alias.asname {
                        Some(name) => (name.as_str(), module),
                        None => (top, top),
                    };
                    self.bind(here, name, vec![Binding::Module(module.to_owned())]);
                }
            }
            Stmt::ImportFrom(import) => self.import_from(import, here),
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assign(target, &assign.value, here);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(&assign.target, value, here);
                }
            }
            Stmt::AugAssign(assign) => {
                let grows = assign.op == Operator::Add;
                if here.scope == 0 && is_all(&assign.target) {
                    self.all_grows(if grows { strings(&assign.value) } else { None });
                }
            }
            // `__all__.extend([...])`, `__all__.append("x")`
            Stmt::Expr(stmt) if here.scope == 0 => self.call(&stmt.value),
            Stmt::ClassDef(class) => self.class(class, here),
            Stmt::FunctionDef(function) => {
                self.function(function, here);
                let scope = self.scope(here.scope);
                let inside = Here { scope, local: true, conditional: false, ..here.clone() };
                self.block(&function.body, &inside);
            }
            Stmt::Delete(delete) => {
                for target in &delete.targets {
                    if let (Expr::Name(name), false) = (target, here.conditional) {
                        self.module.scopes[here.scope].names.remove(name.id.as_str());
                    }
                }
            }
            Stmt::TypeAlias(alias) => {
                if let Expr::Name(name) = &*alias.name {
                    self.bind(here, name.id.as_str(), vec![Binding::Other]);
                }
            }
            Stmt::If(stmt) => {
                let mut inside = Here { conditional: true, ..here.clone() };
                inside.unreached |= never_on_import(&stmt.test);
                self.block(&stmt.body, &inside);
                inside.unreached = here.unreached;
                for clause in &stmt.elif_else_clauses {
                    self.block(&clause.body, &inside);
                }
            }
            other => {
                let inside = Here { conditional: true, ..here.clone() };
                blocks(other, &mut |body| self.block(body, &inside));
            }
        }
    }

    /// A scope inside `parent`.
    fn scope(&mut self, parent: usize) -> usize {
        self.module.scopes.push(Scope { parent: Some(parent), ..Scope::default() });
        self.module.scopes.len() - 1
    }

    /// A later binding takes an earlier one's place, unless it may not come to it.
    fn bind(&mut self, here: &Here, name: &str, to: Vec<Binding>) {
        let names = &mut self.module.scopes[here.scope].names;
        match names.get_mut(name) {
            Some(bindings) if here.conditional => bindings.extend(to),
            _ => drop(names.insert(name.to_owned(), to)),
        }
    }

    fn import_from(&mut self, import: &StmtImportFrom, here: &Here) {
        let named = import.module.as_ref().map(|module| module.as_str());
        let Some(module) = absolute(&self.module.file, import.level, named) else { return };
        for alias in &import.names {
            let name = alias.name.as_str();
            if name == "*" {
                if here.scope == 0 && !self.module.stars.contains(&module) {
                    self.module.stars.push(module.clone());
                }
                continue;
            }
            let bound = alias.asname.as_ref().map_or(name, |asname| asname.as_str());
            let from = Binding::From { module: module.clone(), name: name.to_owned() };
            self.bind(here, bound, vec![from]);
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr, here: &Here) {
        match (target, value) {
            (Expr::Name(name), _) if here.scope == 0 && name.id.as_str() == "__all__" => {
                self.module.all = Some(Vec::new());
                self.all_grows(strings(value));
            }
            (Expr::Name(name), _) => self.bind(here, name.id.as_str(), bindings(value)),
            (Expr::Tuple(targets), Expr::Tuple(values))
                if targets.elts.len() == values.elts.len() =>
            {
                for (target, value) in targets.elts.iter().zip(&values.elts) {
                    self.assign(target, value, here);
                }
            }
            (Expr::Tuple(targets), _) => {
                for target in &targets.elts {
                    if let Expr::Name(name) = target {
                        self.bind(here, name.id.as_str(), vec![Binding::Other]);
                    }
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, expr: &Expr) {
        let Expr::Call(call) = expr else { return };
        let Expr::Attribute(method) = &*call.func else { return };
        if !is_all(&method.value) {
            return;
        }
        let argument = call.arguments.args.first();
        self.all_grows(match (method.attr.as_str(), argument) {
            ("extend", Some(list)) => strings(list),
            ("append", Some(Expr::StringLiteral(text))) => {
                Some(vec![text.value.to_str().to_owned()])
            }
            _ => None,
        });
    }

    fn all_grows(&mut self, by: Option<Vec<String>>) {
        match by {
            Some(names) => self.module.all.get_or_insert_default().extend(names),
            None => self.all_known = false,
        }
    }

    /// The line of `offset`, which is not before the last one that was asked for.
    fn line(&mut self, offset: usize) -> u32 {
        let between = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', between).count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.offset = offset.max(self.offset);
        self.line
    }

    /// A function; one that a decorator with ports makes a class is noted as one.
    fn function(&mut self, function: &StmtFunctionDef, here: &Here) {
        let made = function.decorator_list.iter().find_map(|decorator| {
            let Expr::Call(call) = &decorator.expression else { return None };
            let port = |name: &str, nth: usize| {
                let keyword = call.arguments.find_keyword(name).map(|keyword| &keyword.value);
                keyword.or(call.arguments.args.get(nth)).map(ports::value)
            };
            Some((dotted(&call.func)?, port("inputs", 0)?, port("outputs", 1)?))
        });
        let Some((maker, inputs, outputs)) = made else {
            return self.bind(here, function.name.as_str(), vec![Binding::Other]);
        };
        let line = self.line(function.name.range.start().to_usize());
        let (own, index) = (self.scope(here.scope), self.module.classes.len());
        self.module.classes.push(Class {
            name: format!("{}{}", here.prefix, function.name.as_str()),
            line,
            bases: vec![(Base::Maker(maker), String::new())],
            scope: here.scope,
            own,
            local: here.local,
            unreached: here.unreached,
            inputs,
            outputs,
            config: Port::Computed,
            summary: ports::docstring(&function.body),
        });
        self.bind(here, function.name.as_str(), vec![Binding::Class(index)]);
    }

    fn class(&mut self, class: &StmtClassDef, here: &Here) {
        let name = format!("{}{}", here.prefix, class.name.as_str());
        let line = self.line(class.name.range.start().to_usize());
        let arguments = class.arguments.as_deref().map_or(&[][..], |arguments| &arguments.args);
        let bases = arguments.iter().flat_map(|expr| {
            let quoted: String = self.text[span(expr)].chars().take(QUOTED).collect();
            bases(expr).into_iter().map(move |base| (base, quoted.clone()))
        });
        let bases = bases.collect();
        let (inputs, outputs, config, summary) = ports::read(&class.body);
        let own = self.scope(here.scope);
        let index = self.module.classes.len();
        self.module.classes.push(Class {
            line,
            bases,
            scope: here.scope,
            own,
            local: here.local,
            unreached: here.unreached,
            inputs,
            outputs,
            config,
            summary,
            name: name.clone(),
        });
        self.bind(here, class.name.as_str(), vec![Binding::Class(index)]);
        let prefix = name + ".";
        self.block(&class.body, &Here { scope: own, prefix, conditional: false, ..here.clone() });
    }
}

fn span(expr: &Expr) -> std::ops::Range<usize> {
    let range = expr.range();
    range.start().to_usize()..range.end().to_usize()
}

/// The module that `from <dots><named> import` in `file` means; `None` when it lies above the root.
fn absolute(file: &File, level: u32, named: Option<&str>) -> Option<String> {
    if level == 0 {
        return named.map(str::to_owned);
    }
    let up = level as usize - usize::from(file.package);
    let parts: Vec<&str> = file.module.split('.').collect();
    let kept = parts.len().checked_sub(up).filter(|kept| *kept > 0)?;
    let base = parts[..kept].join(".");
    Some(named.map_or(base.clone(), |named| format!("{base}.{named}")))
}
