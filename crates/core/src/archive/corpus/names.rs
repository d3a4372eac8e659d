//! Archives whose files have names or kinds that some system cannot or must not unpack.

use super::build::{Draft, File};
use super::{Hostile, case};

pub(super) fn cases() -> Vec<Hostile> {
    let mut all = paths();
    all.extend(kinds());
    all.extend(twins());
    all
}

fn named(name: impl AsRef<[u8]>) -> Vec<u8> {
    Draft::with(File::stored(name, b"x")).bytes()
}

fn paths() -> Vec<Hostile> {
    let path = |name, path: &str| case(name, "Path", named(path));
    vec![
        path("a name without text", ""),
        path("the folder above", "../x"),
        path("a way up in the middle", "a/../../x"),
        path("two dots at the end", "a/.."),
        path("one dot", "./x"),
        path("absolute", "/etc/cron.d/x"),
        path("a server", "//server/share/x"),
        path("an empty part", "a//x"),
        path("the root", "/"),
        path("a drive", "C:/x"),
        path("a drive without a slash", "C:x"),
        path("backslashes", "..\\..\\x"),
        path("a backslash", "a\\x"),
        path("NUL in a name", "x.txt\0.exe"),
        path("a line break", "x\nSet-Cookie: y"),
        path("a terminal's escape", "\u{1b}[2Jx"),
        path("a C1 control", "x\u{9b}2J"),
        path("a stream of NTFS", "x.txt:hidden"),
        path("a wildcard", "x*"),
        path("a hook", ".git/hooks/post-checkout"),
        path("a hook in capitals", "a/.GIT/hooks/post-checkout"),
        path("a short name of .git", "GIT~1/config"),
        path("a console", "CON"),
        path("a device with an ending", "a/aux.txt"),
        path("a port", "COM1"),
        path("a port in superscript", "lpt\u{b2}.log"),
        path("a dot at the end", "x."),
        path("a blank at the end", "a /x"),
        case("a name too long", "Path", named("x".repeat(241))),
        case("a name of 65,535 bytes", "Path", named("x/".repeat(32_767) + "x")),
        case("a path too deep", "Path", named("d/".repeat(33) + "x")),
        case("a name in Latin-1", "NameEncoding", named(b"caf\xe9.txt")),
        case("a slash in two bytes", "NameEncoding", named(b"..\xc0\xafx")),
        case("half a character", "NameEncoding", named(b"x\xf0\x9f")),
        case("a surrogate", "NameEncoding", named(b"\xed\xa0\x80")),
        case("UTF-8 without its flag", "NameFlag", {
            Draft::with(File { flags: 0, ..File::stored("käse", b"x") }).bytes()
        }),
    ]
}

fn kinds() -> Vec<Hostile> {
    let kind = |name, external| {
        let file = File { external, ..File::stored("x", b"/etc/passwd") };
        case(name, "Kind", Draft::with(file).bytes())
    };
    vec![
        case("a folder", "Folder", Draft::with(File::stored("docs/", b"")).bytes()),
        case("a folder with content", "Folder", named("docs/")),
        kind("a symbolic link", 0o120_777 << 16),
        kind("a character device", 0o020_666 << 16),
        kind("a block device", 0o060_666 << 16),
        kind("a pipe", 0o010_644 << 16),
        kind("a socket", 0o140_755 << 16),
        kind("a folder by its mode", 0o040_755 << 16),
        kind("a kind of nobody", 0o150_644 << 16),
        kind("set-user-id", 0o104_755 << 16),
        kind("a folder of DOS", 0o100_644 << 16 | 0x10),
        kind("a volume label", 0x08),
        kind("a reparse point", 0x400),
    ]
}

fn twins() -> Vec<Hostile> {
    let both = |name, expected, one: &str, two: &str| {
        let mut draft = Draft::with(File::stored(one, b"one"));
        draft.listed.push(draft.files.len());
        draft.files.push(File::stored(two, b"two"));
        case(name, expected, draft.bytes())
    };
    vec![
        both("one name twice", "Duplicate", "a.txt", "a.txt"),
        both("a manifest twice", "Duplicate", "x", "packhouse.yaml"),
        both("two cases", "Twins", "README", "readme"),
        both("two cases of a folder", "Twins", "Docs/a", "docs/b"),
        both("two cases beyond ASCII", "Twins", "ÄÖ", "äö"),
        both("two Unicode forms", "Twins", "\u{e9}", "e\u{301}"),
        both("two Unicode forms of a folder", "Twins", "\u{e9}/a", "e\u{301}/b"),
        both("a file below a file", "Twins", "a", "a/b"),
        both("a file over a folder", "Twins", "a/b", "a"),
        both("a file below a file of another case", "Twins", "A", "a/b"),
        both("a long s", "Twins", "\u{17f}rc/a", "src/b"),
        both("two small sigmas", "Twins", "\u{3c2}", "\u{3c3}"),
        both("the sign of Kelvin", "Twins", "\u{212a}", "k"),
    ]
}
