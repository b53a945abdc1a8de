//! `[alerts]`, `[alerts.rules.<name>]` and `[destinations.<name>]`: what is worth a message, and where messages go.
//!
//! Law: everything may be absent; then the rules have their defaults and nothing is sent. A rule whose name is that of a
//! kind changes the rule of that kind; any other names its kind, and the views that it is for. A secret is named by
//! `*_env` or `*_file` and never written.

use std::time::Duration;

use super::{ProjectDefaults, session, table::Table};
use crate::{
    alert::{
        All, Destination, MAIN, Mail, MailTls, Reach, Route, RouteKind, Rule, RuleKind, SecretRef, Severity,
    },
    error::{Error, ErrorKind},
    name::RelationName,
};

/// What a project says of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSettings {
    /// What concerns all rules, if the file says.
    pub all: Option<All>,
    /// Rules that differ from the defaults, by name.
    pub rules: Vec<(String, Rule)>,
    /// Where messages go, by name.
    pub destinations: Vec<Destination>,
}

const RULE_KEYS: [&str; 12] = [
    "kind",
    "enabled",
    "severity",
    "views",
    "tags",
    "destinations",
    "failures",
    "over_percent",
    "samples",
    "at_least",
    "grace",
    "silence",
];

const DESTINATION_KEYS: [&str; 17] = [
    "kind",
    "url",
    "url_env",
    "url_file",
    "secret",
    "secret_env",
    "secret_file",
    "allow_private",
    "allow_http",
    "host",
    "port",
    "tls",
    "username",
    "password_env",
    "password_file",
    "from",
    "to",
];

pub(super) fn alerts(root: &Table<'_, '_>, defaults: &ProjectDefaults) -> Result<AlertSettings, Error> {
    let table = root.table("alerts", &["enabled", "resolved", "public_url", "rules"])?;
    let mut destinations = Vec::new();
    for (name, table) in root.named_tables("destinations", &DESTINATION_KEYS)? {
        destinations.push(Destination { route: route(&table)?, name });
    }
    let Some(table) = table else { return Ok(AlertSettings { destinations, ..AlertSettings::default() }) };
    let plain = All::default();
    let all = All {
        enabled: table.boolean("enabled")?.unwrap_or(plain.enabled),
        resolved: table.boolean("resolved")?.unwrap_or(plain.resolved),
        public_url: table.read("public_url", public_url)?,
    };
    let mut rules = Vec::new();
    for (name, table) in table.named_tables("rules", &RULE_KEYS)? {
        let rule = rule(&name, &table, defaults)?;
        let unknown =
            rule.destinations.iter().find(|to| !destinations.iter().any(|known| known.name == **to));
        if let Some(unknown) = unknown {
            let error = table.error("destinations", format!("there is no destination \"{unknown}\""));
            return Err(error.with_hint(format!("Write [destinations.{unknown}].")));
        }
        rules.push((name, rule));
    }
    let is_said = table.has("enabled") || table.has("resolved") || table.has("public_url");
    Ok(AlertSettings { all: is_said.then_some(all), rules, destinations })
}

