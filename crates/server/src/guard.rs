//! Who may do what: host, origin, token, role; and the headers that every answer carries.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plimsoll_store::Role;

use crate::api::Refusal;
use crate::serve::Shared;

/// Who asks. Lies in the extensions of every request that came through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token, or `local`.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// Nothing from elsewhere, no inline script, no frame; styles are set by the charts.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The middleware around everything.
pub async fn guard(State(shared): State<Arc<Shared>>, request: Request<Body>, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match admit(&shared, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn admit(shared: &Arc<Shared>, request: &Parts) -> Result<Caller, Refusal> {
    check_host(shared, request)?;
    check_origin(&request.headers)?;
    let needed = needed_role(&request.method, request.uri.path());
    let caller = caller(shared, &request.headers).await?;
    let Some(needed) = needed else {
        // The page itself holds nothing; it asks for a token when the API wants one.
        return Ok(caller.unwrap_or(Caller {
            name: "nobody".into(),
            role: Role::Viewer,
        }));
    };
    let caller = caller.ok_or(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "a token is needed: send `Authorization: Bearer TOKEN`",
    ))?;
    if may(caller.role, needed) {
        return Ok(caller);
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        format!(
            "the token `{}` has the role `{}`, this needs `{}`",
            caller.name,
            caller.role.name(),
            needed.name()
        ),
    ))
}

/// Least role for a request; `None` for what anybody may see.
fn needed_role(method: &Method, path: &str) -> Option<Role> {
    let ingest = [
        "/api/v1/stream",
        "/api/v1/reports",
        "/api/v1/write",
        "/v1/metrics",
        "/v1/traces",
    ];
    if ingest.contains(&path) {
        return Some(Role::Agent);
    }
    if path == "/healthz" || !(path.starts_with("/api/") || path == "/metrics") {
        return None;
    }
    let reads = method == Method::GET || method == Method::HEAD;
    Some(if reads && !path.contains("/evidence") {
        Role::Viewer
    } else {
        Role::Operator
    })
}

fn may(has: Role, needs: Role) -> bool {
    match (has, needs) {
        (Role::Operator, _) => true,
        (Role::Viewer, needs) => needs == Role::Viewer,
        (Role::Agent, needs) => needs == Role::Agent,
    }
}

/// A page elsewhere may have its name resolve to us (DNS rebinding), so only names that are ours count.
fn check_host(shared: &Shared, request: &Parts) -> Result<(), Refusal> {
    let host = request
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or(request.uri.host())
        .unwrap_or_default();
    let name = host_name(host);
    let listen = shared.options.listen.ip();
    let ours = name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == listen || !listen.is_loopback())
        || shared
            .options
            .hosts
            .iter()
            .any(|ours| ours.eq_ignore_ascii_case(name));
    if ours {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!(
            "the host `{}` is not ours; start with `--host NAME` if it should be",
            crate::fleet::bounded(name)
        ),
    ))
}

/// The name without port and brackets.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A page elsewhere may not act through a browser that can reach us.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let foreign_origin = text(header::ORIGIN)
        .is_some_and(|origin| origin.split_once("://").map(|(_, rest)| rest) != Some(host));
    let foreign_fetch = headers
        .get("sec-fetch-site")
        .and_then(|value| value.to_str().ok())
        == Some("cross-site");
    let navigation = headers
        .get("sec-fetch-mode")
        .and_then(|value| value.to_str().ok())
        == Some("navigate");
    if foreign_origin || (foreign_fetch && !navigation) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "requests from other sites are refused",
        ));
    }
    Ok(())
}

async fn caller(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(secret) = bearer.map(str::to_owned) else {
        let open = shared.options.listen.ip().is_loopback() && !shared.options.require_token;
        return Ok(open.then(|| Caller {
            name: "local".into(),
            role: Role::Operator,
        }));
    };
    let store = Arc::clone(shared);
    let found = tokio::task::spawn_blocking(move || store.store.token(&secret)).await;
    match found {
        Ok(Ok(Some(token))) => Ok(Some(Caller {
            name: token.name,
            role: token.role,
        })),
        Ok(Ok(None)) => Err(Refusal::new(StatusCode::UNAUTHORIZED, "the token is not known")),
        _ => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store cannot be read to check the token",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_paths() {
        for (method, path, needs) in [
            (Method::GET, "/", None),
            (Method::GET, "/healthz", None),
            (Method::GET, "/metrics", Some(Role::Viewer)),
            (Method::GET, "/api/v1/incidents", Some(Role::Viewer)),
            (
                Method::POST,
                "/api/v1/incidents/1/acknowledge",
                Some(Role::Operator),
            ),
            (Method::GET, "/api/v1/evidence/1", Some(Role::Operator)),
            (Method::POST, "/api/v1/stream", Some(Role::Agent)),
            (Method::POST, "/api/v1/streams", Some(Role::Operator)),
            (Method::POST, "/v1/metrics", Some(Role::Agent)),
        ] {
            assert_eq!(needed_role(&method, path), needs, "{method} {path}");
        }
        assert!(!may(Role::Agent, Role::Viewer) && !may(Role::Viewer, Role::Operator));
        assert!(!may(Role::Viewer, Role::Agent) && may(Role::Operator, Role::Agent));
    }

    #[test]
    fn names_of_hosts() {
        for (host, name) in [
            ("localhost:9464", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("evil.example:9464", "evil.example"),
            ("", ""),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
