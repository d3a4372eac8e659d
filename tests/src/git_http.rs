//! Repositories over HTTP, as `git http-backend` serves them: Git's own CGI program (RFC 3875), behind a
//! [`Liar`](crate::liar::Liar) that for once tells the truth.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::liar::{Reply, Request};

/// What `git http-backend` answers for the repositories below `root`.
pub fn backend(root: &Path, request: &Request) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&request.body).expect("git reads");
    drop(stdin);
    let output = child.wait_with_output().expect("git ends").stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let mut reply = Reply::new(200, &output[end + 4..]);
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        match line.split_once(": ").expect("a header") {
            // A CGI program says it only where it is not 200.
            ("Status", status) => reply.status = status[..3].parse().expect("a status"),
            (name, value) => reply = reply.header(name, value),
        }
    }
    reply
}
