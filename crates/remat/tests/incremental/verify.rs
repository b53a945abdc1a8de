//! A refresh that verifies: it compares what it leaves with the query in its own snapshot, says what it found, and repairs.

use remat::{
    name::{Identifier, RelationName},
    operation::RefreshOptions,
    run::{Finding, Run, Status},
    view::{Definition, Strategy, View},
};
use remat_testkit::wait_until;

use crate::{
    fixture::{assert_fresh, following, refreshes_by},
    support::{App, PER_USER},
};

async fn verified(app: &App, view: &View) -> Run {
    let options = RefreshOptions { verify: true, ..RefreshOptions::default() };
    let run = app.remat.refresh(view, options).await.unwrap();
    assert_eq!(run.status, Status::Success, "{run:#?}");
    run
}

/// Verifies; the run must have this strategy and this finding. Gives its reason.
async fn finds(app: &App, view: &View, strategy: &str, finding: &str) -> (Run, String) {
    let run = verified(app, view).await;
    let found = (run.strategy.as_deref(), run.meta["verification"]["finding"].as_str());
    assert_eq!(found, (Some(strategy), Some(finding)), "{:?} {}", run.reason, run.meta);
    let reason = run.reason.clone().unwrap();
    (run, reason)
}

fn rows(run: &Run) -> [i64; 3] {
    ["missing", "extra", "alike"].map(|name| run.meta["verification"][name].as_i64().unwrap())
}

/// Changes a relation as a superuser who takes the guard away.
async fn tamper(app: &App, table: &str, how: &str) {
    let script =
        format!("alter table {table} disable trigger user; {how}; alter table {table} enable trigger user");
    app.db.execute(&script).await;
}

async fn hidden(app: &App) -> String {
    let sql = "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where  n.nspname = 'remat_query' and c.relkind = 'r'";
    app.text(sql).await
}

async fn finding_in_status(app: &App) -> (Finding, i64) {
    let status = app.remat.status().await.unwrap();
    let verification = status[0].verification.as_ref().unwrap();
    assert!(!status[0].state.is_bad(), "{status:?}");
    (verification.finding, verification.run)
}

#[tokio::test]
async fn a_healthy_view_passes_and_its_run_says_so() {
    let (app, view) = following(PER_USER).await;
    app.change_sales().await;
    let (run, reason) = finds(&app, &view, "incremental", "equal").await;
    assert!(reason.starts_with("incremental: ") && reason.ends_with("; verified"), "{reason}");
    assert!(run.meta["phases_ms"]["verify"].as_f64().unwrap() > 0.0, "{}", run.meta);
    assert_eq!(finding_in_status(&app).await, (Finding::Equal, run.id));
    let (_, reason) = finds(&app, &view, "skip", "equal").await;
    assert_eq!(reason, "unchanged: no table that it reads has changed; verified");
    assert_eq!(app.count("select count(*) from remat.events where action = 'mismatch'").await, 0);
    // Nothing of the comparison stays in the way of what comes next.
    app.db.execute("insert into sales (user_id, cents) values (3, 4)").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn contents_that_somebody_changed_are_found_told_of_and_repaired() {
    let (app, view) = following(PER_USER).await;
    let wrong =
        "update per_user set cents = cents + 1 where user_id = 7; delete from per_user where user_id = 8;
                 insert into per_user values (4711, 1, 1)";
    tamper(&app, "per_user", wrong).await;
    let (run, reason) = finds(&app, &view, "merge", "mismatch").await;
    assert_eq!(reason, "merge: a verification found 2 rows missing and 2 rows extra");
    assert_eq!(rows(&run), [2, 2, 0]);
    assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(1), Some(1), Some(1)));
    assert_fresh(&app, &view).await;
    assert_eq!(finding_in_status(&app).await, (Finding::Mismatch, run.id));
    let event = format!(
        "select count(*) from remat.events e join remat.views v on v.id = e.view_id
         where  e.action = 'mismatch' and e.source = 'remat' and e.run_id = {} and v.view_name = 'per_user'
         and    e.after->>'missing' = '2'",
        run.id
    );
    assert_eq!(app.count(&event).await, 1);
    finds(&app, &view, "skip", "equal").await;
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn what_a_refresh_wrote_is_compared_in_its_own_snapshot() {
    let (app, view) = following(PER_USER).await;
    tamper(&app, "per_user", "update per_user set sales = 0 where user_id = 70").await;
    app.change_sales().await;
    let (run, _) = finds(&app, &view, "merge", "mismatch").await;
    assert_eq!(rows(&run), [1, 1, 0]);
    // Ten users changed, one came and one went by the changes; one was put right.
    assert_eq!(
        (run.rows_inserted, run.rows_updated, run.rows_deleted),
        (Some(1), Some(11), Some(1)),
        "{run:#?}"
    );
    assert_eq!(run.rows_after, Some(app.count("select count(*) from per_user").await));
    assert!(run.meta["changes"]["public.sales"].as_i64().unwrap() > 0, "{}", run.meta);
    assert_fresh(&app, &view).await;
}

