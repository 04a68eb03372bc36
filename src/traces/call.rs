//! The spans of what the tenant is asked.

use http::{HeaderMap, StatusCode};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{FutureExt, SpanKind, Status, TraceContextExt, WithContext};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use reqwest::{RequestBuilder, Response};

use super::{TRACING, Written, method_of, name_of, start};

/// The span of one request to the tenant.
#[derive(Debug)]
pub struct Call {
    context: Context,
    is_told: bool,
}

impl Call {
    /// Begins it below the current span, if there are traces. The template is a path without anybody's ids; what is passed on has
    /// none.
    pub fn begin(method: &http::Method, host: &str, port: u16, template: Option<&str>) -> Option<Self> {
        let tracing = TRACING.get()?;
        let mut attributes = vec![
            method_of(method),
            KeyValue::new("server.address", host.to_owned()),
            KeyValue::new("server.port", i64::from(port)),
        ];
        let mut name = name_of(method).to_owned();
        if let Some(template) = template {
            attributes.push(KeyValue::new("url.template", template.to_owned()));
            name.extend([" ", template]);
        }
        let context = start(tracing, name, SpanKind::Client, attributes, &Context::current());
        Some(Self { context, is_told: tracing.to_tenant })
    }

    /// Tells the tenant to which trace the request belongs, where that is wanted.
    pub fn announce(&self, headers: &mut HeaderMap) {
        if self.is_told {
            TraceContextPropagator::new().inject_context(&self.context, &mut Written(headers));
        }
    }

    fn around<F>(&self, future: F) -> WithContext<F> {
        future.with_context(self.context.clone())
    }

    /// The tenant answered.
    pub fn answered(self, status: StatusCode) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_client_error() || status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }

    /// It did not answer, for this kind of reason.
    pub fn failed(self, kind: &'static str) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new("error.type", kind));
        span.set_status(Status::error(""));
        span.end();
    }
}

/// Makes a call to the tenant, with a span of its own.
///
/// # Errors
/// Those of the client.
pub async fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    if TRACING.get().is_none() {
        return request.send().await;
    }
    let (client, request) = request.build_split();
    let mut request = request?;
    let url = request.url();
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let Some(call) = Call::begin(request.method(), host, port, Some(&template(url.path()))) else {
        return client.execute(request).await;
    };
    call.announce(request.headers_mut());
    let answer = call.around(client.execute(request)).await;
    match &answer {
        Ok(response) => call.answered(response.status()),
        Err(problem) if problem.is_timeout() => call.failed("timeout"),
        Err(problem) if problem.is_connect() => call.failed("connect"),
        Err(_) => call.failed("_OTHER"),
    }
    answer
}

/// How much of a path says what is called: behind `/api/v1/users` comes whose, behind `/app` which.
fn template(path: &str) -> String {
    let segments = match path.split('/').nth(1) {
        Some("api") => 3,
        Some("app") => 1,
        _ => 2,
    };
    path.split('/').take(segments + 1).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn nobodys_id_is_in_the_name_of_a_call() {
        for (path, expected) in [
            ("/login/jwt-session", "/login/jwt-session"),
            ("/api/v1/users", "/api/v1/users"),
            ("/api/v1/users/65f0c1", "/api/v1/users"),
            ("/logout", "/logout"),
            ("/app/2d54bd8e-76a9-4c53-85d2-066b44240146/identity/x", "/app"),
        ] {
            assert_eq!(template(path), expected);
        }
    }
}
