use super::*;

fn place(origin: Origin) -> Place {
    Place {
        kind: Kind::Unix("/nowhere/docker.sock".into()),
        origin,
    }
}

#[test]
fn a_taken_port_is_found_in_every_form_that_engines_use() {
    for (message, address, port) in [
        (
            "driver failed programming external connectivity on endpoint shop-edge-1 (0a1b): Bind for 0.0.0.0:8080 failed: port is already allocated",
            "0.0.0.0",
            8080,
        ),
        (
            "driver failed programming external connectivity on endpoint shop-edge-1 (0a1b): Error starting userland proxy: listen tcp4 127.0.0.1:443: bind: address already in use",
            "127.0.0.1",
            443,
        ),
        (
            "failed to set up container networking: driver failed programming external connectivity on endpoint edge (0a1b): failed to bind host port for 0.0.0.0:9090:172.18.0.2:9090/tcp: address already in use",
            "0.0.0.0",
            9090,
        ),
        (
            "failed to set up container networking: driver failed programming external connectivity on endpoint edge (0a1b): failed to bind host port 0.0.0.0:9090/tcp: address already in use",
            "0.0.0.0",
            9090,
        ),
        (
            "failed to bind host port [::1]:9090/tcp: address already in use",
            "::1",
            9090,
        ),
    ] {
        assert_eq!(
            taken_port(message),
            Some((address.to_owned(), port)),
            "{message}"
        );
    }
    assert_eq!(
        taken_port("no such container: 10.0.0.1:80"),
        None,
        "another error is not about a port"
    );
}

#[test]
fn an_exhausted_address_pool_is_known_in_old_and_new_words() {
    for message in [
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
    ] {
        assert!(is_addresses_exhausted(message), "{message}");
    }
}

#[test]
fn a_full_disk_is_told_whatever_the_call_was() {
    let fault = Fault::Answered {
        status: 500,
        message: "write /var/lib: no space left on device".to_owned(),
    };
    let error = fault.into_error(&place(Origin::Default), "create db-1", Effect::Changes);
    assert!(matches!(error, EngineError::DiskFull { action } if action == "create db-1"));
}

#[test]
fn a_lost_answer_is_unknown_for_a_change_and_unreachable_for_a_look() {
    let lost = || Fault::Lost(Box::new(io::Error::other("reset")));
    let place = place(Origin::Default);
    assert!(
        lost()
            .into_error(&place, "start db-1", Effect::Changes)
            .is_unknown()
    );
    let look = lost().into_error(&place, "tell what is there", Effect::Reads);
    assert!(
        matches!(look, EngineError::Unreachable { .. }),
        "nothing can have changed: {look}"
    );
    let unsent = Fault::Unsent(io::Error::from(io::ErrorKind::ConnectionRefused));
    let error = unsent.into_error(&place, "start db-1", Effect::Changes);
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "it was never sent: {error}"
    );
}

#[test]
fn no_permission_on_the_socket_is_told_apart_from_no_engine() {
    let fault = Fault::Unsent(io::Error::from(io::ErrorKind::PermissionDenied));
    let error = fault.into_error(&place(Origin::Default), "tell its version", Effect::Reads);
    assert_eq!(
        error.to_string(),
        "no permission to use the Docker engine at unix:///nowhere/docker.sock"
    );
}

#[test]
fn the_hint_follows_who_named_the_address() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    for (origin, part) in [
        (Origin::Default, "systemctl start docker"),
        (Origin::Variable, "DOCKER_HOST points there"),
        (Origin::Context("far".to_owned()), "docker context `far`"),
    ] {
        let hint = hint(&place(origin), &refused);
        assert!(hint.contains(part), "`{hint}` does not say `{part}`");
    }
}
