//! A registry that lies: the client refuses, keeps nothing, and hands it no token for anybody else.
#![allow(clippy::unwrap_used)] // helpers of tests are not `#[test]` themselves

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use packhouse_client::extract::extract;
use packhouse_client::fetch::{Chosen, Wanted, download, resolve};
use packhouse_client::http::Options;
use packhouse_client::plan::{Opened, Ready, Setting, open};
use packhouse_client::publish::{Progress, Step, publish};
use packhouse_client::token::{Job, TokenSource};
use packhouse_client::walk::Choice;
use packhouse_client::{Client, ClientError};
use packhouse_core::archive::pack;
use packhouse_core::digest::Digest;
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use packhouse_core::tree::Tree;
use serde_json::{Value, json};

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    head: String,
    body: Vec<u8>,
}

type Answer = Box<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

/// A server on loopback that answers whatever it is told to.
struct Liar {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Liar {
    fn start(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(Box::new(answer) as Answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &log, &answer));
            }
        });
        Self { url, seen }
    }

    fn client(&self) -> Client {
        let options = Options {
            tries: 3,
            first_pause: Duration::from_millis(1),
            deadline: Duration::from_secs(20),
            answer: Duration::from_secs(2),
            silence: Duration::from_secs(2),
            ..Options::default()
        };
        Client::new(self.url.parse().unwrap(), options)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Seen>>, answer: &Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = reader.read_exact(&mut body);
    let line = head.lines().next().unwrap_or_default().to_owned();
    let seen = Seen { line, head, body };
    log.lock().unwrap().push(seen.clone());
    let mut stream = stream;
    let _ = stream.write_all(&answer(&seen));
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut [0; 64]); // lets the client read before the socket is gone
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: &Value) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body.to_string().as_bytes())
}

fn wanted() -> Wanted {
    "acme/sensor".parse().unwrap()
}

/// An archive and an index file that tells the truth about it.
fn honest() -> (packhouse_core::archive::Archive, Value) {
    let mut tree = Tree::default();
    tree.insert("a/b.txt".parse().unwrap(), *b"hello", false);
    let archive = pack(&tree).unwrap();
    let index =
        index(&archive.digest.hex(), &archive.tree_digest.to_string(), archive.bytes.len() as u64);
    (archive, index)
}

fn index(digest: &str, tree_digest: &str, bytes: u64) -> Value {
    json!({"schema": 1, "identifier": "acme/sensor", "latest": "1.0.0", "versions": [{
        "version": "1.0.0", "order": "semver", "format": "packhouse", "digest": digest,
        "tree_digest": tree_digest, "bytes": bytes, "released_at": "2026-01-01T00:00:00Z",
        "publisher": {"kind": "open"},
    }]})
}

fn chosen(archive: &[u8], tree_digest: &str) -> Chosen {
    let liar_index = index(&Digest::of(archive).hex(), tree_digest, archive.len() as u64);
    let index = serde_json::from_value(liar_index).unwrap();
    packhouse_client::fetch::choose(&index, &wanted()).unwrap()
}

fn fetch(
    client: &Client,
    chosen: &Chosen,
    partials: Option<&Path>,
) -> Result<Vec<u8>, ClientError> {
    download(client, chosen, partials, &Limits::default(), &|_| {})
}

#[test]
fn redirects_are_not_followed() {
    let other = Liar::start(|_| ok(&json!({})));
    let target = other.url.clone();
    for status in ["301 x", "302 x", "303 x", "307 x", "308 x"] {
        let to = target.clone();
        let liar = Liar::start(move |_| answer(status, &format!("location: {to}/x\r\n"), b""));
        let error = resolve(&liar.client(), &wanted()).unwrap_err();
        assert!(matches!(error, ClientError::NotARegistry { .. }), "{error}");
    }
    assert!(other.seen().is_empty());
}

#[test]
fn answers_are_bounded() {
    // 64 MiB of a JSON text, announced and not announced.
    for announced in [true, false] {
        let liar = Liar::start(move |_| {
            let body = vec![b' '; 64 << 20];
            let length = if announced {
                format!("content-length: {}\r\n", body.len())
            } else {
                String::new()
            };
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{length}\r\n");
            [head.as_bytes(), &body].concat()
        });
        let error = resolve(&liar.client(), &wanted()).unwrap_err();
        assert!(error.to_string().contains("an answer of more than 33554432 bytes"), "{error}");
    }
    let deep = format!("{{\"versions\": {}", "[".repeat(100_000));
    let liar = Liar::start(move |_| answer("200 OK", "", deep.as_bytes()));
    assert!(resolve(&liar.client(), &wanted()).is_err());
    let liar = Liar::start(|_| answer("500 x", "", &vec![b'x'; 10 << 20]));
    assert!(resolve(&liar.client(), &wanted()).is_err());
}

