//! One request to a server: a file, or the rest of it.

use std::io::Read;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// Longest time in which a connection has to be made.
const CONNECT: Duration = Duration::from_secs(15);

/// Longest time in which something has to arrive.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// Longest time of one answer. What has arrived by then is kept.
const ANSWER: Duration = Duration::from_secs(3600);

/// Largest file. The largest that anybody publishes here has 26 MB.
pub(super) const LARGEST: u64 = 1 << 28;

/// Why a server did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// There was no answer.
    #[error("no answer ({0})")]
    NoAnswer(Box<ureq::Error>),
    /// The answer was something else than the file.
    #[error("the server answers `{0}`")]
    Status(StatusCode),
    /// The answer ended too early.
    #[error("the connection broke after {arrived} bytes ({error})")]
    Broke {
        /// Bytes that have arrived in all.
        arrived: u64,
        /// What broke it.
        error: String,
    },
    /// The answer is too large to be the file.
    #[error("the file there is larger than {LARGEST} bytes, which no data set's is")]
    TooLarge,
    /// The file is another.
    #[error(
        "the file there has the MD5 {found:032x}, expected {expected:032x}: what was downloaded \
         is deleted"
    )]
    Checksum {
        /// What it is.
        found: u128,
        /// What it should be.
        expected: u128,
    },
}

/// The beginning of an answer.
pub(super) struct Answer {
    /// Where in the file its bytes begin.
    pub start: u64,
    /// Bytes of the whole file, if the server says so.
    pub total: Option<u64>,
    /// The bytes.
    pub bytes: Box<dyn Read>,
}

/// A client that gives up where nothing has arrived for the time of `stall`.
pub(super) fn client(stall: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("es-train/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_send_request(Some(stall))
        .timeout_recv_response(Some(stall))
        .timeout_recv_body(Some(ANSWER))
        .timeout_per_read(Some(stall))
        .timeout_per_write(Some(stall))
        .build();
    config.into()
}

/// Asks for the file at `url` from byte number `from` on. The server may start anew all the same.
pub(super) fn get(client: &Agent, url: &str, from: u64) -> Result<Answer, Reason> {
    let mut request = client.get(url);
    if from > 0 {
        request = request.header(header::RANGE, format!("bytes={from}-"));
    }
    let response = request.call().map_err(|error| Reason::NoAnswer(Box::new(error)))?;
    let (start, total) = match response.status() {
        StatusCode::OK => (0, response.body().content_length()),
        StatusCode::PARTIAL_CONTENT if from > 0 => match content_range(&response) {
            Some((start, total)) if start == from => (from, total),
            _ => return get(client, url, 0),
        },
        // Nothing is there from that byte on: what has arrived is not the beginning of this file.
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => return get(client, url, 0),
        status => return Err(Reason::Status(status)),
    };
    if total.is_some_and(|total| total > LARGEST) {
        return Err(Reason::TooLarge);
    }
    Ok(Answer { start, total, bytes: Box::new(response.into_body().into_reader()) })
}

/// First byte and length of the whole, of `Content-Range: bytes FIRST-LAST/LENGTH`.
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Instant;

    /// The address of a server that answers every request with `answer`, and then says nothing
    /// more and does not hang up.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer.as_bytes());
                open.push(stream);
            }
        });
        format!("http://{address}/file")
    }

    fn client() -> Agent {
        super::client(Duration::from_millis(300))
    }

    #[test]
    fn a_server_that_falls_silent_is_given_up() {
        let began = Instant::now();
        let answer = get(&client(), &server(""), 0);
        assert!(matches!(answer, Err(Reason::NoAnswer(_))));
        let url = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        let mut answer = get(&client(), &url, 0).unwrap();
        assert_eq!((answer.start, answer.total), (0, Some(9)));
        let mut bytes = Vec::new();
        answer.bytes.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(bytes, b"abc");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn the_rest_of_a_file_is_taken_for_that_only_if_it_is() {
        let partial = "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\
            Content-Range: bytes 6-8/9\r\n\r\nabc";
        let answer = get(&client(), &server(partial), 6).unwrap();
        assert_eq!((answer.start, answer.total), (6, Some(9)));
        // Another range than was asked for, and then once more where nothing was asked for.
        let answer = get(&client(), &server(partial), 5);
        assert!(matches!(answer, Err(Reason::Status(StatusCode::PARTIAL_CONTENT))));
        let refusal = "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let answer = get(&client(), &server(refusal), 6);
        assert!(matches!(answer, Err(Reason::Status(StatusCode::RANGE_NOT_SATISFIABLE))));
    }

    #[test]
    fn a_file_too_large_is_refused_by_its_header() {
        let url = server("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n");
        assert!(matches!(get(&client(), &url, 0), Err(Reason::TooLarge)));
    }
}
