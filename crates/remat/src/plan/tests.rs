//! What a plan says for each difference between a folder and the database.

use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::{
    name::Identifier,
    view::{self, MadeRelation},
};

fn name(name: &str) -> RelationName {
    RelationName::parse(name, "public").unwrap()
}

fn view(of: &str, query: &str) -> Definition {
    Definition::new(name(of), query)
}

fn changed(of: &str, change: impl FnOnce(&mut Definition)) -> Definition {
    let mut definition = view(of, "select 1 as id");
    change(&mut definition);
    definition
}

/// As the database has it after a faultless apply.
fn applied(definition: &Definition) -> ActualView {
    let kind = definition.relation_kind();
    let definition = Definition { renamed_from: None, ..definition.clone() };
    let relation = Some(MadeRelation { oid: 1, fingerprint: String::new() });
    let view = View { id: 1, definition, version: 1, relation, pause: None };
    ActualView { view, existence: Existence::Present { kind } }
}

fn but(existence: Existence, definition: &Definition) -> ActualView {
    ActualView { existence, ..applied(definition) }
}

fn plan_of(desired: &[Definition], actual: &[ActualView]) -> Plan {
    plan(desired, actual, &BTreeMap::new()).unwrap()
}

fn summaries(desired: &[Definition], actual: &[ActualView]) -> Vec<String> {
    plan_of(desired, actual).steps.iter().map(Step::summary).collect()
}

fn columns(names: &[&str]) -> Vec<Identifier> {
    names.iter().map(|name| Identifier::new(*name).unwrap()).collect()
}

#[test]
fn what_is_as_it_should_be_needs_no_step() {
    let views = [view("a", "select 1"), changed("b", |b| b.key = columns(&["id"]))];
    assert!(plan_of(&views, &[applied(&views[1]), applied(&views[0])]).is_empty());
}

#[test]
fn how_runs_reach_a_worker_changes_no_relation() {
    let old = view("v", "select 1 as id");
    let new = changed("v", |v| {
        v.dispatch.queue = "reports".into();
        v.dispatch.catch_up_s = 5400;
        v.dispatch.work_retries = 0;
    });
    assert_eq!(
        summaries(from_ref(&new), &[applied(&old)]),
        ["alter public.v: queue default -> reports; catch_up 24h -> 1h 30m; work_retries 3 -> 0"]
    );
    assert_ne!(old.fingerprint(), new.fingerprint());
}

#[test]
fn a_new_view_is_created_and_one_that_left_the_folder_is_removed() {
    let plan = plan_of(&[view("new", "select 1")], &[applied(&view("old", "select 2"))]);
    let summaries: Vec<_> = plan.steps.iter().map(Step::summary).collect();
    assert_eq!(summaries, ["create public.new (strategy auto)", "remove public.old"]);
    let destructive: Vec<_> = plan.destructive().map(|step| step.view().to_string()).collect();
    assert_eq!(destructive, ["public.old"]);
}

#[test]
fn a_changed_query_is_redefined_and_shows_its_lines() {
    let plan = plan_of(&[view("a", "select\n  2\nfrom t")], &[applied(&view("a", "select\n  1\nfrom t"))]);
    assert_eq!(plan.steps[0].action(), Action::Redefine);
    let lines: Vec<_> = plan.steps[0].query_diff().into_iter().map(|line| (line.side, line.text)).collect();
    let line = |side, text: &str| (side, text.to_owned());
    assert_eq!(
        lines,
        [
            line(Side::Both, "select"),
            line(Side::Old, "  1"),
            line(Side::New, "  2"),
            line(Side::Both, "from t")
        ]
    );
}

#[test]
fn another_search_path_redefines_because_names_mean_other_tables() {
    let desired = changed("a", |a| a.settings.search_path = columns(&["shop"]));
    let steps = summaries(&[desired], &[applied(&view("a", "select 1 as id"))]);
    assert_eq!(steps, ["redefine public.a: search_path public -> shop"]);
}

#[test]
fn another_kind_of_relation_is_a_conversion() {
    let desired = changed("a", |a| (a.strategy, a.key) = (view::Strategy::Merge, columns(&["id"])));
    let steps = summaries(&[desired], &[applied(&view("a", "select 1 as id"))]);
    assert_eq!(
        steps,
        ["convert public.a: relation matview -> table; strategy auto -> merge; key none -> id"]
    );
}

#[test]
fn key_and_indexes_are_reindexed_while_the_kind_stays() {
    let before = changed("a", |a| a.strategy = view::Strategy::Swap);
    let desired = changed("a", |a| {
        a.strategy = view::Strategy::Concurrent;
        a.key = columns(&["id"]);
    });
    let steps = summaries(&[desired], &[applied(&before)]);
    assert_eq!(steps, ["reindex public.a: strategy swap -> concurrent; key none -> id"]);
}

