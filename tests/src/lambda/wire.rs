//! HTTP/1.1 by hand, as much as the fakes of Lambda and of the CDN need: whole messages, in both
//! directions, with a length or in chunks.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

/// A request or an answer.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The first line.
    pub first: String,
    /// Name and value of each header, and of each trailer behind a chunked body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one; `None` where the connection ended before it.
    pub fn read(from: &mut impl BufRead) -> Option<Self> {
        let first = line(from)?;
        let mut message = Self { first, headers: headers(from)?, body: Vec::new() };
        let chunked = message.header("transfer-encoding").is_some_and(|v| v.contains("chunked"));
        if chunked {
            while let Ok(length) = usize::from_str_radix(line(from)?.trim(), 16) {
                if length == 0 {
                    break;
                }
                let start = message.body.len();
                message.body.resize(start + length, 0);
                from.read_exact(&mut message.body[start..]).ok()?;
                line(from)?;
            }
            message.headers.extend(headers(from)?);
        } else if let Some(length) = message.header("content-length") {
            message.body = vec![0; length.parse().ok()?];
            from.read_exact(&mut message.body).ok()?;
        }
        Some(message)
    }

    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }

    /// Method and target of a request.
    pub fn target(&self) -> (&str, &str) {
        let mut words = self.first.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

/// Writes an answer in one piece, or the client waits for an acknowledgement in between.
pub fn answer(
    to: &mut TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<()> {
    let mut bytes = format!("HTTP/1.1 {status} -\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend_from_slice(body);
    to.write_all(&bytes)
}

fn line(from: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    match from.take(64 << 10).read_line(&mut text) {
        Ok(1..) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        _ => None,
    }
}

fn headers(from: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = line(from)?;
        if line.is_empty() {
            return Some(headers);
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}
