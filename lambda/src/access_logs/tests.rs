use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method \
    cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) \
    x-edge-result-type x-edge-request-id sc-range-start sc-range-end\n";

/// A line of the tab-separated format.
fn tsv(
    ip: &str,
    method: &str,
    path: &str,
    status: &str,
    agent: &str,
    result: &str,
    first: &str,
) -> String {
    format!(
        "2026-03-01\t12:00:00\tFRA56-P4\t100\t{ip}\t{method}\td1.cloudfront.net\t{path}\t{status}\t-\t{agent}\t-\t-\t{result}\tid==\t{first}\t-\n"
    )
}

fn got(ip: &str, path: &str) -> String {
    tsv(ip, "GET", path, "200", "ato/0.12", "Hit", "-")
}

fn path(content: &str, file: &str) -> String {
    format!("/blobs/sha256/{}/{file}", Digest::of(content.as_bytes()))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn read_in(text: &[u8], piece: usize, bounds: Bounds) -> Result<Fetches, LogError> {
    let mut reader = LogReader::new(bounds);
    for piece in gzip(text).chunks(piece) {
        reader.feed(piece)?;
    }
    reader.finish()
}

fn read(text: &str) -> Fetches {
    read_in(text.as_bytes(), 1 << 16, Bounds::default()).unwrap()
}

fn total(fetches: &Fetches) -> u64 {
    fetches.fetched.iter().map(|fetched| fetched.count).sum()
}

#[test]
fn downloads_are_counted_by_blob_name_and_day() {
    let one = path("one", "acme-sensor-1.0.0.zip");
    let two = path("two", "acme-sensor-1.1.0.zip");
    let tomorrow = got("192.0.2.3", &one).replace("2026-03-01", "2026-03-02");
    let text = [
        HEADER,
        &got("192.0.2.1", &one),
        &got("2001:db8::1", &one),
        &got("192.0.2.1", &two),
        &tomorrow,
    ];
    let fetches = read(&text.concat());
    assert_eq!((fetches.lines, fetches.unreadable, fetches.left_out), (4, 0, 0));
    let mut counts: Vec<_> =
        fetches.fetched.iter().map(|f| (f.file.as_str(), f.day.to_string(), f.count)).collect();
    counts.sort();
    let expected = [
        ("acme-sensor-1.0.0.zip", "2026-03-01".to_owned(), 2),
        ("acme-sensor-1.0.0.zip", "2026-03-02".to_owned(), 1),
        ("acme-sensor-1.1.0.zip", "2026-03-01".to_owned(), 1),
    ];
    assert_eq!(counts, expected);
    assert!(fetches.fetched.iter().any(|f| f.digest == Digest::of(b"two")));
}

#[test]
fn what_is_no_download_counts_nothing() {
    let blob = path("one", "a.zip");
    let hex = Digest::of(b"one").hex();
    let line =
        |method, status, result, first| tsv("192.0.2.1", method, &blob, status, "x", result, first);
    let others = [
        line("HEAD", "200", "Hit", "-"),
        line("POST", "200", "Miss", "-"),
        line("GET", "304", "Hit", "-"),
        line("GET", "404", "Error", "-"),
        line("GET", "000", "Error", "-"),
        line("GET", "200", "Error", "-"),
        line("GET", "206", "Hit", "1"),
        line("GET", "206", "Hit", "-"),
        line("GET", "206", "Hit", "00"),
        got("192.0.2.1", "/v1/packages/acme/sensor"),
        got("192.0.2.1", &format!("/blobs/sha256/{hex}")),
        got("192.0.2.1", &format!("/blobs/sha256/{hex}/")),
        got("192.0.2.1", &format!("/blobs/sha256/{hex}/a/b.zip")),
        got("192.0.2.1", &format!("/blobs/sha256/sha256:{hex}/a.zip")),
        got("192.0.2.1", &format!("/blobs/sha256/{}/a.zip", hex.to_uppercase())),
        got("192.0.2.1", &format!("/blobs/sha256/{}/a.zip", &hex[1..])),
        got("192.0.2.1", &format!("/blobs/sha256/{hex}/{}", "x".repeat(FILE_BYTES + 1))),
        got("192.0.2.1", &blob).replace("2026-03-01", "20260301"),
        got("192.0.2.1", &blob).replace("2026-03-01", "2026-02-30"),
    ];
    for other in &others {
        let fetches = read(&format!("{HEADER}{other}"));
        assert_eq!((total(&fetches), fetches.unreadable), (0, 0), "{other}");
    }
    // And none of them keeps the real one from being counted.
    let all = format!("{HEADER}{}{}", others.concat(), line("GET", "206", "Hit", "0"));
    assert_eq!(total(&read(&all)), 1);
}

#[test]
fn one_client_s_repeats_are_one_download() {
    let (one, two) = (path("one", "a.zip"), path("two", "b.zip"));
    let again = got("192.0.2.1", &one).replace("2026-03-01", "2026-03-02");
    let other = tsv("192.0.2.1", "GET", &one, "200", "curl/8", "Hit", "-");
    let mut text = HEADER.to_owned();
    for line in
        [&got("192.0.2.1", &one), &got("192.0.2.1", &one), &again, &other, &got("192.0.2.1", &two)]
    {
        text.push_str(line);
    }
    // Another program at the same address may be another person behind it.
    assert_eq!(total(&read(&text)), 3);
    let forgetful = Bounds { clients: 1, ..Bounds::default() };
    text.push_str(&got("192.0.2.1", &one));
    assert_eq!(total(&read(&text)), 3);
    assert_eq!(total(&read_in(text.as_bytes(), 64, forgetful).unwrap()), 4);
}

#[test]
fn json_lines_say_the_same() {
    let blob = path("one", "a.zip");
    let line = |ip: &str, status: serde_json::Value, first: &str| {
        let line = serde_json::json!({ "date": "2026-03-01", "time": "12:00:00", "c-ip": ip,
            "cs-method": "GET", "cs-uri-stem": blob, "sc-status": status, "cs(User-Agent)": "x\ty",
            "x-edge-result-type": "Hit", "sc-range-start": first, "DistributionId": "E1" });
        format!("{line}\n")
    };
    let text = [
        line("192.0.2.1", "200".into(), "-"),
        line("192.0.2.2", 200.into(), "-"),
        line("192.0.2.3", "206".into(), "0"),
        line("192.0.2.4", "206".into(), "5"),
        "{\"date\": \"2026-03-01\"}\n".to_owned(),
        "{\"date\": \n".to_owned(),
        "{\"date\": null}\n".to_owned(),
        format!("{}\n", "{\"a\":".repeat(1000)),
    ];
    let fetches = read(&text.concat());
    assert_eq!((total(&fetches), fetches.lines, fetches.unreadable), (3, 8, 4));
}

#[test]
fn hostile_lines_cost_one_line_each() {
    let blob = path("one", "a.zip");
    let mut text = HEADER.as_bytes().to_vec();
    let hostile: [&[u8]; 9] = [
        b"\t\t\t\t\n",
        b"\xff\xfe\x00\n",
        b"2026-03-01\n",
        b"\0\n",
        b"[1]\n",
        b"#\xff\n",
        b"#Fields\n",
        b"\r\n",
        b"\x1b[2J\n",
    ];
    text.extend(hostile.concat());
    text.extend(vec![b'x'; 3 * LINE_BYTES]);
    text.push(b'\n');
    text.extend(got("192.0.2.1", &blob).replace('\n', "\r\n").bytes());
    // The last line has no end.
    text.extend(got("192.0.2.2", &blob).trim_end().bytes());
    for piece in [1, 7, 4096] {
        let fetches = read_in(&text, piece, Bounds::default()).unwrap();
        // Five of the nine are no comment, not empty and unreadable; `\t\t\t\t` and the long one, too.
        assert_eq!((total(&fetches), fetches.lines, fetches.unreadable), (2, 9, 7), "{piece}");
    }
}

#[test]
fn columns_are_found_by_their_names_and_may_change_in_the_middle() {
    let blob = path("one", "a.zip");
    let text = format!(
        "#Fields: sc-status cs-uri-stem cs-method c-ip date cs(User-Agent)\n\
         200\t{blob}\tGET\t192.0.2.1\t2026-03-01\tx\n\
         #Fields: date cs-method cs-uri-stem sc-status c-ip cs(User-Agent)\n\
         2026-03-01\tGET\t{blob}\t200\t192.0.2.2\tx\n\
         200\t{blob}\tGET\t192.0.2.3\t2026-03-01\tx\n"
    );
    let fetches = read(&text);
    assert_eq!((total(&fetches), fetches.lines), (2, 3));
}

#[test]
fn another_format_is_an_error_and_an_empty_log_is_none() {
    assert_eq!(read(""), Fetches::default());
    assert_eq!(read(HEADER), Fetches::default());
    let headless = got("192.0.2.1", &path("one", "a.zip"));
    let found = read_in(headless.as_bytes(), 64, Bounds::default());
    assert!(matches!(found, Err(LogError::Format(1))), "{found:?}");
}

#[test]
fn what_is_not_whole_gzip_is_refused() {
    let whole = gzip(format!("{HEADER}{}", got("192.0.2.1", &path("one", "a.zip"))).as_bytes());
    let read = |bytes: &[u8]| {
        let mut reader = LogReader::new(Bounds::default());
        bytes.chunks(10).try_for_each(|piece| reader.feed(piece))?;
        reader.finish()
    };
    assert_eq!(total(&read(&whole).unwrap()), 1);
    for end in 1..whole.len() {
        let found = read(&whole[..end]);
        assert!(matches!(found, Err(LogError::Gzip(_))), "cut at {end}: {found:?}");
    }
    let mut damaged = whole.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    assert!(matches!(read(&damaged), Err(LogError::Gzip(_))), "a wrong sum");
    assert!(matches!(read(HEADER.as_bytes()), Err(LogError::Gzip(_))), "plain text");
    // Parts that were packed apart are one log.
    let second = gzip(got("192.0.2.2", &path("one", "a.zip")).as_bytes());
    assert_eq!(total(&read(&[whole, second].concat()).unwrap()), 2);
}

#[test]
fn a_log_that_unpacks_to_too_much_is_refused() {
    let bounds = Bounds { unpacked_bytes: 1 << 20, ..Bounds::default() };
    let found = read_in(&vec![b'\n'; 2 << 20], 1 << 16, bounds);
    assert!(matches!(found, Err(LogError::TooLong(1_048_576))), "{found:?}");
}

#[test]
fn made_up_names_do_not_use_up_the_memory() {
    let bounds = Bounds { addresses: 10, ..Bounds::default() };
    let mut text = HEADER.to_owned();
    for n in 0..25 {
        text.push_str(&got(&format!("192.0.2.{n}"), &path("one", &format!("{n}.zip"))));
    }
    text.push_str(&got("192.0.2.99", &path("one", "0.zip")));
    let fetches = read_in(text.as_bytes(), 64, bounds).unwrap();
    assert_eq!((fetches.fetched.len(), fetches.left_out, total(&fetches)), (10, 15, 11));
}
