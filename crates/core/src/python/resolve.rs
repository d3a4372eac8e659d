//! Which classes are processes and steps: bases are followed through imports, aliases, re-exports and
//! classes of the package, down to process-bigraph's own.

mod names;

use std::collections::{BTreeSet, HashMap};

use super::Kind;
use super::module::{Base, Dotted, Module, Port};
use super::table::{Known, Table};

/// Steps for one class: enough for any package that people wrote.
const STEPS: usize = 20_000;
/// Imports and bases in one another.
const DEPTH: usize = 48;

/// What a name means.
#[derive(Clone, Debug)]
pub(super) enum Target<'w> {
    /// A class of the package: module and class by number.
    Class(usize, usize),
    /// A class of process-bigraph.
    Known(&'w Known),
    /// A decorator of process-bigraph.
    Maker(Kind),
    /// A module of the package or of process-bigraph.
    Module(String),
    /// Something that the package does not hold.
    Outside(String),
    /// Something of the package that only running it would tell.
    Computed(String),
    /// Nothing; why.
    Missing(String),
}

/// What a class is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// A process or a step, with the classes from its base to process-bigraph's own.
    Is(Kind, Vec<String>),
    /// Neither.
    Not,
    /// It cannot be told: the base, and why.
    Unknown { base: String, why: String },
    /// It inherits from a class of which it cannot be told.
    Inherited,
}

/// A package's modules, and what is known of them.
pub(super) struct World<'w> {
    pub(super) modules: &'w [Module],
    by_name: HashMap<&'w str, usize>,
    /// The packages above modules, where they have no file of their own.
    folders: BTreeSet<&'w str>,
    table: &'w Table,
    /// The classes that all others come from, where the package is process-bigraph itself.
    roots: &'w [(&'w str, Kind)],
    answers: HashMap<(usize, usize), Option<Answer>>,
    visiting: Vec<(usize, String)>,
    steps: usize,
}