fn rule(name: &str, table: &Table<'_, '_>, defaults: &ProjectDefaults) -> Result<Rule, Error> {
    let of_name = name.parse::<RuleKind>().ok();
    let written = table.read("kind", str::parse::<RuleKind>)?;
    let kind = match (of_name, written) {
        (Some(of_name), Some(written)) if of_name != written => {
            return Err(table.error("kind", format!("the rule \"{name}\" cannot be of kind {written}")));
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => {
            let kinds: Vec<&str> = RuleKind::ALL.iter().map(|kind| kind.as_str()).collect();
            return Err(table
                .error("kind", format!("the rule \"{name}\" does not say its kind"))
                .with_hint(format!("The kinds are {}.", kinds.join(", "))));
        }
    };
    let plain = Rule::new(kind);
    let text = |text: &str| Ok(text.to_owned());
    let view =
        |typed: &str| RelationName::parse(typed, defaults.schema.as_str()).map(|name| name.to_string());
    let rule = Rule {
        kind,
        enabled: table.boolean("enabled")?.unwrap_or(plain.enabled),
        severity: table.read("severity", str::parse::<Severity>)?.unwrap_or(plain.severity),
        views: table.read_list("views", view)?.unwrap_or_default(),
        tags: table.read_list("tags", text)?.unwrap_or_default(),
        destinations: table.read_list("destinations", text)?.unwrap_or_default(),
        failures: table.positive("failures")?.unwrap_or(plain.failures),
        over_percent: table.integer("over_percent", 100..=100_000)?.unwrap_or(plain.over_percent),
        samples: table.integer("samples", 1..=100)?.unwrap_or(plain.samples),
        at_least_ms: milliseconds(table, "at_least")?.unwrap_or(plain.at_least_ms),
        grace_ms: milliseconds(table, "grace")?.unwrap_or(plain.grace_ms),
        silence_ms: milliseconds(table, "silence")?.unwrap_or(plain.silence_ms),
    };
    let is_particular = !rule.views.is_empty() || !rule.tags.is_empty();
    match (of_name, is_particular) {
        (None, false) => Err(table
            .error("kind", format!("the rule \"{name}\" does not say which views it is for"))
            .with_hint(format!(
                "Write views or tags, or call it \"{kind}\" to change the rule for all views."
            ))),
        (Some(_), true) => Err(table
            .error("views", format!("the rule \"{name}\" is for all views"))
            .with_hint(format!("Give the rule for some views a name of its own, and kind = \"{kind}\"."))),
        (None, true) if !kind.is_of_views() => {
            Err(table.error("kind", format!("a rule of kind {kind} is not about views")))
        }
        _ => Ok(rule),
    }
}

fn route(table: &Table<'_, '_>) -> Result<Route, Error> {
    let kind = table.require("kind", str::parse::<RouteKind>)?;
    let of_mail = ["host", "port", "tls", "username", "password_env", "password_file", "from", "to"];
    let of_web = ["url_env", "url_file", "secret_env", "secret_file", "allow_private", "allow_http"];
    for key in ["url", "secret"] {
        if table.has(key) {
            let hint = format!("Write {key}_env, the variable that holds it, or {key}_file.");
            return Err(table
                .error(key, format!("the {key} of a destination is not written here"))
                .with_detail("It is a secret, and what stands here is kept in the database.")
                .with_hint(hint));
        }
    }
    let strange = if kind == RouteKind::Email { &of_web[..] } else { &of_mail[..] };
    if let Some(key) = strange.iter().find(|key| table.has(key)) {
        return Err(table.error(key, format!("a destination of kind {kind} takes no \"{key}\"")));
    }
    let reach = Reach {
        allow_private: table.boolean("allow_private")?.unwrap_or_default(),
        allow_http: table.boolean("allow_http")?.unwrap_or_default(),
    };
    let url = || {
        secret(table, "url_env", "url_file")?
            .ok_or_else(|| table.error("kind", "neither \"url_env\" nor \"url_file\" is given"))
    };
    match kind {
        RouteKind::Webhook => {
            Ok(Route::Webhook { url: url()?, secret: secret(table, "secret_env", "secret_file")?, reach })
        }
        RouteKind::Slack => Ok(Route::Slack { url: url()?, reach }),
        RouteKind::Email => mail(table).map(Route::Email),
    }
}

fn mail(table: &Table<'_, '_>) -> Result<Mail, Error> {
    let text = |text: &str| Ok(text.to_owned());
    let tls = table.read("tls", str::parse::<MailTls>)?.unwrap_or(MailTls::Starttls);
    let usual = match tls {
        MailTls::Starttls => 587,
        MailTls::Tls => 465,
        MailTls::None => 25,
    };
    let mail = Mail {
        host: table.require("host", text)?,
        port: table.integer("port", 1..=u16::MAX)?.unwrap_or(usual),
        tls,
        username: table.read("username", text)?,
        password: secret(table, "password_env", "password_file")?,
        from: table.require("from", address)?,
        to: table.read_list("to", address)?.unwrap_or_default(),
    };
    if mail.to.is_empty() {
        return Err(table.error("to", "\"to\" names nobody"));
    }
    if mail.username.is_some() != mail.password.is_some() {
        return Err(table
            .error("username", "a username and a password belong together")
            .with_hint("Write username, and password_env or password_file."));
    }
    Ok(mail)
}

fn secret(table: &Table<'_, '_>, env: &str, file: &str) -> Result<Option<SecretRef>, Error> {
    let some = |text: &str| match text.trim() {
        "" => Err(Error::new(ErrorKind::InvalidSettings, "the text must not be empty")),
        text => Ok(text.to_owned()),
    };
    match (table.read(env, some)?, table.read(file, some)?) {
        (Some(_), Some(_)) => Err(table.error(env, format!("both \"{env}\" and \"{file}\" are given"))),
        (Some(name), None) => Ok(Some(SecretRef::Env(name))),
        (None, Some(path)) => Ok(Some(SecretRef::File(path))),
        (None, None) => Ok(None),
    }
}

fn address(text: &str) -> Result<String, Error> {
    if !text.contains('@') || text.contains(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidSettings, format!("\"{text}\" is not a mail address")));
    }
    Ok(text.to_owned())
}

