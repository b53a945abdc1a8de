//! What a project folder may say, and what it is told when it says something else.

use std::{fs, path::PathBuf};

use super::*;
use crate::{
    name::{Identifier, RelationName},
    run::RowCount,
    view::Strategy,
};

fn view(file: &str, text: &str) -> Result<Definition, Error> {
    parse_view(file, text, &ProjectDefaults::default())
}

fn refused(options: &str) -> (String, String) {
    let text = format!("/* remat\n{options}\n*/\nselect 1 as a");
    let complaint = view("views/v.sql", &text).unwrap_err().complaint().clone();
    (complaint.primary, complaint.hint.unwrap_or_default())
}

/// A folder of its own under the system's temporary one, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("remat-project-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(root)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SHOP: &str = "[project]\nname = \"shop\"\n";

#[test]
fn every_key_of_a_view_is_read() {
    let text = r#"/* remat
name = "Weird \"x\""
schema = "Sales"
strategy = "merge"
key = ["Day", "shop"]
indexes = [{ columns = ["total"] }, { columns = ["a", "b"], unique = true, method = "hash" }]
schedule = "0-59/5 * * * *"
zone = "Europe/Berlin"
target_lag = "5 min"
row_count = "exact"
tags = ["audience"]
owner = "Reporter"
description = "Per day."
renamed_from = "old.\"Daily\""
time_zone = "Asia/Tokyo"
search_path = ["shop", "public"]
lock_timeout = "20ms"
lock_budget = "1 min"
statement_timeout = "1h"
parameters = { work_mem = "1GB", jit = false, random_page_cost = 1.1 }

[publish]
key = "leaderboard:{day}"
member = "Shop"
score = "total"
limit = 100
*/
select 1 as a; -- the end"#;
    let view = view("views/x.sql", text).unwrap();
    assert_eq!((view.name.schema.as_str(), view.name.name.as_str()), ("Sales", "Weird \"x\""));
    assert_eq!((view.strategy, view.row_count), (Strategy::Merge, RowCount::Exact));
    assert_eq!(view.key.iter().map(Identifier::as_str).collect::<Vec<_>>(), ["Day", "shop"]);
    assert_eq!(
        (view.indexes.len(), view.indexes[0].unique, view.indexes[1].method.as_str()),
        (2, false, "hash")
    );
    assert_eq!(
        (view.schedule.as_deref(), view.schedule_zone.as_str()),
        (Some("0-59/5 * * * *"), "Europe/Berlin")
    );
    assert_eq!((view.target_lag_s, view.tags), (Some(300), vec!["audience".to_owned()]));
    let publish = view.publish.unwrap();
    assert_eq!(publish.to_string(), "leaderboard:{day} (top 100 \"Shop\" by total)");
    assert_eq!((publish.member.as_str(), publish.limit), ("Shop", Some(100)));
    assert_eq!(view.owner.unwrap().as_str(), "Reporter");
    assert_eq!(view.renamed_from, Some(RelationName::new("old", "Daily").unwrap()));
    assert_eq!(view.query, "select 1 as a");
    let settings = view.settings;
    assert_eq!((settings.time_zone.as_str(), settings.search_path.len()), ("Asia/Tokyo", 2));
    assert_eq!(
        (settings.lock_timeout_ms, settings.lock_budget_ms, settings.statement_timeout_ms),
        (20, 60_000, 3_600_000)
    );
    let parameters: Vec<_> =
        settings.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(parameters, ["jit=false", "random_page_cost=1.1", "work_mem=1GB"]);
}

#[test]
fn a_file_without_options_takes_all_from_its_name_and_the_project() {
    let settings = parse_settings(
        "[project]\nname = \"shop\"\nschema = \"Shop\"\ntime_zone = \"Europe/Berlin\"\nlock_timeout = \"20ms\"\n\
         [project.parameters]\nwork_mem = \"64MB\"\n",
    )
    .unwrap();
    let view = parse_view("views/deep/Daily Sales.sql", "-- plain\nselect 1", &settings.defaults).unwrap();
    assert_eq!((view.name.schema.as_str(), view.name.name.as_str()), ("Shop", "Daily Sales"));
    assert_eq!((view.settings.lock_timeout_ms, view.settings.parameters["work_mem"].as_str()), (20, "64MB"));
    assert_eq!((view.schedule_zone.as_str(), view.strategy), ("Europe/Berlin", Strategy::Auto));
}

