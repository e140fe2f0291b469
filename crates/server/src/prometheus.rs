//! x
use crate::api::Refusal;
use axum::http::StatusCode;
pub async fn remote_write() -> Refusal {
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "x")
}
