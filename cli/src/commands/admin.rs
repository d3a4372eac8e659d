//! `packhouse admin`: what operators do, over HTTP, the same on every store.

use packhouse_client::Client;
use packhouse_client::url::encode;
use packhouse_core::api::{
    MarkAnswer, NewToken, PolicyAnswer, ReserveRequest, TakedownRequest, TokenAnswer,
    TransferRequest,
};
use packhouse_core::claims::{OwnerPin, Pins};
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{exact, identifier};
use crate::args::{Admin, AdminVerb, Global, Reserve, TokenVerb, Transfer};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

/// No body.
const NOTHING: Option<&()> = None;

pub(crate) fn run(args: &Admin, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    if let AdminVerb::Deploy(args) = &args.verb {
        return super::deploy::run(args, ui);
    }
    let manifest = if global.registry.is_some() { None } else { context::nearest_manifest() };
    let registry = context::registry(global, manifest.as_ref())?;
    let token = context::operator_token(global, &registry)?;
    let client = context::client(global, &registry)?;
    let operator = Operator { client, token, ui };
    match &args.verb {
        AdminVerb::Token(args) => operator.token(&args.verb)?,
        AdminVerb::Transfer(args) => operator.transfer(args)?,
        AdminVerb::Reserve(args) => operator.reserve(args)?,
        AdminVerb::Quarantine(args) => {
            let verb = if args.undo { "Restored" } else { "Quarantined" };
            let reason = args.reason.as_deref().unwrap_or_default();
            operator.take_down("quarantine", verb, &args.package, reason, args.undo)?;
        }
        AdminVerb::Remove(args) => {
            operator.take_down("remove", "Removed", &args.package, &args.reason, false)?;
        }
        AdminVerb::Export(args) => {
            super::moving::export(&args.folder, &operator.client, &operator.token, ui)?;
        }
        AdminVerb::Import(args) => {
            let folder = std::path::Path::new(&args.source);
            if !folder.join("backup").is_dir() && super::moving::is_git(&args.source) {
                return super::moving::rebuild(args, &operator.client, &operator.token, ui);
            }
            super::moving::import(folder, &operator.client, &operator.token, ui)?;
        }
        AdminVerb::Deploy(_) => {} // answered above: it needs no registry
    }
    Ok(Exit::Ok)
}

struct Operator<'a> {
    client: Client,
    token: Secret,
    ui: &'a Ui,
}

/// A reservation as the registry lists it.
#[derive(Deserialize, serde::Serialize)]
struct Reserved {
    name: String,
    #[serde(default)]
    holder: Option<OwnerPin>,
    reason: String,
    at: String,
}

