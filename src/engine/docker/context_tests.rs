use super::*;

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: Some(folder.to_owned()),
        ..Settings::default()
    }
}

fn write_context(folder: &Path, name: &str, host: &str) {
    let id = hex(&Sha256::digest(name.as_bytes()));
    let meta = folder.join("contexts/meta").join(&id);
    std::fs::create_dir_all(&meta).unwrap();
    let text = format!(
        r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
    );
    std::fs::write(meta.join("meta.json"), text).unwrap();
    let tls = folder.join("contexts/tls").join(&id).join("docker");
    std::fs::create_dir_all(&tls).unwrap();
    std::fs::write(tls.join("ca.pem"), "").unwrap();
}

fn shown(settings: &Settings) -> String {
    settings.place().unwrap().shown()
}

#[test]
fn the_order_is_host_then_context_variable_then_current_context_then_the_socket() {
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(home.path());
    assert_eq!(
        shown(&settings),
        "unix:///var/run/docker.sock",
        "nothing says otherwise"
    );

    write_context(home.path(), "current", "unix:///current.sock");
    write_context(home.path(), "variable", "unix:///variable.sock");
    std::fs::write(
        home.path().join("config.json"),
        r#"{"currentContext":"current"}"#,
    )
    .unwrap();
    assert_eq!(shown(&settings), "unix:///current.sock");

    settings.context = Some("variable".to_owned());
    assert_eq!(shown(&settings), "unix:///variable.sock");

    settings.context = Some("default".to_owned());
    assert_eq!(
        shown(&settings),
        "unix:///var/run/docker.sock",
        "`default` is the socket"
    );

    settings.host = Some("tcp://192.0.2.1".to_owned());
    assert_eq!(shown(&settings), "tcp://192.0.2.1:2375");
}

#[test]
fn a_context_that_does_not_exist_is_named_with_where_to_look() {
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(home.path());
    settings.context = Some("prod".to_owned());
    let error = settings.place().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the docker context `prod` names no engine that can be used: it does not exist (`docker context ls` lists them)"
    );
}

#[test]
fn a_context_brings_its_own_tls_files() {
    let home = tempfile::tempdir().unwrap();
    write_context(home.path(), "far", "tcp://engine.example:2376");
    let mut settings = settings(home.path());
    settings.context = Some("far".to_owned());
    let Kind::Tcp { tls: Some(tls), .. } = settings.place().unwrap().kind else {
        panic!("expected TLS")
    };
    assert!(tls.authority.is_some(), "the context has a ca.pem");
    assert!(tls.certificate.is_none(), "the context has no cert.pem");
    assert!(tls.verify);
}

#[test]
fn tls_verify_makes_tcp_a_tls_connection_on_2376() {
    let settings = Settings {
        host: Some("tcp://engine.example".to_owned()),
        tls_verify: true,
        ..Settings::default()
    };
    let Kind::Tcp {
        port,
        tls: Some(tls),
        ..
    } = settings.place().unwrap().kind
    else {
        panic!("expected TLS")
    };
    assert_eq!((port, tls.verify), (2376, true));
}

#[test]
fn addresses_are_read_in_all_of_dockers_forms() {
    for (host, expected) in [
        ("unix:///run/other.sock", "unix:///run/other.sock"),
        ("tcp://localhost:2375/", "tcp://localhost:2375"),
        ("tcp://[::1]:4000", "tcp://[::1]:4000"),
        ("192.0.2.7:2375", "tcp://192.0.2.7:2375"),
        ("ssh://me@engine.example", "ssh://me@engine.example"),
    ] {
        let settings = Settings {
            host: Some(host.to_owned()),
            ..Settings::default()
        };
        assert_eq!(shown(&settings), expected, "{host}");
    }
}

#[test]
fn what_cannot_be_an_address_is_refused_with_the_reason() {
    for (host, reason) in [
        ("npipe:////./pipe/docker", "`npipe://` is not spoken here"),
        ("tcp://host:port", "is not host:port"),
        ("tcp://", "is not host:port"),
        ("ssh://me:secret@host", "use a key"),
        ("ssh://-oProxyCommand=x", "is not a host"),
    ] {
        let settings = Settings {
            host: Some(host.to_owned()),
            ..Settings::default()
        };
        let text = settings.place().unwrap_err().to_string();
        assert!(
            text.contains(reason),
            "{host}: `{text}` does not say `{reason}`"
        );
        assert!(!text.contains("secret"), "a password must not be repeated");
    }
}

#[test]
fn ssh_gets_user_and_port_as_arguments_and_never_an_option() {
    let settings = Settings {
        host: Some("ssh://me@engine.example:2222".to_owned()),
        ..Settings::default()
    };
    let Kind::Ssh { target, .. } = settings.place().unwrap().kind else {
        panic!("expected ssh")
    };
    assert_eq!(target, ["-l", "me", "-p", "2222", "--", "engine.example"]);
}