#[tokio::test]
async fn a_hidden_table_that_was_falsified_is_found_before_anybody_reads_what_comes_of_it() {
    let (app, view) = following(PER_USER).await;
    let hidden = hidden(&app).await;
    app.db.execute(&format!("update {hidden} set n = n + 1 where k0 = 7")).await;
    let (run, reason) = finds(&app, &view, "merge", "mismatch").await;
    assert_eq!(reason, "merge: a verification found a hidden table that was not what it must be");
    assert_eq!(rows(&run), [0, 0, 0]);
    assert_eq!(run.meta["verification"]["hidden"][0]["table"].as_str().unwrap().replace('"', ""), hidden);
    app.db.execute("insert into sales (user_id, cents) values (7, 1)").await;
    refreshes_by(&app, &view, "incremental").await;
}

#[tokio::test]
async fn a_hidden_table_that_was_falsified_is_found_by_what_came_of_it() {
    let (app, view) = following(PER_USER).await;
    let hidden = hidden(&app).await;
    app.db.execute(&format!("update {hidden} set n = n + 1 where k0 = 7")).await;
    app.db.execute("insert into sales (user_id, cents) values (7, 1)").await;
    let (run, _) = finds(&app, &view, "merge", "mismatch").await;
    assert_eq!(rows(&run), [1, 1, 0]);
    app.db.execute("insert into sales (user_id, cents) values (7, 1)").await;
    refreshes_by(&app, &view, "incremental").await;
}

/// Sums that the server computes as 0.6000000000000001 and that are kept as 0.6.
async fn sums_of_floats() -> (App, View) {
    let app = App::start().await;
    app.db
        .execute("create table items (user_id int, x float8); insert into items values (1, 0.1), (2, 1)")
        .await;
    let query = "select user_id, sum(x) as x from items group by user_id";
    let view = app.view(Strategy::Incremental, query).await;
    refreshes_by(&app, &view, "merge").await;
    app.db.execute("insert into items values (1, 0.2), (1, 0.3)").await;
    (app, view)
}

#[tokio::test]
async fn last_digits_of_floating_point_numbers_are_no_mismatch() {
    let (app, view) = sums_of_floats().await;
    let (run, reason) = finds(&app, &view, "incremental", "equal").await;
    assert!(reason.ends_with("; verified, but for last digits in 1 row"), "{reason}");
    assert_eq!(rows(&run), [0, 0, 1]);
    assert!(!app.remat.verify(&view).await.unwrap().equal, "whoever asks for it hears of them");
}

#[tokio::test]
async fn a_floating_point_number_that_is_another_one_is_a_mismatch() {
    for wrong in ["x * 1.0001", "'infinity'", "'nan'", "null", "-x", "1e300"] {
        let (app, view) = sums_of_floats().await;
        app.refresh(&view).await.check().unwrap();
        tamper(&app, "per_user", &format!("update per_user set x = {wrong} where user_id = 2")).await;
        let (run, _) = finds(&app, &view, "merge", "mismatch").await;
        assert_eq!(rows(&run), [1, 1, 1], "{wrong}");
        app.assert_equal(&view).await;
    }
}

#[tokio::test]
async fn rows_that_time_alone_takes_out_of_a_window_are_no_mismatch() {
    let app = App::start().await;
    app.db.execute("create table items (user_id int, at timestamptz)").await;
    let query =
        "select user_id, count(*) as n from items where at > now() - interval '1 hour' group by user_id";
    let view = app.view(Strategy::Incremental, query).await;
    app.db
        .execute("insert into items select g, now() - interval '1 hour' + g * interval '100 ms' from generate_series(1, 1000) g")
        .await;
    app.refresh(&view).await.check().unwrap();
    let left = "select (select count(*) from per_user)
                     - (select count(*) from items where at > now() - interval '1 hour')";
    wait_until("rows have left the window", async || app.count(left).await > 2).await;
    let (run, _) = finds(&app, &view, "incremental", "equal").await;
    assert!(run.rows_deleted > Some(2), "{run:#?}");
}

