//! One bounded GET of the inspector's list of targets.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{error::AttachError, listeners::Listener};

/// Node's list is some 600 bytes for its one target.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;

/// A socket that is no inspector may say nothing at all; it must not eat the whole deadline. The
/// inspector answers from a thread of its own, so a busy program does not slow it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Connects with every wait bounded by `deadline`.
pub(super) fn connect(listener: &Listener, deadline: Instant) -> Result<TcpStream, AttachError> {
    let address = listener.loopback().ok_or(AttachError::Garbage {
        what: "it listens on no loopback address",
    })?;
    let stream = TcpStream::connect_timeout(&address, remaining(deadline)?).map_err(AttachError::of_io)?;
    limit_waits(&stream, deadline)?;
    Ok(stream)
}

/// Makes reads and writes fail at `deadline`.
pub(super) fn limit_waits(stream: &TcpStream, deadline: Instant) -> Result<(), AttachError> {
    let left = Some(remaining(deadline)?);
    stream
        .set_read_timeout(left)
        .and_then(|()| stream.set_write_timeout(left))
        .map_err(AttachError::of_io)
}

fn remaining(deadline: Instant) -> Result<Duration, AttachError> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A timeout of zero would mean none.
    if left.is_zero() {
        Err(AttachError::TimedOut)
    } else {
        Ok(left)
    }
}

/// The path of the WebSocket, if an inspector listens there.
pub(super) fn inspector_path(listener: &Listener, deadline: Instant) -> Result<String, AttachError> {
    let deadline = deadline.min(Instant::now() + ANSWER_WITHIN);
    let mut stream = connect(listener, deadline)?;
    // The inspector refuses host names, against rebinding of DNS.
    let request = format!(
        "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
        listener.port()
    );
    stream.write_all(request.as_bytes()).map_err(AttachError::of_io)?;
    let mut answer = Vec::new();
    loop {
        if let Some(body) = whole_body(&answer) {
            return parse_targets(body).ok_or(AttachError::Garbage {
                what: "a list of targets was expected",
            });
        }
        limit_waits(&stream, deadline)?;
        let mut piece = [0; 4096];
        let got = stream.read(&mut piece).map_err(AttachError::of_io)?;
        if got == 0 || answer.len() + got > ANSWER_LIMIT_BYTES {
            return Err(AttachError::Garbage {
                what: "an answer of HTTP was expected",
            });
        }
        answer.extend_from_slice(&piece[..got]);
    }
}

/// The body of a `200` with a length, once all of it is there.
fn whole_body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length?.1.trim().parse().ok()?;
    let body = answer[end + 4..].get(..length)?;
    (status == "200").then_some(body)
}

/// The identifier of the first target that is a Node process, as a path. The host in the answer is
/// not to be trusted: we stay on the socket that we know.
fn parse_targets(body: &[u8]) -> Option<String> {
    let targets: serde_json::Value = serde_json::from_slice(body).ok()?;
    let node = targets
        .as_array()?
        .iter()
        .find(|target| target["type"] == "node")?;
    let id = node["id"].as_str()?;
    let plain = !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| format!("/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.0 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-length: 42\r\n\r\n\
        [{\"id\":\"08a9-7886\",\"type\":\"node\",\"x\":\"y\"}]";

    #[test]
    fn answers_are_whole_or_nothing() {
        let path = |answer| whole_body(answer).and_then(parse_targets);
        assert_eq!(path(ANSWER).as_deref(), Some("/08a9-7886"));
        for end in 0..ANSWER.len() {
            assert_eq!(path(&ANSWER[..end]), None, "cut at {end}");
        }
        for other in [
            &b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n[]"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n[]",
            b"HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n[{\"id\":\"../x\",\"type\":\"node\"}]",
            b"\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert_eq!(path(other), None);
        }
    }
}
