//! Why a run of the floor is no measurement.

/// Every fault ends the run.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    #[error("usage: {0}")]
    Usage(&'static str),
    #[error("read {file}: {source}")]
    Read {
        file: String,
        source: std::io::Error,
    },
    #[error("{0}")]
    Document(Box<scalectl_documents::DocumentError>),
    #[error("DOCKER_HOST is {0}; the floor speaks only to unix:// sockets")]
    Host(String),
    #[error("speak to the engine: {0}")]
    Wire(std::io::Error),
    #[error("{method} {path}: status {status}: {message}")]
    Refused {
        method: &'static str,
        path: String,
        status: u16,
        message: String,
    },
    #[error("{container} ended with {code} before it was well")]
    Ended { container: String, code: i64 },
    #[error("the stream of events ended")]
    Blind,
}
