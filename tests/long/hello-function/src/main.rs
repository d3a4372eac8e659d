//! The least that a function does: `lambda_http` on one thread, one constant answer.

use lambda_http::{Body, Error, Request, Response, run, service_fn};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(service_fn(hello)))
}

async fn hello(_: Request) -> Result<Response<Body>, Error> {
    let answer = Response::builder().header("content-type", "application/json");
    Ok(answer.body(Body::from(r#"{"hello":"world"}"#))?)
}