#[test]
fn the_stem_of_a_file_names_schema_and_name() {
    let name = |file: &str, text: &str| view(file, text).map(|view| view.name.to_string());
    assert_eq!(name("views/sales.daily.sql", "select 1").unwrap(), "sales.daily");
    assert_eq!(name("views/sales/daily.sql", "select 1").unwrap(), "public.daily");
    assert_eq!(name("views/sales.daily.sql", "/* remat\nschema = \"s\"\n*/ select 1").unwrap(), "s.daily");
    assert_eq!(name("views/a.b.c.sql", "/* remat\nname = \"n\"\n*/ select 1").unwrap(), "a.n");
    let error = name("views/a.b.c.sql", "select 1").unwrap_err();
    assert_eq!(error.complaint().primary, "views/a.b.c.sql:1: the name \"a.b.c\" has more than one dot");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let (primary, hint) = refused("key = [\"a\"]\nstratgy = \"swap\"");
    assert_eq!(primary, "views/v.sql:3: unknown key \"stratgy\"");
    assert_eq!(hint, "Did you mean \"strategy\"?");
    assert!(refused("colour = \"red\"").1.starts_with("The keys are: name, schema, strategy"));
    assert_eq!(refused("indexes = [{ column = [\"a\"] }]").1, "Did you mean \"columns\"?");
}

#[test]
fn every_refusal_names_its_line() {
    for (options, primary) in [
        ("key = \"a\"", "views/v.sql:2: \"key\" must be a list of texts"),
        ("\nkey = [\n  \"a\",\n  1]", "views/v.sql:5: \"key\" must be a list of texts"),
        (
            "strategy = \"fast\"",
            "views/v.sql:2: \"fast\" is not one of: regular, concurrent, swap, merge, incremental, auto",
        ),
        ("tags = [\"a\"]\nstrategy = \"merge\"", "views/v.sql:3: strategy merge needs a key"),
        ("\nschedule = \"@never\"", "views/v.sql:3: schedule \"@never\" is not valid"),
        ("lock_timeout = 50", "views/v.sql:2: \"lock_timeout\" must be a text"),
        ("lock_timeout = \"50\"", "views/v.sql:2: \"50\" is not a length of time"),
        ("target_lag = \"10ms\"", "views/v.sql:2: target_lag must be at least one second"),
        ("[parameters]\nTimeZone = \"UTC\"", "views/v.sql:3: parameter \"TimeZone\" is set by remat itself"),
        ("indexes = [{ unique = true }]", "views/v.sql:2: \"columns\" is missing"),
        ("key = [\"a\"", "views/v.sql:2: the options are not valid TOML"),
        ("owner = \"\"", "views/v.sql:2: a name must not be empty"),
    ] {
        assert_eq!(refused(options).0, primary, "{options}");
    }
}

#[test]
fn a_query_that_is_refused_is_pointed_at_in_the_file() {
    let error = view("views/v.sql", "/* remat\n*/\n\nselect 1;\n  drop table sales").unwrap_err();
    assert_eq!(error.complaint().primary, "views/v.sql:5: there is more than one statement");
    assert_eq!(error.complaint().detail.as_deref(), Some("At column 3 (R002)."));
    assert!(view("views/v.sql", "/* remat\n*/").is_err());
}

#[test]
fn options_that_do_not_open_the_file_are_not_passed_over() {
    let error = view("views/v.sql", "-- mine\n/* remat\nkey = [\"a\"]\n*/\nselect 1").unwrap_err();
    assert_eq!(error.complaint().primary, "views/v.sql:2: the options of a view must open the file");
}