#[test]
fn options_alone_are_altered_and_listed() {
    let before = changed("a", |a| a.tags = vec!["x".into()]);
    let desired = changed("a", |a| {
        a.schedule = Some("@hourly".into());
        a.target_lag_s = Some(300);
        a.settings.parameters.insert("work_mem".into(), "1GB".into());
    });
    let steps = summaries(&[desired], &[applied(&before)]);
    assert_eq!(
        steps,
        ["alter public.a: schedule none -> @hourly; target_lag none -> 5m; tags x -> none; \
          parameters.work_mem none -> 1GB"]
    );
}

#[test]
fn a_changed_publish_target_alters_and_rebuilds_nothing() {
    let target = |key: &str| view::Publish {
        key: key.into(),
        member: Identifier::new("id").unwrap(),
        score: Identifier::new("points").unwrap(),
        limit: None,
    };
    let before = changed("a", |a| a.publish = Some(target("old")));
    let desired = changed("a", |a| a.publish = Some(target("new")));
    assert_ne!(before.fingerprint(), desired.fingerprint());
    let steps = summaries(&[desired], &[applied(&before)]);
    assert_eq!(steps, ["alter public.a: publish old (id by points) -> new (id by points)"]);
    assert_eq!(
        summaries(&[changed("a", |_| ())], &[applied(&before)]),
        ["alter public.a: publish old (id by points) -> none"]
    );
}

#[test]
fn a_missing_relation_is_made_again_and_nothing_is_lost() {
    let a = view("a", "select 1");
    let plan = plan_of(from_ref(&a), &[but(Existence::Absent, &a)]);
    assert_eq!(plan.steps[0].summary(), "recreate public.a: relation missing -> matview");
    assert_eq!(plan.destructive().count(), 0);
}

#[test]
fn a_repair_of_drift_says_what_is_lost() {
    let a = view("a", "select 1");
    let drifted = but(Existence::Drifted { reason: "its query was changed".into() }, &a);
    let step = plan_of(&[a], &[drifted]).steps.remove(0);
    assert_eq!(step.summary(), "repair public.a: relation its query was changed -> matview");
    assert_eq!(
        step.loss().as_deref(),
        Some("What was done to public.a outside remat is lost: its query was changed.")
    );
}

#[test]
fn a_relation_that_was_renamed_is_renamed_back_and_then_changed() {
    let moved = but(Existence::Renamed { to: name("b") }, &view("a", "select 1"));
    let step = plan_of(&[view("a", "select 2")], &[moved]).steps.remove(0);
    assert!(!step.is_destructive());
    let Step::Repair { drift, then: Some(then), .. } = step else { panic!("{step:?}") };
    assert_eq!((drift, then.action()), (Drift::Renamed(name("b")), Action::Redefine));
}

#[test]
fn a_rename_keeps_the_view_and_says_what_remains() {
    let desired = changed("b", |b| {
        b.renamed_from = Some(name("a"));
        b.schedule = Some("@daily".into());
    });
    let steps = summaries(from_ref(&desired), &[applied(&view("a", "select 1 as id"))]);
    assert_eq!(steps, ["rename public.a to public.b, then alter public.b: schedule none -> @daily"]);
    assert!(
        plan_of(from_ref(&desired), &[applied(&desired)]).is_empty(),
        "a spent renamed_from does nothing"
    );
    assert_eq!(summaries(&[desired], &[]), ["create public.b (strategy auto)"]);
}

#[test]
fn a_relation_that_already_has_its_new_name_is_only_renamed() {
    let desired = changed("b", |b| b.renamed_from = Some(name("a")));
    let moved = but(Existence::Renamed { to: name("b") }, &view("a", "select 1 as id"));
    assert_eq!(summaries(&[desired], &[moved]), ["rename public.a to public.b"]);
}

#[test]
fn a_name_is_left_before_it_is_taken_again() {
    let desired = [view("a", "select 2"), changed("b", |b| b.renamed_from = Some(name("a")))];
    let steps = summaries(&desired, &[applied(&view("a", "select 1 as id"))]);
    assert_eq!(steps, ["rename public.a to public.b", "create public.a (strategy auto)"]);
}