/// A query that waits at the gate, and that the compiler follows all the same.
async fn with_slow_query() -> (App, &'static str) {
    let app = App::start().await;
    app.db
        .execute(
            "create function slow(n int) returns int immutable language plpgsql as $$
               begin perform pg_advisory_xact_lock_shared(1); return n; end $$",
        )
        .await;
    (app, "select user_id, sum(slow(cents)) as cents from sales group by user_id")
}

#[tokio::test]
async fn a_comparison_that_takes_too_long_takes_nothing_from_the_refresh() {
    let (app, query) = with_slow_query().await;
    let mut definition = App::definition(Strategy::Incremental, query);
    definition.settings.statement_timeout_ms = 1_500;
    let view = app.create(&definition).await;
    refreshes_by(&app, &view, "merge").await;
    let gate = app.shut_gate().await;
    let (run, reason) = finds(&app, &view, "skip", "failed").await;
    assert!(reason.ends_with("; not verified: canceling statement due to statement timeout"), "{reason}");
    assert_eq!(finding_in_status(&app).await, (Finding::Failed, run.id));
    drop(gate);
    finds(&app, &view, "skip", "equal").await;
}

#[tokio::test]
async fn a_cancelled_verification_is_a_cancelled_run() {
    let (app, query) = with_slow_query().await;
    let view = app.view(Strategy::Incremental, query).await;
    refreshes_by(&app, &view, "merge").await;
    let gate = app.shut_gate().await;
    let (remat, of) = (app.remat.clone(), view.clone());
    let options = RefreshOptions { verify: true, ..RefreshOptions::default() };
    let refresh = tokio::spawn(async move { remat.refresh(&of, options).await.unwrap() });
    app.waits_for_gate().await;
    app.remat.cancel_all().await;
    assert_eq!(refresh.await.unwrap().status, Status::Cancelled);
    drop(gate);
    assert_eq!(app.count("select count(*) from remat.verifications where finding is not null").await, 0);
}

#[tokio::test]
async fn a_view_of_another_role_is_verified_with_its_rights() {
    let app = App::start().await;
    let owner = app.db.create_role("owner").await;
    app.db
        .execute(&format!("grant select on sales to {owner}; grant create on schema public to {owner}"))
        .await;
    let owner_name = Some(Identifier::new(&*owner).unwrap());
    let definition = Definition { owner: owner_name, ..App::definition(Strategy::Incremental, PER_USER) };
    let view = app.create(&definition).await;
    refreshes_by(&app, &view, "merge").await;
    finds(&app, &view, "skip", "equal").await;
    tamper(&app, "per_user", "update per_user set cents = 0 where user_id = 70").await;
    app.change_sales().await;
    let (run, _) = finds(&app, &view, "merge", "mismatch").await;
    assert_eq!(rows(&run), [1, 1, 0]);
    assert_fresh(&app, &view).await;
    // The query itself asks who runs it: nobody but the owner may.
    app.db.execute(&format!("revoke select on sales from {owner}")).await;
    let (run, _) = finds(&app, &view, "skip", "failed").await;
    assert_eq!(run.meta["verification"]["error"]["message"], "permission denied for table sales");
}

#[tokio::test]
async fn a_strict_view_is_repaired_too() {
    let app = App::start().await;
    let definition = Definition { strict: true, ..App::definition(Strategy::Incremental, PER_USER) };
    let view = app.create(&definition).await;
    refreshes_by(&app, &view, "merge").await;
    tamper(&app, "per_user", "delete from per_user where user_id = 7").await;
    finds(&app, &view, "merge", "mismatch").await;
    assert_fresh(&app, &view).await;
}

#[tokio::test]
async fn a_refresh_that_runs_the_query_has_nothing_to_compare() {
    let (app, view) = following(PER_USER).await;
    app.db.execute("truncate sales").await;
    let (run, reason) = finds(&app, &view, "merge", "recomputed").await;
    assert!(reason.ends_with("; verified: the query itself was run"), "{reason}");
    assert_eq!(finding_in_status(&app).await, (Finding::Recomputed, run.id));
    let other = Definition {
        name: RelationName::new("public", "by_merge").unwrap(),
        ..App::definition(Strategy::Merge, "select user_id, sales from per_user")
    };
    let other = app.create(&other).await;
    app.refresh(&other).await.check().unwrap();
    assert_eq!(app.refresh(&other).await.strategy.as_deref(), Some("skip"));
    finds(&app, &other, "merge", "recomputed").await;
}
