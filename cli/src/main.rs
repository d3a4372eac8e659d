//! temporary
mod serve;
mod server;
fn main() -> anyhow::Result<std::process::ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    let get = |n: &str| args.iter().position(|a| a == n).map(|i| args[i + 1].clone());
    let has = |n: &str| args.iter().any(|a| a == n);
    serve::run(&server::Config {
        data: get("--data").unwrap().into(),
        listen: get("--listen").unwrap().parse()?,
        public_url: get("--public-url"),
        issuers: get("--issuer").into_iter().collect(),
        private: has("--private"),
        dev_issuer: has("--dev-issuer"),
        open: has("--open"),
        motd: None,
        limits: Default::default(),
    })
}
