//! CPython: heap pictures.

pub mod picture;