#[test]
fn names_that_leave_a_doubt_are_refused() {
    let refusal = |desired: &[Definition], actual: &[ActualView]| {
        plan(desired, actual, &BTreeMap::new()).unwrap_err().complaint().primary.clone()
    };
    let from_a = |of| changed(of, |view| view.renamed_from = Some(name("a")));
    let a = view("a", "select 1");
    assert_eq!(refusal(&[a.clone(), a.clone()], &[]), "view public.a is defined twice");
    assert_eq!(
        refusal(&[from_a("b")], &[applied(&a), applied(&from_a("b"))]),
        "cannot rename public.a to public.b"
    );
    assert_eq!(
        refusal(&[from_a("b"), from_a("c")], &[applied(&a)]),
        "both public.b and public.c are renamed from public.a"
    );
    let moved = but(Existence::Renamed { to: name("b") }, &a);
    assert_eq!(
        refusal(&[view("b", "select 1")], &[moved]),
        "the relation of view public.a already stands at public.b"
    );
}

#[test]
fn what_a_view_reads_comes_first_and_readers_are_removed_first() {
    let desired = [view("a", "select * from b"), view("b", "select * from public.c"), view("c", "select 1")];
    let order = |plan: Plan| plan.steps.iter().map(|step| step.view().name.to_string()).collect::<String>();
    assert_eq!(order(plan_of(&desired, &[])), "cba");
    let reads = BTreeMap::from([(name("a"), vec![name("b")]), (name("b"), vec![name("c")])]);
    let actual: Vec<_> = desired.iter().map(applied).collect();
    assert_eq!(order(plan(&[], &actual, &reads).unwrap()), "abc");
}

#[test]
fn order_reaches_through_views_without_a_step() {
    let unchanged = view("b", "select * from z");
    let desired = [view("a", "select * from b"), unchanged.clone(), view("z", "select 2")];
    let actual = [applied(&view("a", "select 1")), applied(&unchanged), applied(&view("z", "select 1"))];
    let steps: Vec<_> = plan_of(&desired, &actual).steps.iter().map(|step| step.view().to_string()).collect();
    assert_eq!(steps, ["public.z", "public.a"]);
}

#[test]
fn the_known_reads_of_a_query_that_changes_no_longer_count() {
    let desired = [view("a", "select 1"), view("b", "select * from a")];
    let actual = [applied(&view("a", "select * from b")), applied(&view("b", "select 2"))];
    let reads = BTreeMap::from([(name("a"), vec![name("b")])]);
    let steps: Vec<_> =
        plan(&desired, &actual, &reads).unwrap().steps.iter().map(|step| step.view().to_string()).collect();
    assert_eq!(steps, ["public.a", "public.b"]);
}

#[test]
fn the_json_has_the_documented_shape() {
    let desired = changed("a", |a| a.schedule = Some("@hourly".into()));
    let plan = plan_of(&[desired], &[applied(&view("a", "select 1 as id")), applied(&view("b", "select 1"))]);
    let mut json = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        json["steps"][0],
        serde_json::json!({
            "action": "alter", "view": "public.a", "destructive": false,
            "changes": [{"what": "schedule", "from": null, "to": "@hourly"}],
        })
    );
    let removal = json["steps"][1].take();
    assert_eq!((&removal["action"], &removal["destructive"]), (&"remove".into(), &true.into()));
    assert_eq!(removal["changes"][0], serde_json::json!({"what": "query", "from": "select 1", "to": null}));
}

/// Views `a` to `e`, each of which may read others and have a key.
fn project() -> impl Strategy<Value = Vec<Definition>> {
    let one = ("[a-e]", prop::collection::vec("[a-e]", 0..3), any::<bool>());
    prop::collection::vec(one, 0..5).prop_map(|views| {
        let views: BTreeMap<_, _> =
            views.into_iter().map(|(of, reads, keyed)| (of, (reads, keyed))).collect();
        let define = |(of, (reads, keyed)): (String, (Vec<String>, bool))| {
            let sources = reads.iter().fold("t".to_owned(), |list, source| list + ", " + source);
            let mut definition = view(&of, &format!("select 1 as id from {sources}"));
            definition.key = if keyed { columns(&["id"]) } else { Vec::new() };
            definition
        };
        views.into_iter().map(define).collect()
    })
}

proptest! {
    #[test]
    fn after_its_steps_a_plan_is_empty(old in project(), new in project()) {
        let actual: Vec<_> = old.iter().map(applied).collect();
        let steps = plan_of(&new, &actual).steps;
        let mut names: Vec<_> = steps.iter().map(Step::view).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), steps.len());
        let mut database: BTreeMap<_, _> = old.iter().map(|view| (&view.name, view.clone())).collect();
        for step in &steps {
            match step.action() {
                Action::Remove => database.remove(step.view()),
                _ => database.insert(step.view(), step.definition().clone()),
            };
        }
        let after: Vec<_> = database.values().map(applied).collect();
        prop_assert!(plan_of(&new, &after).is_empty());
    }
}