fn public_url(text: &str) -> Result<String, Error> {
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if !is_url || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::new(
            ErrorKind::InvalidSettings,
            format!("\"{text}\" is not the address of a page"),
        )
        .with_hint("Write https://remat.example.org."));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn milliseconds(table: &Table<'_, '_>, key: &str) -> Result<Option<u64>, Error> {
    let read = table.read(key, |text| {
        let read = session::duration(text)?;
        Duration::try_from(read).map_err(|_| {
            Error::new(ErrorKind::InvalidSettings, format!("\"{text}\" is not a length of time"))
        })
    })?;
    Ok(read.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

/// What a project writes as rows: the rules by name, what concerns them all under `*`.
pub(crate) fn rows(settings: &AlertSettings) -> Vec<(String, serde_json::Value)> {
    let all = settings.all.iter().map(|all| (MAIN.to_owned(), serde_json::json!(all)));
    let rules = settings.rules.iter().map(|(name, rule)| (name.clone(), serde_json::json!(rule)));
    all.chain(rules).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::parse_settings;

    fn read(text: &str) -> Result<AlertSettings, String> {
        let settings = parse_settings(&format!("[project]\nname = \"shop\"\n{text}"));
        settings.map(|settings| settings.alerts).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_stands_over_the_defaults() {
        let settings = read(
            "[alerts]\npublic_url = \"https://remat.example.org/\"\n[alerts.rules.slow]\nover_percent = 300\n\
             [alerts.rules.reports]\nkind = \"stale\"\ntags = [\"report\"]\ngrace = \"1h\"\ndestinations = [\"ops\"]\n\
             [destinations.ops]\nkind = \"webhook\"\nurl_env = \"OPS_URL\"\nsecret_file = \"/run/secret\"\n\
             [destinations.mail]\nkind = \"email\"\nhost = \"mx\"\nfrom = \"a@b.org\"\nto = [\"c@d.org\"]\n",
        )
        .unwrap();
        assert_eq!(settings.all.unwrap().public_url.as_deref(), Some("https://remat.example.org"));
        let by_name: std::collections::BTreeMap<_, _> = settings.rules.into_iter().collect();
        assert_eq!((by_name["slow"].over_percent, by_name["slow"].at_least_ms), (300, 10_000));
        assert_eq!((by_name["reports"].kind, by_name["reports"].grace_ms), (RuleKind::Stale, 3_600_000));
        let kinds: Vec<_> =
            settings.destinations.iter().map(|to| (to.name.as_str(), to.route.kind().as_str())).collect();
        assert_eq!(kinds, [("mail", "email"), ("ops", "webhook")]);
    }

    #[test]
    fn a_secret_is_not_written() {
        for key in ["url", "secret"] {
            let text = format!("[destinations.ops]\nkind = \"webhook\"\nurl_env = \"X\"\n{key} = \"hush\"\n");
            let error = read(&text).unwrap_err();
            assert!(error.contains(&format!("the {key} of a destination is not written here")), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (text, part) in [
            ("[alerts.rules.nightly]\nfailures = 2", "does not say its kind"),
            ("[alerts.rules.nightly]\nkind = \"stale\"", "does not say which views"),
            ("[alerts.rules.stale]\ntags = [\"a\"]", "is for all views"),
            ("[alerts.rules.stale]\nkind = \"slow\"", "cannot be of kind slow"),
            ("[alerts.rules.w]\nkind = \"worker_lost\"\ntags = [\"a\"]", "is not about views"),
            ("[alerts.rules.stale]\ndestinations = [\"ops\"]", "there is no destination \"ops\""),
            ("[destinations.a]\nkind = \"slack\"", "neither \"url_env\" nor \"url_file\""),
            ("[destinations.a]\nkind = \"slack\"\nurl_env = \"X\"\nport = 1", "takes no \"port\""),
            ("[destinations.a]\nkind = \"email\"\nhost = \"x\"\nfrom = \"a@b\"", "names nobody"),
            ("[destinations.a]\nkind = \"pigeon\"", "is not one of: webhook, slack, email"),
            ("[alerts]\npublic_url = \"remat.example.org\"", "is not the address of a page"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part) && error.starts_with("remat.toml:"), "{error}");
        }
    }
}
