//! A web server as good or as bad as a test wants it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request: the path, and the first byte that is asked for.
pub type Request = (String, Option<usize>);

/// A server of this process. Each request is answered on a connection of its own.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` gives the whole answer to a request, from its path, the first byte asked for and
    /// how many requests were before it.
    pub fn new(answer: impl Fn(&str, Option<usize>, usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some((path, from)) = read_request(&stream) else { continue };
                let before = log.lock().unwrap().len();
                log.lock().unwrap().push((path.clone(), from));
                // A client that has seen enough hangs up.
                let _ = stream.write_all(&answer(&path, from, before));
            }
        });
        Server { address, requests }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What was asked for, from the first byte of each request on.
    pub fn starts(&self) -> Vec<Option<usize>> {
        self.requests().into_iter().map(|(_, from)| from).collect()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.take_while(|line| !line.is_empty());
    let ranges = headers.filter_map(|line| {
        let line = line.to_lowercase();
        Some(line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().unwrap())
    });
    Some((path, ranges.last()))
}

/// The answer of a server that knows ranges.
pub fn rest(file: &[u8], from: Option<usize>) -> Vec<u8> {
    match from {
        None => whole(file),
        Some(from) if from < file.len() => {
            let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
            let header = format!("Content-Range: {range}\r\n");
            reply("206 Partial Content", &header, &file[from..])
        }
        Some(_) => reply("416 Range Not Satisfiable", "", b""),
    }
}

/// The answer of a server that does not.
pub fn whole(file: &[u8]) -> Vec<u8> {
    reply("200 OK", "", file)
}

/// An answer of this status, with these lines in its header.
pub fn reply(status: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The answer of a server that hangs up before the last `missing` bytes.
pub fn cut(mut answer: Vec<u8>, missing: usize) -> Vec<u8> {
    answer.truncate(answer.len() - missing);
    answer
}