#[test]
fn an_answer_about_another_package_is_noticed() {
    let (_, mut truth) = honest();
    truth["identifier"] = "evil/sensor".into();
    let liar = Liar::start(move |_| ok(&truth));
    assert!(matches!(resolve(&liar.client(), &wanted()), Err(ClientError::Integrity(_))));
}

#[test]
fn other_bytes_than_promised_are_not_kept() {
    let (archive, _) = honest();
    let right = chosen(&archive.bytes, &archive.tree_digest.to_string());
    let mut other = archive.bytes.clone();
    other[40] ^= 1;
    let (short, long) = (other[..other.len() - 1].to_vec(), [&other[..], b"x"].concat());
    for body in [other, short, long, Vec::new()] {
        let liar = Liar::start(move |_| answer("200 OK", "etag: \"x\"\r\n", &body));
        assert!(fetch(&liar.client(), &right, None).is_err());
    }
    // The archive's digest is right, the content's is not.
    let target = tempfile::tempdir().unwrap();
    let place = target.path().join("out");
    let limits = Limits::default();
    let wrong = chosen(&archive.bytes, &Digest::of(b"other").hex());
    assert!(extract(&archive.bytes, wrong.tree_digest, &place, false, &limits, &|_| {}).is_err());
    assert_eq!(fs_err::read_dir(target.path()).unwrap().count(), 0);
}