#[test]
fn a_step_that_ends_the_comment_is_explained() {
    let error = view("views/v.sql", "/* remat\nschedule = \"*/5 * * * *\"\n*/\nselect 1").unwrap_err();
    assert_eq!(error.complaint().primary, "views/v.sql:2: the options are not valid TOML");
    assert_eq!(error.complaint().hint.as_deref(), Some("Write a step as 0-59/5 in place of */5."));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_not_matter() {
    let text = "\u{feff}/* remat\r\nkey = [\"a\"]\r\n*/\r\nselect 1 as a\r\n";
    let view = view("views/v.sql", text).unwrap();
    assert_eq!((view.key.len(), view.query.as_str()), (1, "select 1 as a"));
    let plain = parse_view("views/v.sql", "\u{feff}select 1", &ProjectDefaults::default()).unwrap();
    assert_eq!(plain.query, "select 1");
}

#[test]
fn jobs_are_read_and_need_exactly_one_target() {
    let settings = parse_settings(
        "[project]\nname = \"shop\"\n[[job]]\nname = \"a\"\nschedule = \"@hourly\"\ntag = \"t\"\n\
         [[job]]\nname = \"b\"\nschedule = \"0 0 * * *\"\nzone = \"Asia/Tokyo\"\nview = \"Daily\"\nenabled = false\n",
    )
    .unwrap();
    assert_eq!(settings.jobs[0].target, JobTarget::Tag("t".into()));
    assert_eq!(settings.jobs[1].target, JobTarget::View(RelationName::new("public", "daily").unwrap()));
    assert_eq!((settings.jobs[1].enabled, settings.jobs[1].zone.as_str()), (false, "Asia/Tokyo"));
    let refusal = |job: &str| {
        let text = format!("{SHOP}[[job]]\nname = \"a\"\n{job}");
        parse_settings(&text).unwrap_err().complaint().primary.clone()
    };
    let none = refusal("schedule = \"@daily\"");
    assert_eq!(none, "remat.toml:4: a job needs one of view, tag and sql; this one has none");
    let two = refusal("schedule = \"@daily\"\ntag = \"a\"\nsql = \"select 1\"");
    assert_eq!(two, "remat.toml:6: a job needs one of view, tag and sql; this one has tag and sql");
    assert_eq!(refusal("tag = \"a\""), "remat.toml:3: \"schedule\" is missing");
    assert_eq!(refusal("schedule = \"x\"\ntag = \"a\""), "remat.toml:5: schedule \"x\" is not valid");
    let twice = refusal(
        "schedule = \"@daily\"\ntag = \"a\"\n[[job]]\nname = \"a\"\nschedule = \"@daily\"\ntag = \"b\"",
    );
    assert_eq!(twice, "remat.toml:8: there are two jobs with the name \"a\"");
}

#[test]
fn settings_need_a_project_with_a_name() {
    let primary = |text: &str| parse_settings(text).unwrap_err().complaint().primary.clone();
    assert_eq!(primary(""), "remat.toml:1: the table [project] is missing");
    assert_eq!(primary("\n[project]\n"), "remat.toml:2: \"name\" is missing");
    assert_eq!(primary("[project]\nname = \" \""), "remat.toml:2: the text must not be empty");
    assert_eq!(primary("[projekt]\n"), "remat.toml:1: unknown key \"projekt\"");
}

#[test]
fn the_password_of_the_database_is_never_shown() {
    let good = parse_settings(&format!("{SHOP}[database]\nurl = \"postgres://u:hunter2@h/d\"\n")).unwrap();
    assert!(matches!(&good.database, Some(SecretUrl::Written(url)) if url.contains("hunter2")));
    assert!(!format!("{good:?}").contains("hunter2"));
    for database in
        ["url = [\"hunter2\"]", "url = \"hunter2", "url = 'hunter2'\nurl_env = \"X\"", "url = hunter2"]
    {
        let error = parse_settings(&format!("{SHOP}[database]\n{database}\n")).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        assert!(error.to_string().starts_with("remat.toml:4: "), "{error}");
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_paths() {
    let files = [
        ("remat.toml", SHOP),
        ("views/b.sql", "select 2"),
        ("views/a/z.sql", "select 1"),
        ("views/.hidden.sql", "nonsense"),
        ("views/notes.md", "nonsense"),
    ];
    let folder = Folder::new("order", &files);
    let project = read(&folder.0).unwrap();
    assert_eq!(
        project.views.iter().map(|view| view.path.as_str()).collect::<Vec<_>>(),
        ["views/a/z.sql", "views/b.sql"]
    );
    assert_eq!(project.definitions()[1].query, "select 2");
}

#[test]
fn two_files_for_one_view_are_refused() {
    let files = [("remat.toml", SHOP), ("views/a/v.sql", "select 1"), ("views/b/public.v.sql", "select 2")];
    let folder = Folder::new("twice", &files);
    let error = read(&folder.0).unwrap_err();
    assert_eq!(
        error.complaint().primary,
        "views/b/public.v.sql:1: view public.v is already defined in views/a/v.sql"
    );
}

#[test]
fn a_folder_without_settings_says_how_to_begin() {
    let folder = Folder::new("none", &[("views/a.sql", "select 1")]);
    let error = read(&folder.0).unwrap_err();
    assert!(error.complaint().hint.as_deref().unwrap().contains("remat init"));
}

#[test]
fn what_init_writes_is_a_project() {
    let written = init("my \"shop\"");
    let files: Vec<_> = written.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let folder = Folder::new("init", &files);
    let project = read(&folder.0).unwrap();
    assert_eq!((project.settings.name.as_str(), project.views.len()), ("my \"shop\"", 1));
}

#[test]
fn the_defaults_that_init_shows_are_the_defaults() {
    let shown = init("shop")[0].1.clone();
    let enabled: String = shown
        .lines()
        .map(|line| if line.starts_with("#[database]") || line.starts_with("#url_env") { "" } else { line })
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let settings = parse_settings(&enabled).unwrap();
    let mut defaults = settings.defaults;
    assert_eq!(defaults.settings.parameters.remove("work_mem").as_deref(), Some("64MB"));
    assert_eq!(defaults, ProjectDefaults::default());
    assert_eq!((settings.jobs.len(), settings.queues.len()), (1, 1));
    assert_eq!(settings.serve, ServeSettings::default());
    assert_eq!(settings.backend, BackendSettings::default());
    assert_eq!(settings.retention, RetentionSettings::default());
}

proptest::proptest! {
    #[test]
    fn no_file_panics(
        options in "([a-z_]{0,6}( ?= ?(\"[ -~]{0,6}\"|[0-9]{0,2}|\\[\\]|\\{\\}))?\n|[\\[\\]a-z]{0,6}\n|\\PC{0,6}\n){0,4}",
        sql in "\\PC{0,20}|select 1 as é;? ?(--.{0,3})?",
    ) {
        let _ = parse_settings(&format!("[project]\n{options}"));
        let _ = view("views/é.sql", &format!("/* remat\n{options}*/{sql}"));
        let _ = view("", &options);
    }
}

#[test]
fn a_published_set_needs_a_key_and_two_columns() {
    let publish = |rest: &str| refused(&format!("[publish]\n{rest}")).0;
    assert_eq!(publish("member = \"a\"\nscore = \"a\""), "views/v.sql:2: \"key\" is missing");
    let complete = "key = \"k\"\nmember = \"a\"\nscore = \"a\"\n";
    let empty = complete.replace("\"k\"", "\" \"");
    assert_eq!(publish(&empty), "views/v.sql:2: the key of the published set is empty");
    let no_name = complete.replace("member = \"a\"", "member = \"\"");
    assert!(publish(&no_name).starts_with("views/v.sql:4: "), "{}", publish(&no_name));
    for limit in ["0", "-1", "1.5", "\"10\"", "4294967296"] {
        let told = publish(&format!("{complete}limit = {limit}"));
        assert_eq!(told, "views/v.sql:6: \"limit\" must be a whole number above zero", "{limit}");
    }
    let unknown = refused(&format!("[publish]\n{complete}scores = \"b\""));
    assert_eq!(unknown.1, "Did you mean \"score\"?");
}

#[test]
fn two_views_never_publish_to_one_key() {
    let view =
        "/* remat\n[publish]\nkey = \"board\"\nmember = \"a\"\nscore = \"b\"\n*/\nselect 1 as a, 2 as b";
    let folder = Folder::new("boards", &[(FILE, SHOP), ("views/a.sql", view), ("views/b.sql", view)]);
    let error = read(&folder.0).unwrap_err();
    assert_eq!(
        error.complaint().primary,
        "views/b.sql:1: the key \"board\" is already published by views/a.sql"
    );
}