impl Operator<'_> {
    fn send<T: serde::de::DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl serde::Serialize>,
    ) -> anyhow::Result<T> {
        let method = method.parse()?;
        Ok(self.client.send(method, path, Some(&self.token), body)?)
    }

    fn token(&self, verb: &TokenVerb) -> anyhow::Result<()> {
        match verb {
            TokenVerb::Create { label, prefix, actions, days } => {
                let (label, prefix) = (label.clone(), prefix.clone());
                let new = NewToken { label, prefix, actions: actions.clone(), days: *days };
                let path = "/v1/admin/tokens";
                // Repeating it would make a second token.
                let answer: TokenAnswer =
                    self.client.send_once("POST".parse()?, path, Some(&self.token), Some(&new))?;
                if let Some(token) = &answer.token {
                    self.ui.mask(token);
                }
                if self.ui.json {
                    return self.ui.print_json(&json!({"schema": 1, "token": answer}));
                }
                let until = printable(&answer.expires_at);
                self.ui.done(
                    "Created",
                    &format!(
                        "token {}, good until {until}; it is shown only now",
                        printable(&answer.id)
                    ),
                );
                let text = answer.token.as_ref().map(Secret::reveal).unwrap_or_default();
                self.ui.print(&format!("{}\n", printable(text)))
            }
            TokenVerb::List => {
                let tokens: Vec<TokenAnswer> = self.send("GET", "/v1/admin/tokens", NOTHING)?;
                if self.ui.json {
                    return self.ui.print_json(&json!({"schema": 1, "tokens": tokens}));
                }
                let lines: String = tokens.iter().map(token_line).collect();
                self.ui.print(&lines)
            }
            TokenVerb::Revoke { id } => {
                let path = format!("/v1/admin/tokens/{}", encode(id));
                let _: Value = self.send("DELETE", &path, NOTHING)?;
                self.ui.done("Revoked", &excerpt(id, 60));
                self.finish(json!({"schema": 1, "revoked": id}))
            }
        }
    }

    fn transfer(&self, args: &Transfer) -> anyhow::Result<()> {
        let pins = match (&args.issuer, &args.repository_id, &args.owner_id) {
            (Some(issuer), Some(repository), Some(owner)) => Some(Pins {
                issuer: issuer.clone(),
                repository_id: repository.clone(),
                owner_id: owner.clone(),
            }),
            _ => None,
        };
        let request = TransferRequest {
            identifier: identifier(&args.package)?.to_string(),
            pins,
            unpin: args.unpin,
            tokens_allowed: args.allow_tokens,
            native: args.native.clone(),
        };
        let answer: PolicyAnswer = self.send("POST", "/v1/admin/transfer", Some(&request))?;
        self.ui.done("Changed", &printable(&answer.identifier));
        super::policy::show(&answer, self.ui)
    }

    fn reserve(&self, args: &Reserve) -> anyhow::Result<()> {
        let path = "/v1/admin/reserve";
        if args.list {
            let reserved: Vec<Reserved> = self.send("GET", path, NOTHING)?;
            if self.ui.json {
                return self.ui.print_json(&json!({"schema": 1, "reserved": reserved}));
            }
            let line = |r: &Reserved| {
                format!("{:<32} {}\n", excerpt(&r.name, 200), excerpt(&r.reason, 200))
            };
            return self.ui.print(&reserved.iter().map(line).collect::<String>());
        }
        let name = args.name.clone().unwrap_or_default();
        if args.free {
            let _: Value =
                self.send("DELETE", &format!("{path}?name={}", encode(&name)), NOTHING)?;
            self.ui.done("Freed", &excerpt(&name, 300));
            return self.finish(json!({"schema": 1, "freed": name}));
        }
        let holder = args.holder_issuer.clone().zip(args.holder_id.clone());
        let request = ReserveRequest {
            name: name.clone(),
            holder: holder.map(|(issuer, owner_id)| OwnerPin { issuer, owner_id }),
            reason: args.reason.clone().unwrap_or_default(),
        };
        let _: Value = self.send("POST", path, Some(&request))?;
        self.ui.done("Reserved", &excerpt(&name, 300));
        self.finish(json!({"schema": 1, "reserved": name}))
    }

    fn take_down(
        &self,
        path: &str,
        verb: &str,
        package: &str,
        reason: &str,
        undo: bool,
    ) -> anyhow::Result<()> {
        let (identifier, version) = exact(package)?;
        let (reason, title) = (reason.to_owned(), format!("{identifier}@{version}"));
        let request = TakedownRequest { identifier: identifier.to_string(), version, reason, undo };
        let answer: MarkAnswer = self.send("POST", &format!("/v1/admin/{path}"), Some(&request))?;
        self.ui.done(verb, &excerpt(&title, 300));
        self.finish(super::mark::document(&answer)?)
    }

    fn finish(&self, document: Value) -> anyhow::Result<()> {
        if self.ui.json { self.ui.print_json(&document) } else { Ok(()) }
    }
}

fn token_line(token: &TokenAnswer) -> String {
    let prefix = if token.prefix.is_empty() { "everything" } else { &token.prefix };
    let state = match &token.revoked_at {
        Some(at) => format!("revoked {at}"),
        None => format!("until {}", token.expires_at),
    };
    let line = format!(
        "{}  {:<24} {:<20} {}  {state}",
        token.id,
        token.label,
        prefix,
        token.actions.join(",")
    );
    format!("{}\n", excerpt(&line, 400))
}