#[test]
fn an_archive_cannot_write_outside_of_its_folder() {
    let (archive, _) = honest();
    let target = tempfile::tempdir().unwrap();
    for name in ["../b.txt", "/tmp/b.t", "a/../../", "C:/b.tx", "a\\b.txt"] {
        let mut evil = archive.bytes.clone();
        let old = b"a/b.txt";
        let new = &[name.as_bytes(), b"xxxxxxx"].concat()[..old.len()];
        while let Some(at) = evil.windows(old.len()).position(|window| window == old) {
            evil[at..at + old.len()].copy_from_slice(new);
        }
        let liar_says = chosen(&evil, &archive.tree_digest.to_string());
        let body = evil.clone();
        let liar = Liar::start(move |_| answer("200 OK", "", &body));
        // The bytes are the ones that this registry promised, and still they are not unpacked.
        let bytes = fetch(&liar.client(), &liar_says, None).unwrap();
        let place = target.path().join("out");
        let result =
            extract(&bytes, liar_says.tree_digest, &place, false, &Limits::default(), &|_| {});
        assert!(matches!(result, Err(ClientError::Archive(_))), "{name}");
        assert_eq!(fs_err::read_dir(target.path()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_huge_archive_is_refused_before_it_is_asked_for() {
    let (archive, _) = honest();
    let mut huge = chosen(&archive.bytes, &archive.tree_digest.to_string());
    huge.bytes = u64::MAX;
    let liar = Liar::start(|_| Vec::new());
    assert!(matches!(fetch(&liar.client(), &huge, None), Err(ClientError::Integrity(_))));
    assert!(liar.seen().is_empty());
}

#[test]
fn an_interrupted_download_is_continued_and_checked() {
    let noise: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let right = chosen(&noise, &Digest::of(b"t").hex());
    let partials = tempfile::tempdir().unwrap();
    let file = partials.path().join(format!("{}.partial", right.digest));
    let whole = noise.clone();
    // Each answer breaks off after a megabyte; the third part is all that is left.
    let liar = Liar::start(move |seen| {
        let from = seen
            .head
            .lines()
            .find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
        let from: usize = from.unwrap_or(0);
        let status = if from > 0 { "206 x" } else { "200 OK" };
        let rest = &whole[from..];
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\netag: \"e\"\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\n\r\n",
            rest.len(),
            whole.len() - 1,
            whole.len()
        );
        [head.as_bytes(), &rest[..rest.len().min(1 << 20)]].concat()
    });
    assert_eq!(fetch(&liar.client(), &right, Some(partials.path())).unwrap(), noise);
    let ranges: Vec<_> =
        liar.seen().iter().map(|seen| seen.head.contains("if-range: \"e\"")).collect();
    assert_eq!(ranges, [false, true, true]);
    assert!(!file.exists());
    // What another run left is continued; what is wrong in it is noticed at the end, and the whole
    // comes once more.
    fs_err::write(&file, &noise[..2_000_000]).unwrap();
    assert_eq!(fetch(&liar.client(), &right, Some(partials.path())).unwrap(), noise);
    fs_err::write(&file, vec![0; 2_000_000]).unwrap();
    assert_eq!(fetch(&liar.client(), &right, Some(partials.path())).unwrap(), noise);
    assert!(!file.exists());
}

#[test]
fn passing_faults_are_waited_for_and_others_are_not() {
    let (_, truth) = honest();
    let left = Mutex::new(VecDeque::from(["503 x", "502 x"]));
    let liar = Liar::start(move |_| match left.lock().unwrap().pop_front() {
        Some(status) => answer(status, "retry-after: 0\r\n", b"<html>"),
        None => ok(&truth),
    });
    assert!(resolve(&liar.client(), &wanted()).is_ok());
    assert_eq!(liar.seen().len(), 3);
    let liar = Liar::start(|_| answer("500 x", "", b"<html>"));
    assert!(matches!(resolve(&liar.client(), &wanted()), Err(ClientError::NotARegistry { .. })));
    assert_eq!(liar.seen().len(), 1);
    let liar = Liar::start(|_| answer("503 x", "retry-after: 0\r\n", b""));
    assert!(matches!(resolve(&liar.client(), &wanted()), Err(ClientError::Unreachable { .. })));
    assert_eq!(liar.seen().len(), 3);
}

#[derive(Default)]
struct Quiet(Mutex<Vec<String>>);

impl Progress for Quiet {
    fn mask(&self, token: &Secret) {
        self.0.lock().unwrap().push(token.reveal().to_owned());
    }
    fn step(&self, _: &Ready, _: Step) {}
    fn sent(&self, _: &Ready, _: u64) {}
}

fn ready() -> (tempfile::TempDir, Ready) {
    let dir = tempfile::tempdir().unwrap();
    let manifest = "package:\n  identifier: acme/sensor\n  version: 1.0.0\n";
    fs_err::write(dir.path().join("packhouse.yaml"), manifest).unwrap();
    let Opened::Package(source) = open(dir.path(), &Choice::default(), &Limits::default()).unwrap()
    else {
        panic!("no package");
    };
    let ready = source.pack(&Setting::default()).unwrap();
    (dir, ready)
}

/// An issuer that answers `jwt-for-<audience>`.
fn issuer() -> Liar {
    Liar::start(|seen| {
        let audience = seen.line.split("audience=").nth(1).and_then(|rest| rest.split(' ').next());
        ok(&json!({"value": format!("jwt-for-{}", audience.unwrap_or_default())}))
    })
}

fn job(issuer: &Liar) -> TokenSource {
    let job = Job {
        in_actions: true,
        request_url: Some(format!("{}/token?api=2", issuer.url)),
        request_token: Some(Secret::new("job-credential")),
        ..Job::default()
    };
    TokenSource::find(job, None).unwrap()
}

#[test]
fn a_registry_gets_no_token_for_an_audience_of_its_choosing() {
    let issuer = issuer();
    // It hints at another audience in every way it has: headers, challenge, error, answer.
    let hints = "www-authenticate: Bearer audience=\"https://victim.example\"\r\nx-audience: https://victim.example\r\n";
    let liar = Liar::start(move |seen| {
        let upload = json!({"url": "http://127.0.0.1:9/audience=victim", "headers": {}});
        if seen.line.starts_with("GET") {
            return ok(&json!({"audience": "https://victim.example"}));
        }
        if seen.line.contains("upload-complete") {
            return answer("401 x", hints, json!({"error": {"code": "wrong-audience", "message": "use victim.example", "facts": {"expected": "https://victim.example"}}}).to_string().as_bytes());
        }
        ok(
            &json!({"status": "ok", "release_id": "../../v1/admin", "audience": "https://victim.example",
            "upload_info": {"url": "", "fields": {}}, "artifacts_upload_info": {"url": "", "fields": {}},
            "upload": upload, "expires_at": "x"}),
        )
    });
    let (_dir, ready) = ready();
    let quiet = Quiet::default();
    let result =
        publish(&liar.client(), &job(&issuer), std::slice::from_ref(&ready), false, &quiet);
    assert!(result.is_err());
    let bound = format!(
        "packhouse%3Ahttp%3A%2F%2F127.0.0.1%3A{}%3Aacme%2Fsensor%401.0.0%3Asha256%3A{}",
        liar.url.rsplit(':').next().unwrap(),
        ready.archive.digest
    );
    assert!(!issuer.seen().is_empty());
    for seen in issuer.seen() {
        assert_eq!(seen.line, format!("GET /token?api=2&audience={bound} HTTP/1.1"));
        assert!(seen.head.contains("authorization: Bearer job-credential"));
    }
    // Every token was masked, and neither it nor the job's credential went anywhere it should not.
    assert!(quiet.0.lock().unwrap().iter().all(|token| *token == format!("jwt-for-{bound}")));
    for seen in liar.seen() {
        assert!(!seen.head.contains("job-credential"));
        assert!(seen.line.starts_with("POST /v1/publish") || !seen.head.contains("authorization"));
    }
}

#[test]
fn the_upload_gets_the_bytes_and_no_credential() {
    let issuer = issuer();
    let (_dir, ready) = ready();
    for (upload, refused) in [
        (
            json!({"url": "SELF/put", "headers": {"x-amz-checksum-sha256": "abc", "content-type": "application/zip"}}),
            false,
        ),
        (json!({"url": "SELF/put", "headers": {"authorization": "x"}}), true),
        (json!({"url": "SELF/put", "headers": {"host": "victim.example"}}), true),
        (json!({"url": "SELF/put", "headers": {"content-length": "5"}}), true),
        (json!({"url": "SELF/put", "headers": {"x-a": "b\r\nc: d"}}), true),
        (json!({"url": "http://10.255.255.1/latest/meta-data", "headers": {}}), true),
        (json!({"url": "file:///etc/passwd", "headers": {}}), true),
    ] {
        let own = Arc::new(Mutex::new(String::new()));
        let told = own.clone();
        let liar = Liar::start(move |seen| {
            if seen.line.starts_with("PUT /put") {
                return answer("200 OK", "", b"");
            }
            let text = upload.to_string().replace("SELF", &told.lock().unwrap());
            let upload: Value = serde_json::from_str(&text).unwrap();
            ok(&json!({"status": "ok", "release_id": "r", "upload_info": {"url": "", "fields": {}},
                "artifacts_upload_info": {"url": "", "fields": {}}, "upload": upload, "expires_at": "x"}))
        });
        *own.lock().unwrap() = liar.url.clone();
        let result = publish(
            &liar.client(),
            &job(&issuer),
            std::slice::from_ref(&ready),
            false,
            &Quiet::default(),
        );
        assert!(result.is_err()); // this registry never confirms
        let puts: Vec<_> =
            liar.seen().into_iter().filter(|seen| seen.line.starts_with("PUT")).collect();
        assert_eq!(puts.is_empty(), refused, "{:?}", result.err());
        for put in puts {
            assert_eq!(put.body, ready.archive.bytes);
            let head = put.head.to_ascii_lowercase();
            assert!(!head.contains("authorization") && head.contains("x-amz-checksum-sha256: abc"));
        }
    }
}

#[test]
fn a_receipt_of_other_bytes_is_no_receipt() {
    let issuer = issuer();
    let (_dir, ready) = ready();
    let receipt = json!({"schema": 1, "identifier": "acme/sensor", "version": "1.0.0",
        "digest": Digest::of(b"evil").hex(), "tree_digest": ready.archive.tree_digest, "bytes": 5,
        "publisher": {"kind": "open"}, "released_at": "x", "url": "x", "download_url": "x"});
    let liar = Liar::start(move |_| {
        ok(&json!({"status": "ok", "release_id": "r", "upload_info": {"url": "", "fields": {}},
            "artifacts_upload_info": {"url": "", "fields": {}}, "expires_at": "x", "receipt": receipt}))
    });
    let result = publish(&liar.client(), &job(&issuer), &[ready], false, &Quiet::default());
    assert!(matches!(*result.unwrap_err().error, ClientError::Integrity(_)));
}

#[test]
fn a_token_service_that_redirects_or_lies_gives_no_token() {
    let other = Liar::start(|_| ok(&json!({"value": "x"})));
    let to = other.url.clone();
    let client = other.client();
    let answers: [Vec<u8>; 4] = [
        answer("302 x", &format!("location: {to}\r\n"), b""),
        ok(&json!({"value": ""})),
        ok(&json!({"value": "two\nlines"})),
        answer("200 OK", "", &vec![b'x'; 1 << 20]),
    ];
    for body in answers {
        let issuer = Liar::start(move |_| body.clone());
        let token = job(&issuer).token(&client, "a", &|_| {});
        assert!(token.is_err());
    }
    assert!(other.seen().is_empty());
}
