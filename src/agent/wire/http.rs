//! One HTTP/1.1 request, its answer read to the end so that no server logs a
//! broken pipe. The text of both is shared with the asynchronous client.

use std::io;

use super::socket::Stream;

/// More than any answer that is asked for here; a server that sends on is cut.
const ANSWER_LIMIT_BYTES: usize = 4 << 20;
const HEAD_LIMIT_BYTES: usize = 16 << 10;

#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Sends a request without a body and reads the whole answer.
pub fn request(
    mut stream: impl Stream,
    method: &str,
    host: &str,
    path: &str,
) -> io::Result<Answer> {
    stream.write_all(question(method, host, path, None).as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::with_capacity(4096);
    let mut buffer = [0; 4096];
    while !is_complete(&answer) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            // A server that closes without TLS's own goodbye has answered too.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    parse(&answer)
}

/// The text of a request; a body is JSON.
pub fn question(method: &str, host: &str, path: &str, body: Option<&str>) -> String {
    let announced = match body {
        Some(body) => format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        ),
        None if method == "POST" => "Content-Length: 0\r\n".to_owned(),
        None => String::new(),
    };
    let body = body.unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: scalectl\r\nAccept: */*\r\n{announced}Connection: close\r\n\r\n{body}"
    )
}

/// Reads a whole answer.
pub fn parse(answer: &[u8]) -> io::Result<Answer> {
    parse_whole(answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a whole HTTP answer"))
}

fn parse_whole(answer: &[u8]) -> Option<Answer> {
    let (head, body) = split_head(answer)?;
    let status = status(&head)?;
    let body = match header(&head, "content-length") {
        Some(length) => body.get(..length.parse().ok()?)?.to_vec(),
        None if is_chunked(&head) => unchunk(body)?,
        None => body.to_vec(),
    };
    Some(Answer { status, body })
}

fn split_head(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer
        .windows(4)
        .take(HEAD_LIMIT_BYTES)
        .position(|four| four == b"\r\n\r\n")?;
    Some((
        String::from_utf8_lossy(&answer[..end]).into_owned(),
        &answer[end + 4..],
    ))
}

fn status(head: &str) -> Option<u16> {
    let code = head
        .lines()
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?;
    code.parse().ok().filter(|code| (100..600).contains(code))
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

fn is_chunked(head: &str) -> bool {
    header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
}

/// Whether to stop reading: all that the head announced is there (without a
/// length: never), or it is more than anybody should send.
pub fn is_complete(answer: &[u8]) -> bool {
    if answer.len() >= ANSWER_LIMIT_BYTES {
        return true;
    }
    let Some((head, body)) = split_head(answer) else {
        return answer.len() > HEAD_LIMIT_BYTES;
    };
    match header(&head, "content-length") {
        Some(length) => length
            .parse()
            .is_ok_and(|length: usize| body.len() >= length),
        None => is_chunked(&head) && unchunk(body).is_some(),
    }
}

/// The content of a chunked body; nothing while its last chunk is missing.
fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&body[..line]).ok()?.split(';').next()?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        body = &body[line + 2..];
        if length == 0 {
            return Some(content);
        }
        content.extend_from_slice(body.get(..length)?);
        body = body.get(length.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_announced_end() {
        assert!(!is_complete(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"
        ));
        assert!(is_complete(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"
        ));
        assert!(!is_complete(b"HTTP/1.1 200 OK\r\n\r\nwho knows"));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert!(is_complete(chunked));
        assert!(!is_complete(&chunked[..chunked.len() - 8]));
        assert_eq!(
            parse_whole(chunked),
            Some(Answer {
                status: 200,
                body: b"abc0123456789".to_vec()
            })
        );
    }

    #[test]
    fn an_answer_cut_short_or_no_http_at_all_is_no_answer() {
        assert_eq!(
            parse_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            None
        );
        assert_eq!(parse_whole(b"SSH-2.0-x\r\n\r\n"), None);
        assert_eq!(
            parse_whole(b"HTTP/1.0 503 Service Unavailable\r\n\r\nno").map(|answer| answer.status),
            Some(503)
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_not_and_never_panic(bytes in "(HTTP/1.1 200 OK\r\n)?([ -~]{0,20}\r\n|Transfer-Encoding: chunked\r\n|\r\n|[0-9a-fA-F]{1,17}\r\n){0,8}") {
            let _ = (parse_whole(bytes.as_bytes()), is_complete(bytes.as_bytes()));
        }
    }
}