impl<'w> World<'w> {
    pub(super) fn new(
        modules: &'w [Module],
        table: &'w Table,
        roots: &'w [(&'w str, Kind)],
    ) -> Self {
        let by_name = modules.iter().enumerate().map(|(nth, m)| (&*m.file.module, nth)).collect();
        let above = |m: &'w Module| {
            let name = &*m.file.module;
            name.match_indices('.').map(move |(dot, _)| &name[..dot])
        };
        let folders = modules.iter().flat_map(above).collect();
        let (answers, visiting) = (HashMap::new(), Vec::new());
        Self { modules, by_name, folders, table, roots, answers, visiting, steps: 0 }
    }

    /// What class `c` of module `m` is.
    pub(super) fn answer(&mut self, m: usize, c: usize) -> Answer {
        self.steps = STEPS;
        self.class(m, c, 0)
    }

    /// A port of a class: its own, or the one that it inherits.
    pub(super) fn port(
        &mut self,
        (m, c): (usize, usize),
        own: fn(&super::module::Class) -> &Port,
        known: fn(&Known) -> &Option<serde_json::Value>,
        depth: usize,
    ) -> Option<serde_json::Value> {
        let class = &self.modules[m].classes[c];
        match own(class) {
            Port::Literal(value) => return Some(value.clone()),
            Port::Computed => return None,
            Port::Absent if depth > DEPTH => return None,
            Port::Absent => {}
        }
        for (base, _) in &class.bases {
            let (Base::Name(name) | Base::Maker(name)) = base else { return None };
            self.steps = STEPS;
            for target in self.name(m, class.scope, name, 0) {
                match target {
                    Target::Known(class) => return known(class).clone(),
                    Target::Class(m, c) if matches!(self.class(m, c, 0), Answer::Is(..)) => {
                        return self.port((m, c), own, known, depth + 1);
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn class(&mut self, m: usize, c: usize, depth: usize) -> Answer {
        match self.answers.get(&(m, c)) {
            Some(Some(answer)) => return answer.clone(),
            // A class that inherits from itself: Python would not import it.
            Some(None) => return Answer::Inherited,
            None if depth > DEPTH => return Answer::Inherited,
            None => {}
        }
        self.answers.insert((m, c), None);
        let answer = self.decide(m, c, depth);
        self.answers.insert((m, c), Some(answer.clone()));
        answer
    }

    fn decide(&mut self, m: usize, c: usize, depth: usize) -> Answer {
        let module = &self.modules[m];
        let full = module.full(c);
        if let Some((_, kind)) = self.roots.iter().find(|(root, _)| *root == full) {
            return Answer::Is(*kind, Vec::new());
        }
        let class = &module.classes[c];
        let mut unknown = Answer::Not;
        for (base, text) in &class.bases {
            let targets = match base {
                Base::Name(name) | Base::Maker(name) => self.name(m, class.scope, name, depth),
                Base::Call { function, arguments } => {
                    self.call(m, class.scope, function.as_ref(), arguments, depth)
                }
                Base::Opaque => vec![Target::Missing("is computed".to_owned())],
            };
            let made = matches!(base, Base::Maker(_));
            for target in targets {
                let why = match target {
                    Target::Maker(kind) if made => {
                        let root = match kind {
                            Kind::Process => "process_bigraph.composite.Process",
                            Kind::Step => "process_bigraph.composite.Step",
                        };
                        return Answer::Is(kind, vec![root.to_owned()]);
                    }
                    _ if made => continue,
                    Target::Class(m, c) => {
                        let name = self.modules[m].full(c);
                        match self.class(m, c, depth + 1) {
                            Answer::Is(kind, mut chain) => {
                                chain.insert(0, name);
                                return Answer::Is(kind, chain);
                            }
                            Answer::Not => continue,
                            Answer::Unknown { .. } | Answer::Inherited => {
                                if unknown == Answer::Not {
                                    unknown = Answer::Inherited;
                                }
                                continue;
                            }
                        }
                    }
                    Target::Known(known) => {
                        let mut chain = vec![known.full()];
                        chain.extend(known.chain.iter().cloned());
                        return Answer::Is(known.kind, chain);
                    }
                    Target::Outside(name) if !is_like_one(&name) => continue,
                    Target::Outside(name) => format!("`{name}` is no part of the package"),
                    Target::Module(name) => format!("`{name}` is a module"),
                    Target::Computed(name) => format!("`{name}` is known only when it runs"),
                    Target::Maker(_) => "is a function".to_owned(),
                    Target::Missing(why) => why,
                };
                if !matches!(unknown, Answer::Unknown { .. }) {
                    unknown = Answer::Unknown { base: text.clone(), why };
                }
            }
        }
        unknown
    }

    /// A base that is made by a call: unknown where the package makes it, or of a process.
    fn call(
        &mut self,
        m: usize,
        scope: usize,
        function: Option<&Dotted>,
        arguments: &[Dotted],
        depth: usize,
    ) -> Vec<Target<'w>> {
        let made = || vec![Target::Missing("is made by a call".to_owned())];
        let Some(function) = function else { return made() };
        let theirs = self.name(m, scope, function, depth);
        if !theirs.iter().all(|target| matches!(target, Target::Outside(_))) {
            return made();
        }
        for argument in arguments {
            for target in self.name(m, scope, argument, depth) {
                let is = match target {
                    Target::Known(_) => true,
                    Target::Class(m, c) => {
                        matches!(self.class(m, c, depth + 1), Answer::Is(..))
                    }
                    _ => false,
                };
                if is {
                    return made();
                }
            }
        }
        Vec::new()
    }
}

/// Whether a class from elsewhere may be a process or a step: packages build on one another, and what
/// is not here cannot be followed. The processes of the system are none.
fn is_like_one(dotted: &str) -> bool {
    let top = dotted.split('.').next().unwrap_or(dotted);
    let name = dotted.rsplit('.').next().unwrap_or(dotted);
    let system = [
        "multiprocessing",
        "multiprocess",
        "billiard",
        "psutil",
        "subprocess",
        "concurrent",
        "asyncio",
        "torch",
        "builtins",
        "typing",
        "typing_extensions",
    ];
    !system.contains(&top)
        && ["Process", "Step", "Emitter", "Visualization", "Composite"]
            .iter()
            .any(|end| name.ends_with(end))
}
