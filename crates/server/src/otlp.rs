//! x
use axum::http::StatusCode;
use crate::api::Refusal;
pub async fn metrics() -> Refusal { Refusal::new(StatusCode::NOT_IMPLEMENTED, "x") }
pub async fn traces() -> Refusal { Refusal::new(StatusCode::NOT_IMPLEMENTED, "x") }
