//! A client of the inspector's protocol, as far as evaluation goes.

use std::{io, net::TcpStream, time::Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, protocol::WebSocketConfig};

use super::{
    error::AttachError,
    http::{connect, inspector_path, limit_waits},
    listeners::Listener,
};

/// Answers to our own scripts are short; other messages are events that nobody asked for.
const MESSAGE_LIMIT_BYTES: usize = 1 << 20;

/// Events skipped while waiting for one answer.
const SKIPPED_MAX: usize = 10_000;

pub(super) struct Inspector {
    socket: WebSocket<TcpStream>,
    deadline: Instant,
    last_id: u64,
}

impl Inspector {
    pub fn connect(listener: &Listener, deadline: Instant) -> Result<Self, AttachError> {
        let path = inspector_path(listener, deadline)?;
        let stream = connect(listener, deadline)?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT_BYTES))
            .max_frame_size(Some(MESSAGE_LIMIT_BYTES));
        let address = format!("ws://127.0.0.1:{}{path}", listener.port());
        match tungstenite::client::client_with_config(address, stream, Some(limits)) {
            Ok((socket, _)) => Ok(Inspector {
                socket,
                deadline,
                last_id: 0,
            }),
            Err(tungstenite::HandshakeError::Failure(error)) => Err(connection(error)),
            Err(tungstenite::HandshakeError::Interrupted(_)) => Err(AttachError::TimedOut),
        }
    }

    /// Evaluates `expression` in the program and gives its value, which must fit into JSON.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, AttachError> {
        self.last_id += 1;
        let parameters = json!({
            "expression": expression, "returnByValue": true, "includeCommandLineAPI": true, "silent": true,
        });
        let request = json!({ "id": self.last_id, "method": "Runtime.evaluate", "params": parameters });
        limit_waits(self.socket.get_ref(), self.deadline)?;
        self.socket
            .send(Message::text(request.to_string()))
            .map_err(connection)?;
        let answer = self.answer()?;
        if let Some(error) = answer
            .get("error")
            .or_else(|| answer["result"].get("exceptionDetails"))
        {
            return Err(AttachError::Evaluate {
                message: message_of(error),
            });
        }
        Ok(answer["result"]["result"]["value"].clone())
    }

    fn answer(&mut self) -> Result<Value, AttachError> {
        for _ in 0..SKIPPED_MAX {
            limit_waits(self.socket.get_ref(), self.deadline)?;
            let Message::Text(text) = self.socket.read().map_err(connection)? else {
                continue;
            };
            let message: Value = serde_json::from_str(text.as_str()).map_err(|_| AttachError::Garbage {
                what: "JSON was expected",
            })?;
            if message["id"] == self.last_id {
                return Ok(message);
            }
        }
        Err(AttachError::Garbage {
            what: "an answer was expected",
        })
    }

    /// Says goodbye; what is left of the connection goes with `self`.
    pub fn disconnect(mut self) {
        let _ = self.socket.close(None).and_then(|()| self.socket.flush());
    }
}

/// The first line of what was thrown, or the inspector's own words.
fn message_of(error: &Value) -> String {
    let texts = [
        &error["exception"]["description"],
        &error["message"],
        &error["text"],
    ];
    let text = texts.into_iter().find_map(Value::as_str).unwrap_or("no message");
    text.lines().next().unwrap_or_default().to_owned()
}

fn connection(error: tungstenite::Error) -> AttachError {
    match error {
        tungstenite::Error::Io(source) => AttachError::of_io(source),
        other => AttachError::Connection {
            source: io::Error::other(other),
        },
    }
}
