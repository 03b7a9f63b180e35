//! `http://host:port/path`, no more than probes and members need.

use std::fmt;
use std::str::FromStr;

use super::address::Address;

/// `http://host[:port]/path` or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub is_tls: bool,
    pub host: String,
    pub port: u16,
    pub path: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a URL like http://host:port/path")]
pub struct UrlError(String);

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let refuse = || UrlError(text.to_owned());
        let (is_tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(refuse()),
        };
        let (place, path) = rest
            .find('/')
            .map_or((rest, "/"), |slash| rest.split_at(slash));
        if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(refuse());
        }
        let default = if is_tls { ":443" } else { ":80" };
        let address = place
            .parse()
            .or_else(|_| format!("{place}{default}").parse())
            .map_err(|_| refuse())?;
        match address {
            Address::Tcp { host, port } => Ok(Self {
                is_tls,
                host,
                port,
                path: path.to_owned(),
            }),
            Address::Unix(_) => Err(refuse()),
        }
    }
}

impl Url {
    /// Where it points, as an address.
    pub fn address(&self) -> Address {
        Address::Tcp {
            host: self.host.clone(),
            port: self.port,
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(to, "{scheme}://{}{}", self.address(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_their_default_ports() {
        let url: Url = "https://db-1:8008/health?x=1".parse().unwrap();
        assert_eq!(
            url,
            Url {
                is_tls: true,
                host: "db-1".to_owned(),
                port: 8008,
                path: "/health?x=1".to_owned()
            }
        );
        assert_eq!(
            "http://a".parse::<Url>().unwrap().to_string(),
            "http://a:80/"
        );
        assert_eq!(
            "https://[::1]/x".parse::<Url>().unwrap().to_string(),
            "https://[::1]:443/x"
        );
        for text in [
            "a:80",
            "ftp://a/",
            "http://",
            "http://a:b/",
            "http://a/ b",
            "http://a/\r\nX: y",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text:?} was taken for a URL");
        }
    }
}
