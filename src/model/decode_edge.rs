//! Decoding of the section `edge`, and of every port that is published.
//!
//! Next: `decode.rs` (the file as a whole).

use std::net::IpAddr;

use crate::app::{Certificate, Edge};
use crate::cause::Cause;
use crate::fields::{Decode, Fields, Reader};
use crate::mistakes::Mistake;
use crate::node::Node;
use crate::units::{HostName, Port, Text};
use crate::values::ExistingFile;

impl Decode for Edge {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let http = published(&mut fields, "http", "edge.http", Self::default_http());
        let https = published(&mut fields, "https", "edge.https", Self::default_https());
        let address = fields.optional::<Address>("address");
        let host = fields.optional::<HostName>("host");
        let certificate = fields.optional("certificate");
        let by_name = fields.reader.name.as_ref().map(HostName::of_app);
        fields.close();
        Some(Self {
            http,
            https,
            address: address.map_or(Self::default_address(), |Address(address)| address),
            host: host.or(by_name)?,
            certificate,
        })
    }
}

struct Address(IpAddr);

impl Text for Address {
    const EXPECTED: &'static str = "an IP address";

    fn parse(text: &str) -> Result<Self, Cause> {
        text.parse().map(Self).map_err(|_| Cause::BadAddress {
            address: text.to_owned(),
        })
    }
}

impl Decode for Certificate {
    fn decode(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = Fields::open(node, reader)?;
        let file = fields.required::<ExistingFile>("file", "the PEM file with the certificate");
        let key = fields.required::<ExistingFile>("key", "the PEM file with the private key");
        let at = fields.at();
        fields.close();
        let (ExistingFile(file), ExistingFile(key)) = (file?, key?);
        if let Some(problem) = reader.facts.certificate_problem(&file, &key) {
            let cause = Cause::BadCertificate { file, problem };
            reader.report(cause, at, "this certificate and key");
            return None;
        }
        Some(Self { file, key })
    }
}

/// A published port, remembered so that no other takes it.
pub(crate) fn published(
    fields: &mut Fields<'_, '_, '_>,
    key: &'static str,
    path: &'static str,
    default: Port,
) -> Port {
    let wrong_before = fields.reader.mistakes.len();
    let (port, at) = fields.spanned(key, default);
    if fields.reader.mistakes.len() == wrong_before {
        fields.reader.ports.push((path, port.get(), at));
    }
    port
}

/// Every published port must be its own, said or by default.
pub(crate) fn report_ports_used_twice(reader: &mut Reader<'_>) {
    let ports = std::mem::take(&mut reader.ports);
    for (i, &(second, port, second_at)) in ports.iter().enumerate() {
        let Some(&(first, _, first_at)) = ports[..i].iter().find(|(_, other, _)| *other == port)
        else {
            continue;
        };
        let hint = match (first_at, second_at) {
            (Some(_), Some(_)) => format!("give `{first}` or `{second}` another port"),
            (None, _) => {
                format!("{port} is the default of `{first}`: say another port for one of them")
            }
            (_, None) => {
                format!("{port} is the default of `{second}`: say another port for one of them")
            }
        };
        let Some(at) = second_at.or(first_at) else {
            continue;
        };
        let mut mistake = Mistake::new(
            Cause::PortUsedTwice {
                port,
                first,
                second,
                hint,
            },
            at,
            "used twice",
        );
        if let (Some(first_at), Some(_)) = (first_at, second_at) {
            mistake = mistake.also(first_at, "first here");
        }
        reader.mistakes.push(mistake);
    }
}
