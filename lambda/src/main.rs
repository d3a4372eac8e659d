//! `bootstrap`: the one binary of all functions. `PACKHOUSE_ROLE` says which one it is.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::BodyDataStream;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::SET_COOKIE;
use lambda_runtime::{
    Error, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse, service_fn,
};
use packhouse_lambda::config::{Config, Role};
use packhouse_lambda::function::Function;
use packhouse_registry::log;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a function answers: a stream to a URL, JSON to a schedule.
type Answer = FunctionResponse<Value, BodyDataStream>;

fn main() -> ExitCode {
    // One thread: a function has one request at a time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(serve()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> anyhow::Result<()> {
    let config = Config::read(|name| std::env::var(name).ok())?;
    let function = Arc::new(Box::pin(Function::new(config)).await?);
    if function.role() == Role::Publish
        && let Err(error) = function.register_admin_token().await
    {
        // The next cold start tries again; until then the registry works without its operator.
        log::error(&format!("the operator's first token is not registered: {error}"));
    }
    let handler = move |event: LambdaEvent<Box<RawValue>>| {
        let function = Arc::clone(&function);
        async move { handle(&function, event).await }.boxed()
    };
    let serving = lambda_runtime::run(service_fn(handler)).boxed();
    serving.await.map_err(anyhow::Error::from_boxed)
}

async fn handle(function: &Function, event: LambdaEvent<Box<RawValue>>) -> Result<Answer, Error> {
    let LambdaEvent { payload, context } = event;
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
    if function.role() == Role::Worker {
        let work = function.work(payload.get(), deadline).await?;
        return Ok(FunctionResponse::BufferedResponse(work));
    }
    let response = function.answer(payload.get(), &context.request_id, deadline).await;
    Ok(FunctionResponse::StreamingResponse(streamed(response)))
}

/// The answer as Lambda streams it: status and headers first, then the body as it comes.
fn streamed(response: Response) -> StreamResponse<BodyDataStream> {
    let (parts, body) = response.into_parts();
    let mut headers = parts.headers;
    let cookies = headers.get_all(SET_COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
    headers.remove(SET_COOKIE);
    let metadata_prelude = MetadataPrelude { status_code: parts.status, headers, cookies };
    StreamResponse { metadata_prelude, stream: body.into_data_stream() }
}
