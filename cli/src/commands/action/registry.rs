//! The registry as a review asks it: over HTTP, with a token of the job for what only that can prove.

use async_trait::async_trait;
use packhouse_client::fetch::{self, Wanted};
use packhouse_client::token::TokenSource;
use packhouse_client::{Client, ClientError};
use packhouse_core::api::{RehearsalAnswer, SupposedRepository};
use packhouse_core::archive;
use packhouse_core::audit::RegistryFacts;
use packhouse_core::formats::{self, Found};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::policy::rehearsal_audience;
use packhouse_core::review::{Released, Standing, Verdict};
use packhouse_core::source::{Setting, Source};
use packhouse_forge::review::{Candidate, Registry};

use crate::ui::Ui;

/// Asks with blocking calls: a review of the command line does one thing at a time.
pub(super) struct Asked<'a> {
    pub(super) client: Client,
    /// Where a token comes from; without one, `repository` is what is supposed.
    pub(super) tokens: Option<TokenSource>,
    pub(super) repository: Option<SupposedRepository>,
    pub(super) limits: Limits,
    pub(super) ui: &'a Ui,
}

impl Asked<'_> {
    fn answer(&self, candidate: &Candidate) -> Result<RehearsalAnswer, ClientError> {
        let token = match &self.tokens {
            Some(tokens) => {
                let origin = self.client.registry().origin();
                let Candidate { identifier, version, digest, .. } = candidate;
                let audience = rehearsal_audience(origin, identifier, version, digest);
                Some(tokens.token(&self.client, &audience, &|token| self.ui.mask(token))?)
            }
            None => None,
        };
        let mut request = candidate.request.clone();
        if let Some(suppose) = &mut request.suppose {
            suppose.repository = self.repository.clone().filter(|_| token.is_none());
        }
        self.client.rehearse(&request, token.as_ref())
    }
}

#[async_trait]
impl Registry for Asked<'_> {
    async fn facts(
        &self,
        source: &Source,
        setting: &Setting,
        beside: &[Identifier],
    ) -> Option<RegistryFacts> {
        let identifier = source.identifier(setting).ok()?;
        let version = source.version(&identifier, setting).ok();
        let facts = self.client.facts(&identifier, version.as_ref(), &source.manifest, beside);
        facts.inspect_err(|error| self.ui.note(&format!("not asked of the registry: {error}"))).ok()
    }

    async fn released(&self, identifier: &Identifier) -> Option<Released> {
        let wanted = Wanted { identifier: identifier.clone(), version: None };
        let index = self.client.index(identifier).ok()??;
        let chosen = fetch::choose(&index, &wanted).ok()?;
        let bytes = fetch::download(&self.client, &chosen, None, &self.limits, &|_| {}).ok()?;
        let (tree, _) = archive::unpack(&bytes, &self.limits).ok()?;
        let manifest = match formats::read_root(&tree) {
            Found::Package(manifest) => Some(manifest),
            _ => None,
        };
        Some(Released { version: chosen.version, tree, manifest })
    }

    async fn standing(&self, identifier: &Identifier) -> Option<Standing> {
        self.client.package(identifier).ok().map(|answer| answer.info.into())
    }

    async fn rehearse(&self, candidate: &Candidate) -> Verdict {
        match self.answer(candidate) {
            Ok(answer) => answer.into(),
            Err(ClientError::Refused(refusal)) => match refusal.code {
                Some(code) => Verdict::refused(code, refusal.message, refusal.help),
                None => Verdict::Unknown(refusal.message),
            },
            Err(error) => Verdict::Unknown(error.to_string()),
        }
    }
}
