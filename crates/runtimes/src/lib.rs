//! Per runtime: recognise, inject, attach, capture.
