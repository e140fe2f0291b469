//! x
use crate::api::Refusal;
use axum::http::StatusCode;
pub async fn metrics() -> Refusal {
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "x")
}
pub async fn traces() -> Refusal {
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "x")
}
