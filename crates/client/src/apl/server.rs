//! A registry on a server: what APM documents under `/v1/packages`.

use std::path::{Path, PathBuf};

use packhouse_core::apl::{Config, PackageId, Packed, Selection, repack};
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use serde_json::{Value, json};
use ureq::http::Method;

use super::{Access, AplError, AplResult, Form, write};
use crate::http::{ANSWER_BYTES, Call, Client, Options, Outgoing};
use crate::url::{RegistryUrl, encode};

/// Packages a page.
const PER_PAGE: usize = 1_000;
/// The most pages that are read.
const PAGES: usize = 200;

pub(super) struct Server {
    client: Client,
    options: Options,
}

impl Server {
    pub(super) fn new(url: RegistryUrl, access: Access) -> Self {
        let options = access.options;
        let client = Client::new(url, options.clone()).reading_with(access.token);
        Self { client, options }
    }

    /// Whether it answers as a registry does.
    pub(super) fn check(&self) -> AplResult<()> {
        self.json(&self.call(Method::GET, "/v1/packages?per_page=1")).map(drop)
    }

    pub(super) fn list(
        &self,
        group: Option<&str>,
        name: Option<&str>,
        version: Option<&str>,
    ) -> AplResult<Vec<Config>> {
        let parts = [("group", group), ("name", name), ("version", version)];
        let given = parts.iter().filter_map(|(key, value)| Some((key, (*value)?)));
        let query: String = given.map(|(key, value)| format!("&{key}={}", encode(value))).collect();
        let mut configs = Vec::new();
        for page in 1..=PAGES {
            let path = format!("/v1/packages?per_page={PER_PAGE}&page={page}{query}");
            let answer = self.json(&self.call(Method::GET, &path))?;
            let items = answer.get("packages").unwrap_or(&answer).as_array().cloned();
            let items = items.ok_or_else(|| self.foreign("a list of packages was expected"))?;
            for item in &items {
                configs.push(Config::from_json(item)?);
            }
            if items.len() < PER_PAGE {
                return Ok(configs);
            }
        }
        Err(self.foreign(&format!("more than {} packages", PAGES * PER_PAGE)))
    }

    pub(super) fn add(&self, packed: &Packed) -> AplResult<()> {
        let nothing = |_| {};
        let call =
            self.call(Method::POST, "/v1/packages").header("content-type", "application/zip");
        self.json(&call.bytes(&packed.archive.bytes, &nothing)).map(drop)
    }

    pub(super) fn get(&self, id: &PackageId, into: &Path) -> AplResult<PathBuf> {
        let limits = Limits::default();
        let path = format!("/v1/packages/{id}");
        let bytes = self.bytes(&self.call(Method::GET, &path), limits.archive_bytes)?;
        let to = into.join(id.file_name());
        let packed =
            repack(&bytes, &limits).map_err(|e| AplError::Contents(to.clone(), Box::new(e)))?;
        if packed.config.id != *id {
            return Err(AplError::Other {
                wanted: Box::new(id.clone()),
                found: Box::new(packed.config.id),
            });
        }
        fs_err::create_dir_all(into)?;
        write(&to, &bytes)?;
        Ok(to)
    }

    pub(super) fn tree(
        &self,
        configs: &[Config],
        selection: Selection,
        form: Form,
    ) -> AplResult<Value> {
        let mut query = Vec::new();
        match selection {
            Selection::Exact => {}
            Selection::Latest => query.push("strategy=latest"),
            Selection::Mvs => query.push("strategy=mvs"),
        }
        if form == Form::Flat {
            query.push("form=flat");
        }
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("/v1/packages/dependencies{mark}{}", query.join("&"));
        let packages: Vec<Value> = configs.iter().map(Config::to_json).collect();
        let mut call = self.call(Method::POST, &path);
        call.body = Outgoing::Json(json!({ "packages": packages }).to_string().into_bytes());
        let mut answer = self.json(&call)?;
        answer
            .get_mut("tree")
            .map(Value::take)
            .ok_or_else(|| self.foreign("an answer with `tree` was expected"))
    }

    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let call = self.client.call(method, path).bearer(self.client.read_token());
        call.header("accept", "application/json, application/zip")
    }

    fn json(&self, call: &Call) -> AplResult<Value> {
        let body = self.bytes(call, ANSWER_BYTES)?;
        serde_json::from_slice(&body)
            .map_err(|error| self.foreign(&format!("an answer that is no JSON ({error})")))
    }

    /// The body of a success; the server's own words are the error of anything else.
    fn bytes(&self, call: &Call, limit: u64) -> AplResult<Vec<u8>> {
        let deadline = self.options.deadline;
        let (status, body) = self.client.attempt(call, |answer| {
            let status = answer.status;
            answer.read(limit, deadline).map(|body| (status, body))
        })?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let words = serde_json::from_slice::<Value>(&body).ok();
        let words = words.as_ref().and_then(|words| words.get("error"));
        let text = words.and_then(|e| e.as_str().or_else(|| e.get("message")?.as_str()));
        let message = text.map_or("the server refused it".to_owned(), |text| excerpt(text, 500));
        Err(AplError::Refused { status, message })
    }

    fn foreign(&self, found: &str) -> AplError {
        let what = format!("the server at {}", self.client.registry());
        crate::error::ClientError::NotARegistry { what, found: excerpt(found, 300) }.into()
    }
}
