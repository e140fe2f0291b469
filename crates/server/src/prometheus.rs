//! x
use axum::http::StatusCode;
use crate::api::Refusal;
pub async fn remote_write() -> Refusal { Refusal::new(StatusCode::NOT_IMPLEMENTED, "x") }
