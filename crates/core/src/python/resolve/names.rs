//! What a name means: through scopes, imports, re-exports and `import *`, to a class or to why it is none.

use super::{DEPTH, STEPS, Target, World};
use crate::python::module::{Binding, Dotted};

/// What one name may be, under different conditions.
const CANDIDATES: usize = 8;

impl<'w> World<'w> {
    /// What `name` means in a scope of module `m`.
    pub(super) fn name(
        &mut self,
        m: usize,
        scope: usize,
        name: &Dotted,
        depth: usize,
    ) -> Vec<Target<'w>> {
        let Some((first, rest)) = name.split_first() else { return Vec::new() };
        let mut targets = self.first(m, scope, first, depth);
        for part in rest {
            let mut next = Vec::new();
            for target in targets {
                next.extend(self.attribute(target, part, depth));
            }
            next.truncate(CANDIDATES);
            targets = next;
        }
        targets
    }

    fn first(&mut self, m: usize, scope: usize, name: &str, depth: usize) -> Vec<Target<'w>> {
        let module = &self.modules[m];
        let mut at = Some(scope);
        while let Some(scope) = at {
            let names = &module.scopes[scope];
            if scope == 0 {
                return self.of_module(m, name, depth).unwrap_or_else(|| {
                    if BUILTINS.contains(&name) {
                        vec![Target::Outside(format!("builtins.{name}"))]
                    } else {
                        vec![Target::Missing(format!("`{name}` is not defined or imported"))]
                    }
                });
            }
            if let Some(bindings) = names.names.get(name) {
                return self.follow(m, scope, name, bindings, depth);
            }
            at = names.parent;
        }
        Vec::new()
    }

    /// What module `m` binds `name` to, by itself or through `import *`.
    fn of_module(&mut self, m: usize, name: &str, depth: usize) -> Option<Vec<Target<'w>>> {
        let key = (m, name.to_owned());
        self.steps = self.steps.saturating_sub(1);
        if depth > DEPTH || self.steps == 0 || self.visiting.contains(&key) {
            return None;
        }
        self.visiting.push(key);
        let module = &self.modules[m];
        let bound = module.scopes[0].names.get(name);
        let mut found = bound.map(|bindings| self.follow(m, 0, name, bindings, depth));
        if found.is_none() {
            // The last `import *` that has the name wins.
            for star in module.stars.iter().rev() {
                found = self.through_star(star, name, depth + 1);
                if found.is_some() {
                    break;
                }
            }
        }
        self.visiting.pop();
        found
    }

    /// What `from <star> import *` binds `name` to.
    fn through_star(&mut self, star: &str, name: &str, depth: usize) -> Option<Vec<Target<'w>>> {
        if let Some(m) = self.by_name.get(star).copied() {
            let admitted = match &self.modules[m].all {
                Some(all) => all.iter().any(|listed| listed == name),
                None => !name.starts_with('_'),
            };
            return if admitted { self.of_module(m, name, depth) } else { None };
        }
        if self.table.modules.contains(star) {
            return self.of_table(&format!("{star}.{name}")).map(|target| vec![target]);
        }
        None
    }

    fn of_table(&self, dotted: &str) -> Option<Target<'w>> {
        if let Some(known) = self.table.class(dotted) {
            return Some(Target::Known(known));
        }
        let maker = self.table.makers.get(dotted).map(|kind| Target::Maker(*kind));
        let module =
            || self.table.modules.contains(dotted).then(|| Target::Module(dotted.to_owned()));
        maker.or_else(module)
    }

    fn follow(
        &mut self,
        m: usize,
        scope: usize,
        name: &str,
        bindings: &[Binding],
        depth: usize,
    ) -> Vec<Target<'w>> {
        let mut targets = Vec::new();
        for binding in bindings.iter().take(CANDIDATES) {
            self.steps = self.steps.saturating_sub(1);
            if depth > DEPTH || self.steps == 0 {
                return vec![Target::Missing("is bound in too many steps".to_owned())];
            }
            match binding {
                Binding::Class(c) => targets.push(Target::Class(m, *c)),
                Binding::Other => {
                    targets
                        .push(Target::Computed(format!("{}.{name}", self.modules[m].file.module)));
                }
                Binding::Module(module) => targets.push(self.module(module)),
                Binding::From { module, name } => {
                    let module = self.module(module);
                    targets.extend(self.attribute(module, name, depth + 1));
                }
                // `Process = Process` in a class or a function means the one outside.
                Binding::Alias(dotted) if dotted.len() == 1 && dotted[0] == name => {
                    if let Some(parent) = self.modules[m].scopes[scope].parent {
                        targets.extend(self.name(m, parent, dotted, depth + 1));
                    }
                }
                Binding::Alias(dotted) => targets.extend(self.name(m, scope, dotted, depth + 1)),
            }
        }
        targets.truncate(CANDIDATES);
        targets
    }

    fn module(&self, dotted: &str) -> Target<'w> {
        let ours = self.by_name.contains_key(dotted)
            || self.folders.contains(dotted)
            || self.table.modules.contains(dotted);
        let top = dotted.split('.').next().unwrap_or(dotted);
        match ours {
            true => Target::Module(dotted.to_owned()),
            false if self.by_name.contains_key(top) || self.folders.contains(top) => {
                Target::Missing(format!("the package has no module `{dotted}`"))
            }
            false if self.table.modules.contains(top) => Target::Missing(format!(
                "process-bigraph {} has no module `{dotted}`",
                self.table.version
            )),
            false => Target::Outside(dotted.to_owned()),
        }
    }

    fn attribute(&mut self, of: Target<'w>, name: &str, depth: usize) -> Vec<Target<'w>> {
        match of {
            Target::Module(module) => {
                let dotted = format!("{module}.{name}");
                if let Some(m) = self.by_name.get(&*module).copied()
                    && let Some(found) = self.of_module(m, name, depth)
                {
                    return found;
                }
                if self.by_name.contains_key(&*dotted) || self.folders.contains(&*dotted) {
                    return vec![Target::Module(dotted)];
                }
                if self.table.modules.contains(&module) && !self.by_name.contains_key(&*module) {
                    let missing = || {
                        Target::Missing(format!(
                            "process-bigraph {} has no class `{dotted}` of processes or steps",
                            self.table.version
                        ))
                    };
                    return vec![self.of_table(&dotted).unwrap_or_else(missing)];
                }
                vec![Target::Missing(format!("`{module}` has no `{name}`"))]
            }
            Target::Class(m, c) => {
                let own = self.modules[m].classes[c].own;
                let names = &self.modules[m].scopes[own].names;
                match names.get(name) {
                    Some(bindings) => self.follow(m, own, name, bindings, depth + 1),
                    None => vec![Target::Computed(format!("{}.{name}", self.modules[m].full(c)))],
                }
            }
            Target::Outside(dotted) => vec![Target::Outside(format!("{dotted}.{name}"))],
            Target::Computed(dotted) => vec![Target::Computed(format!("{dotted}.{name}"))],
            Target::Known(known) => vec![Target::Computed(format!("{}.{name}", known.full()))],
            Target::Maker(_) => vec![Target::Missing(format!("a function has no `{name}`"))],
            missing @ Target::Missing(_) => vec![missing],
        }
    }

    /// What a module's name stands for, for the generator of the table.
    pub(in crate::python) fn exported(&mut self, m: usize, name: &str) -> Option<Target<'w>> {
        self.steps = STEPS;
        self.of_module(m, name, 0)?.into_iter().next()
    }
}

/// Names that are there without an import and may be a base.
const BUILTINS: [&str; 27] = [
    "object",
    "type",
    "dict",
    "list",
    "tuple",
    "set",
    "frozenset",
    "str",
    "bytes",
    "bytearray",
    "int",
    "float",
    "complex",
    "bool",
    "property",
    "Exception",
    "BaseException",
    "ValueError",
    "TypeError",
    "KeyError",
    "RuntimeError",
    "AttributeError",
    "ImportError",
    "OSError",
    "Warning",
    "UserWarning",
    "DeprecationWarning",
];
