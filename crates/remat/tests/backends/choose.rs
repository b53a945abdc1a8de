//! What settings lead to, and what they are refused with.

use remat::{
    backend::{BackendSettings, KINDS, connect},
    error::{Error, ErrorKind},
};

async fn refused(kind: &str, url: Option<&str>) -> Error {
    let settings = BackendSettings { kind: kind.into(), url: url.map(Into::into), prefix: None };
    connect(&settings).await.err().expect("nothing to connect to")
}

#[tokio::test]
async fn unknown_kind_is_told_with_those_that_are_known() {
    let error = refused("kafka", None).await;
    assert_eq!(error.kind(), ErrorKind::InvalidSettings);
    assert!(KINDS.iter().all(|kind| error.to_string().contains(kind)), "{error}");
}

#[tokio::test]
async fn broker_without_a_url_is_told_where_to_write_it() {
    for kind in ["redis", "sidekiq", "rabbitmq"] {
        let error = refused(kind, None).await;
        assert_eq!(error.kind(), ErrorKind::InvalidSettings);
        assert!(error.to_string().contains("url_env in [backend] of remat.toml"), "{error}");
    }
}

#[tokio::test]
async fn url_that_cannot_be_read_is_an_error_without_the_password() {
    for (kind, url) in [
        ("redis", "http://u:hunter2@localhost"),
        ("sidekiq", "redis:/u:hunter2@localhost:99999"),
        ("rabbitmq", "amqp//u:hunter2@localhost"),
        ("rabbitmq", "http://u:hunter2@localhost"),
    ] {
        let error = refused(kind, Some(url)).await;
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{url}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn broker_that_nobody_runs_is_a_clear_error_without_the_password() {
    for (kind, url) in [
        ("redis", "redis://u:hunter2@127.0.0.1:1/0"),
        ("sidekiq", "redis://u:hunter2@127.0.0.1:1/0"),
        ("rabbitmq", "amqp://u:hunter2@127.0.0.1:1/%2f"),
    ] {
        let error = refused(kind, Some(url)).await;
        assert_eq!(error.kind(), ErrorKind::Connection);
        let text = error.to_string();
        assert!(text.starts_with("could not connect to R") && text.contains("127.0.0.1:1/"), "{text}");
        assert!(text.contains("efused") && text.contains("hint: ") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn settings_do_not_show_the_url() {
    let settings = BackendSettings {
        kind: "redis".into(),
        url: Some("redis://u:hunter2@localhost".into()),
        prefix: Some("shop".into()),
    };
    assert_eq!(
        format!("{settings:?}"),
        r#"BackendSettings { kind: "redis", url: Some(".."), prefix: Some("shop") }"#
    );
}
