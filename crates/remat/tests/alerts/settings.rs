//! Rules and destinations of a project as rows.

use remat::alert::{Route, SecretRef};

use crate::fixture::World;

const SETTINGS: &str = "
[alerts]
public_url = \"https://remat.example.org\"
[alerts.rules.slow]
over_percent = 300
[alerts.rules.reports]
kind = \"stale\"
tags = [\"report\"]
grace = \"1h\"
destinations = [\"ops\"]
[destinations.ops]
kind = \"webhook\"
url_env = \"OPS_URL\"
secret_env = \"OPS_SECRET\"
[destinations.mail]
kind = \"email\"
host = \"mx.example.org\"
from = \"remat@example.org\"
to = [\"ops@example.org\"]
";

#[tokio::test]
async fn apply_makes_rows_of_them_and_a_second_plan_is_empty() {
    let world = World::new().await;
    let remat = &world.app.remat;
    let steps = remat.plan(&World::project(SETTINGS)).await.unwrap().alerts;
    let words: Vec<_> =
        steps.iter().map(|step| format!("{} {} {}", step.action, step.what, step.name)).collect();
    assert_eq!(
        words,
        [
            "create rule *",
            "create rule reports",
            "create rule slow",
            "create destination mail",
            "create destination ops"
        ]
    );
    world.apply(SETTINGS).await;
    assert!(remat.plan(&World::project(SETTINGS)).await.unwrap().is_empty());
    let rules = remat.alert_rules().await.unwrap();
    assert_eq!(rules.get("slow").unwrap().over_percent, 300);
    assert_eq!(rules.get("reports").unwrap().grace_ms, 3_600_000);
    assert_eq!(rules.all.public_url.as_deref(), Some("https://remat.example.org"));
    let destinations = remat.destinations().await.unwrap();
    let Route::Webhook { url, .. } = &destinations[1].route else { panic!("{destinations:?}") };
    assert_eq!(url, &SecretRef::Env("OPS_URL".into()));
}

#[tokio::test]
async fn what_the_file_says_no_more_goes_and_what_it_changes_changes() {
    let world = World::new().await;
    world.apply(SETTINGS).await;
    let less = "[alerts.rules.slow]\nover_percent = 400\n[destinations.ops]\nkind = \"slack\"\nurl_env = \"OPS_URL\"\n";
    let steps = world.app.remat.plan(&World::project(less)).await.unwrap().alerts;
    let words: Vec<_> = steps.iter().map(|step| format!("{} {}", step.action, step.name)).collect();
    assert_eq!(words, ["alter slow", "remove *", "remove reports", "alter ops", "remove mail"]);
    world.apply(less).await;
    assert!(world.app.remat.plan(&World::project(less)).await.unwrap().is_empty());
    world.apply("").await;
    assert_eq!(world.app.count("select count(*) from remat.alert_rules").await, 0);
    assert_eq!(world.app.count("select count(*) from remat.destinations").await, 0);
    assert_eq!(world.app.remat.alert_rules().await.unwrap().get("slow").unwrap().over_percent, 200);
}
