//! Export and import, as operators' programs ask for them.

use std::io::Write;
use std::time::Duration;

use packhouse_core::api::UploadPut;
use packhouse_core::api::transfer::{
    BlobAnswer, BlobRequest, ImportAnswer, NEXT_HEADER, ReleaseImport, ReleaseImported,
};
use packhouse_core::digest::{Digest, Hasher};
use packhouse_core::secret::Secret;
use ureq::http::Method;

use crate::error::{ClientError, Refusal};
use crate::http::{Call, Client, Failure, refused};

/// The largest page of an export that is read, in bytes.
const PAGE_BYTES: u64 = 8 << 20;
/// How long a blob may take.
const DOWNLOAD: Duration = Duration::from_secs(3600);

/// A page of an export.
pub struct ExportPage {
    /// JSON lines.
    pub lines: Vec<u8>,
    /// What to ask for next; `None` behind the last page.
    pub next: Option<String>,
}

impl Client {
    /// A page of the registry's records.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn export_page(
        &self,
        token: &Secret,
        after: Option<&str>,
    ) -> Result<ExportPage, ClientError> {
        let after = after.map(|after| format!("?after={}", crate::url::encode(after)));
        let path = format!("/v1/admin/export{}", after.unwrap_or_default());
        let call = self.call(Method::GET, &path).bearer(Some(token));
        let (status, next, lines) = self.attempt(&call, |answer| {
            let next = answer.header(NEXT_HEADER).map(str::to_owned);
            let status = answer.status;
            Ok((status, next, answer.read(PAGE_BYTES, Duration::from_secs(180))?))
        })?;
        if status == 200 {
            Ok(ExportPage { lines, next })
        } else {
            Err(refused(&call, status, &lines))
        }
    }

    /// Puts records in, as lines of an export; they may be put in again.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn import_lines(&self, token: &Secret, lines: &[u8]) -> Result<ImportAnswer, ClientError> {
        let path = "/v1/admin/import";
        let call = self
            .call(Method::POST, path)
            .bearer(Some(token))
            .header("content-type", "application/x-ndjson")
            .bytes(lines, &|_| {});
        self.json(&call)
    }

    /// Brings a blob into the registry, unless it is there.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn import_blob(
        &self,
        token: &Secret,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<(), ClientError> {
        let path = format!("/v1/admin/blobs/{digest}");
        let request = BlobRequest { bytes: bytes.len() as u64 };
        let answer: BlobAnswer = self.send(Method::POST, &path, Some(token), Some(&request))?;
        if answer.bytes.is_some() {
            return Ok(());
        }
        let put = answer.upload.ok_or_else(|| ClientError::NotARegistry {
            what: format!("POST {path} at {}", self.registry()),
            found: "an answer without an upload".to_owned(),
        })?;
        self.store_put(bytes, &put, &|_| {}, "run the import again: it goes on where it stopped")?;
        let path = format!("{path}/complete");
        self.send::<BlobAnswer>(Method::POST, &path, Some(token), None::<&()>).map(drop)
    }

    /// Puts in a version that was rebuilt from git; its archive is brought before.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn import_release(
        &self,
        token: &Secret,
        release: &ReleaseImport,
    ) -> Result<ReleaseImported, ClientError> {
        self.send(Method::POST, "/v1/admin/import/release", Some(token), Some(release))
    }

    /// Writes the bytes at a path of the registry to `to` and answers their digest; `token` is shown
    /// where one is given. At most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`], and of `to`, which holds less than the whole then.
    pub fn bytes_to(
        &self,
        path: &str,
        token: Option<&Secret>,
        limit: u64,
        mut to: impl FnMut() -> std::io::Result<Box<dyn Write>>,
    ) -> Result<Digest, ClientError> {
        let call = self.call(Method::GET, path).bearer(token);
        let open = std::cell::RefCell::new(&mut to);
        let answered = self.attempt(&call, |answer| {
            let status = answer.status;
            if status != 200 {
                return answer.read(64 << 10, DOWNLOAD).map(|body| Err((status, body)));
            }
            let mut hasher = Hasher::default();
            // Each try begins anew.
            let mut file = (open.borrow_mut())().map_err(Failure::local)?;
            answer.stream(limit, DOWNLOAD, |piece| {
                hasher.update(piece);
                file.write_all(piece)
            })?;
            file.flush().map_err(Failure::local)?;
            Ok(Ok(hasher.finish()))
        })?;
        answered.map_err(|(status, body)| refused(&call, status, &body))
    }

    /// Sends bytes to the address that the registry answered. That address is a secret, and the
    /// registry's choice: it gets these bytes and no credential. `again` is what to do where the
    /// store refuses them.
    pub(crate) fn store_put(
        &self,
        bytes: &[u8],
        put: &UploadPut,
        sent: &(dyn Fn(u64) + Sync),
        again: &str,
    ) -> Result<(), ClientError> {
        let what = format!("uploading {} bytes to the registry's store", bytes.len());
        let foreign = |found: String| ClientError::NotARegistry { what: what.clone(), found };
        if !self.registry().admits(&put.url) {
            return Err(foreign("an upload address that is not https".to_owned()));
        }
        let mut call = Call::new(Method::PUT, put.url.clone(), &*what).bytes(bytes, sent);
        for (name, value) in &put.headers {
            let lower = name.to_ascii_lowercase();
            match lower.as_str() {
                "content-length" if *value == bytes.len().to_string() => {}
                "content-type" | "content-md5" | "if-none-match" | "cache-control" => {
                    call = call.header(lower, value);
                }
                _ if lower.starts_with("x-") && lower != "x-http-method-override" => {
                    call = call.header(lower, value);
                }
                _ => {
                    let name = packhouse_core::escape::excerpt(name, 60);
                    return Err(foreign(format!("an upload that asks for the header `{name}`")));
                }
            }
        }
        let (status, body) = self.attempt(&call, |answer| {
            let status = answer.status;
            answer.read(64 << 10, Duration::from_secs(60)).map(|body| (status, body))
        })?;
        match status {
            200..=299 => Ok(()),
            // The bytes are there already, from a try whose answer got lost; they are checked next.
            409 | 412 => Ok(()),
            _ => match refused(&call, status, &body) {
                error @ ClientError::Refused(_) => Err(error),
                // A store that is no registry: its words may hold the address.
                _ => Err(ClientError::Refused(Box::new(Refusal {
                    status,
                    code: None,
                    message: format!("the store refused the upload with status {status}"),
                    help: again.to_owned(),
                    request_id: String::new(),
                    facts: serde_json::Map::new(),
                }))),
            },
        }
    }
}
