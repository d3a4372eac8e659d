//! `multipart/form-data` as a stream, with bounded memory: of a part's content at most one chunk of
//! the body is held, of its head at most [`HEAD_BYTES`]. Format: RFC 7578 and RFC 2046 §5.1.
//!
//! What it tolerates on purpose: a last part named `Content-Type` that says it is a file, as `ato`
//! sends it, and parts that nobody asked for.

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use memchr::memmem;

use super::UploadError;

/// The longest head of a part, in bytes.
const HEAD_BYTES: usize = 8 << 10;

/// The parts of a body, one after the other.
pub(super) struct Form<S> {
    body: S,
    buffer: BytesMut,
    /// `\r\n--` and the boundary.
    delimiter: Vec<u8>,
    /// Whether the buffer starts at the delimiter that ends the part.
    at_delimiter: bool,
}

impl<S> Form<S>
where
    S: Stream<Item = Result<Bytes, UploadError>> + Unpin,
{
    /// Reads `body`, whose boundary `content_type` names.
    pub(super) fn new(content_type: &str, body: S) -> Result<Self, UploadError> {
        let boundary = boundary(content_type).ok_or_else(|| {
            malformed("the form is not `multipart/form-data` with a boundary of 1 to 70 characters")
        })?;
        // The first delimiter has no line break before it unless there is a preamble.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        Ok(Self { body, buffer, delimiter, at_delimiter: false })
    }

    /// Goes to the next part, skipping the rest of this one up to `skip_bytes`; its name, or `None`
    /// after the last.
    pub(super) async fn next(&mut self, skip_bytes: usize) -> Result<Option<String>, UploadError> {
        let mut skipped = 0;
        while let Some(bytes) = self.data().await? {
            skipped += bytes.len();
            if skipped > skip_bytes {
                return Err(malformed("the form has too much beside its file"));
            }
        }
        self.buffer.advance(self.delimiter.len());
        self.at_delimiter = false;
        self.fill_to(2).await?;
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        let head = self.head().await?;
        name(&head).map(Some).ok_or_else(|| malformed("a part of the form has no name"))
    }

    /// More of the part's content, `None` at its end.
    pub(super) async fn data(&mut self) -> Result<Option<Bytes>, UploadError> {
        while !self.at_delimiter {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                self.at_delimiter = true;
                return Ok((at > 0).then(|| self.buffer.split_to(at).freeze()));
            }
            // The last bytes may be the start of a delimiter.
            let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure).freeze()));
            }
            self.fill().await?;
        }
        Ok(None)
    }

    /// A short text of the part.
    pub(super) async fn text(&mut self, limit_bytes: usize) -> Result<String, UploadError> {
        let mut text = Vec::new();
        while let Some(bytes) = self.data().await? {
            text.extend_from_slice(&bytes);
            if text.len() > limit_bytes {
                return Err(malformed("a field of the form is too long"));
            }
        }
        String::from_utf8(text).map_err(|_| malformed("a field of the form is not UTF-8"))
    }

    /// The part's head, from the end of the delimiter to the empty line.
    async fn head(&mut self) -> Result<Bytes, UploadError> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(at).freeze();
                self.buffer.advance(4);
                return if head.len() > HEAD_BYTES { Err(long_head()) } else { Ok(head) };
            }
            if self.buffer.len() > HEAD_BYTES {
                return Err(long_head());
            }
            self.fill().await?;
        }
    }

    async fn fill_to(&mut self, bytes: usize) -> Result<(), UploadError> {
        while self.buffer.len() < bytes {
            self.fill().await?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), UploadError> {
        match self.body.next().await {
            Some(bytes) => {
                self.buffer.extend_from_slice(&bytes?);
                Ok(())
            }
            None => Err(UploadError::Broken("the form ends before its last boundary".to_owned())),
        }
    }
}

fn malformed(what: &str) -> UploadError {
    UploadError::Malformed(what.to_owned())
}

fn long_head() -> UploadError {
    malformed("a part of the form has a head of more than 8 KiB")
}

/// The boundary in a `Content-Type`.
fn boundary(content_type: &str) -> Option<String> {
    let (media, parameters) = content_type.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    let sound =
        (1..=70).contains(&boundary.len()) && boundary.bytes().all(|b| (32..127).contains(&b));
    sound.then_some(boundary)
}

/// The name in a part's head.
fn name(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    parameter(disposition.split_once(';')?.1, "name")
}

/// A parameter among `name=value; name="value"`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after.trim_start().trim_start_matches(';').trim_start();
    }
    None
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    async fn parts(body: &[u8], chunk: usize) -> Result<Vec<(String, Vec<u8>)>, UploadError> {
        let chunks = body.chunks(chunk.max(1)).map(|c| Ok(Bytes::copy_from_slice(c)));
        let mut form = Form::new(
            "multipart/form-data; boundary=\"XX\"",
            stream::iter(chunks.collect::<Vec<_>>()),
        )?;
        let mut parts = Vec::new();
        while let Some(name) = form.next(usize::MAX).await? {
            let mut content = Vec::new();
            while let Some(bytes) = form.data().await? {
                content.extend_from_slice(&bytes);
            }
            parts.push((name, content));
        }
        Ok(parts)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    const FORM: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"policy\"\r\n\r\nabc\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n\
        --XX\r\ncontent-disposition: form-data; filename=\"a \\\"b.zip\"; name=\"file\"\r\n\
        Content-Type: application/zip\r\n\r\nPK\r\n--X\r\n-\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"Content-Type\"; filename=\"upload\"\r\n\
        Content-Type: application/octet-stream\r\n\r\napplication/zip\r\n--XX--\r\n";

    #[test]
    fn parts_come_out_whatever_the_chunks() {
        for chunk in 1..FORM.len() {
            let parts = run(parts(FORM, chunk)).unwrap();
            let expected: [(&str, &[u8]); 4] = [
                ("policy", b"abc"),
                ("empty", b""),
                ("file", b"PK\r\n--X\r\n-"),
                ("Content-Type", b"application/zip"),
            ];
            let parts: Vec<_> = parts.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
            assert_eq!(parts, expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn a_form_that_breaks_off_is_no_form() {
        for end in 0..FORM.len() - 4 {
            assert!(run(parts(&FORM[..end], 7)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_refused_with_bounded_memory() {
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[b'a'; 1024])));
        let body = stream::iter([Ok(Bytes::from_static(b"--XX\r\n"))]).chain(endless);
        let mut form = Form::new("multipart/form-data; boundary=XX", body).unwrap();
        assert!(run(form.next(0)).is_err());
        assert!(form.buffer.len() < 2 * HEAD_BYTES);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>, chunk in 1_usize..40) {
            let _ = run(parts(&body, chunk));
        }

        #[test]
        fn content_survives(content: Vec<u8>, chunk in 1_usize..40) {
            prop_assume!(memmem::find(&content, b"\r\n--XX").is_none());
            let mut body = b"--XX\r\nContent-Disposition: form-data; name=file\r\n\r\n".to_vec();
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n--XX--");
            let parts = run(parts(&body, chunk)).unwrap();
            prop_assert_eq!(parts, vec![("file".to_owned(), content)]);
        }
    }
}
