//! The pages' one style sheet, inline, and the policy that admits it by its hash and nothing else.

use std::sync::OnceLock;

use base64::Engine as _;
use http::HeaderValue;
use packhouse_core::digest::Digest;

use crate::app::Settings;

/// The style sheet.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--link:#0b62c4}\
@media(prefers-color-scheme:dark){:root{--link:#7db7ff}}\
*{box-sizing:border-box}\
body{margin:0 auto;max-width:70rem;padding:1.5rem;font:16px/1.6 system-ui,sans-serif}\
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\
header.top{display:flex;gap:1rem;align-items:center;justify-content:space-between;margin-bottom:1.5rem}\
header.top form{display:flex;gap:.5rem}\
input,button{font:inherit;padding:.3rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:transparent;color:inherit}\
main{display:grid;grid-template-columns:minmax(0,1fr) 18rem;gap:2.5rem}\
@media(max-width:50rem){main{grid-template-columns:minmax(0,1fr)}}\
h1{margin:0;line-height:1.25;overflow-wrap:anywhere}h1 small{font-weight:400;opacity:.7}\
.lead{font-size:1.15rem;margin:.3rem 0 1rem;overflow-wrap:anywhere}\
pre{overflow:auto;padding:.8rem 1rem;background:var(--soft);border-radius:.5rem}\
code{font:.9em ui-monospace,monospace;background:var(--soft);border-radius:.25rem;padding:.1em .3em}\
pre code{background:none;padding:0}\
table{border-collapse:collapse;display:block;overflow:auto}\
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left}\
blockquote{margin:0;padding-left:1rem;border-left:.25rem solid var(--line)}\
img{max-width:100%}hr{border:0;border-top:1px solid var(--line)}\
aside{overflow-wrap:anywhere}aside h2{font-size:1rem;margin:1.2rem 0 .3rem}\
aside ul,.list{list-style:none;margin:0;padding:0}aside li{padding:.1rem 0}\
.list li{padding:.7rem 0;border-bottom:1px solid var(--line)}\
.list p{margin:.1rem 0 0}\
.mark{border:1px solid currentColor;border-radius:1rem;padding:0 .5rem;font-size:.8rem;color:#b3261e}\
.warn{border:1px solid #b3261e;border-radius:.5rem;padding:.5rem 1rem;white-space:pre-line}\
.dim{opacity:.7;font-size:.9rem}\
article{border-top:1px solid var(--line);margin-top:1.5rem}\
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem}";

/// The pages' Content-Security-Policy: this style sheet, pictures of `files` and the search form of
/// this very site; no script, no frame, nothing from elsewhere.
pub(super) fn policy(settings: &Settings) -> HeaderValue {
    static HASH: OnceLock<String> = OnceLock::new();
    let hash = HASH.get_or_init(|| {
        let hash = Digest::of(STYLE.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(hash.as_bytes())
    });
    // An origin has no character that ends a source or the header.
    let files = settings.files_url.as_ref().map_or("'self'", |url| url.origin());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src {files}; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
