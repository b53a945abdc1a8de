//! What goes wrong: recorded with advice, without rows, and without stopping the others.

use std::str::FromStr;

use remat::{
    failure::{FailureKind, Remedy},
    run::Status,
    view::Strategy,
};
use remat_testkit::wait_until;

use crate::fixture::{Fixture, view_locks};

#[tokio::test]
async fn one_failing_view_is_recorded_and_the_others_are_refreshed() {
    let f = Fixture::new().await;
    f.indexed("a_first", |_| ()).await;
    f.view("b_broken", "select 1 / (select count(*) from source where k = 1) as k", |_| ()).await;
    f.run("create function careful() returns int language plpgsql as $$ begin assert (select count(*) from public.source) > 99; return 1; end $$").await;
    f.view("c_asserts", "select public.careful() as k", |_| ()).await;
    f.indexed("d_last", |_| ()).await;
    f.run("delete from source where k = 1").await;
    let list = "select string_agg(view_name || '=' || status, ',') from remat.refresh_audience_views()";
    assert_eq!(f.ask(list).await, "a_first=success,b_broken=failed,c_asserts=failed,d_last=success");
    let tracked = "select concat_ws('|', status, error_message, row_count) from remat.materialized_view_refreshes where view_name = ";
    assert_eq!(f.ask(&format!("{tracked} 'b_broken'")).await, "failed|division by zero");
    assert_eq!(f.ask(&format!("{tracked} 'd_last'")).await, "success|99");
    assert_eq!(
        f.ask("select error_hint from remat.runs where error_sqlstate = '22012'").await,
        hint_of("22012")
    );
    assert_eq!(f.ask("select count(*) from d_last").await, "99");
}

#[tokio::test]
async fn a_failure_is_raised_where_the_caller_asks_for_it() {
    let f = Fixture::new().await;
    f.view("v", "select 1 / (select count(*) from source) as k", |_| ()).await;
    f.run("truncate source").await;
    let (message, code) = f.refused("select remat.refresh_now('v', raise_on_failure => true)").await;
    assert_eq!((message.as_str(), code.as_str()), ("division by zero", "22012"));
    assert_eq!(f.ask("select count(*) from remat.runs").await, "0");
}

#[tokio::test]
async fn each_index_that_does_not_serve_is_named_with_the_test_it_fails() {
    let f = Fixture::new().await;
    f.view("v", "select k, v from source", |d| d.strategy = Strategy::Concurrent).await;
    let columns = "status, error_sqlstate, error_detail, error_hint";
    assert_eq!(
        f.refresh("'v'", columns).await,
        "failed|55000|It has no unique index.|create unique index on public.v (<columns that identify a row>);"
    );
    f.run(
        "create index a on v (k); create unique index b on v (k) where k > 0; create unique index c on v ((k + 0));
         create unique index d on v (k); update pg_index set indisvalid = false where indexrelid = 'd'::regclass",
    )
    .await;
    f.run("update remat.views set key_columns = '{k,Odd}'").await;
    assert_eq!(
        f.refresh("'v'", columns).await,
        "failed|55000|Index \"a\" is not unique. Index \"b\" is partial: it has a WHERE clause. Index \"c\" indexes an \
         expression, not plain columns. Index \"d\" is not valid; an earlier build of it failed.|create unique index on \
         public.v (k, \"Odd\");"
    );
    f.run("create unique index e on v (k)").await;
    assert_eq!(f.refresh("'v'", "status, strategy").await, "success|concurrent");
}

#[tokio::test]
async fn a_detail_that_quotes_rows_is_withheld() {
    let f = Fixture::new().await;
    f.indexed("v", |d| d.strategy = Strategy::Concurrent).await;
    f.run("insert into source values (4711, 1), (4711, 1)").await;
    let run = f.refresh("'v'", "status, meta->>'failure', error_detail").await;
    assert_eq!(run, "failed|not_unique|The server's detail quotes rows and is withheld.");
    assert_eq!(f.ask("select count(*) from remat.runs r where r::text like '%4711%'").await, "0");
}

#[tokio::test]
async fn a_view_that_was_dropped_renamed_or_changed_says_so() {
    let f = Fixture::new().await;
    f.view("dropped", "select k from source", |_| ()).await;
    f.view("renamed", "select k from source", |_| ()).await;
    f.view("changed", "select k from source", |_| ()).await;
    f.run(
        "drop materialized view dropped; alter materialized view renamed rename to \"Elsewhere\";
         drop materialized view changed; create materialized view changed as select k + 1 as k from source",
    )
    .await;
    let columns = "status, error_message, error_detail, error_hint";
    assert_eq!(
        f.refresh("'dropped'", columns).await,
        "failed|view \"public.dropped\" does not exist in the database|It was dropped outside remat.|Run `remat create public.dropped`."
    );
    assert_eq!(
        f.refresh("'renamed'", "error_sqlstate, error_detail").await,
        "42P01|It was renamed to \"public.\"Elsewhere\"\" outside remat."
    );
    assert_eq!(
        f.refresh("'changed'", columns).await,
        "failed|view \"public.changed\" no longer matches its definition|It was dropped and made anew, or its columns were \
         changed, outside remat.|Run `remat plan` to review the difference, or `remat create public.changed --force` to restore it."
    );
}

#[tokio::test]
async fn a_reader_that_holds_the_view_is_named_when_the_lock_budget_is_spent() {
    let f = Fixture::new().await;
    f.view("v", "select k from source", |d| d.strategy = Strategy::Regular).await;
    let mut reader = f.db.connect().await;
    let held = reader.transaction().await.unwrap();
    let pid: i32 = held.query_one("select pg_backend_pid() from v limit 1", &[]).await.unwrap().get(0);
    let run = f.refresh("'v'", "status, error_sqlstate, lock_wait_ms >= 200, error_detail").await;
    assert!(run.starts_with(&format!("failed|55P03|t|Blocked by pid {pid} (postgres")), "{run}");
    drop(held);
}

#[tokio::test]
async fn a_view_that_another_transaction_refreshes_is_skipped() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    let mut other = f.db.connect().await;
    let refreshing = other.transaction().await.unwrap();
    refreshing.query_one("select remat.refresh_now('v')", &[]).await.unwrap();
    assert_eq!(f.refresh("'v'", "status, reason").await, "skipped|already_running");
    refreshing.commit().await.unwrap();
    assert_eq!(f.refresh("'v'", "status").await, "success");
}

#[tokio::test]
async fn a_paused_view_is_skipped_until_its_pause_ends() {
    let f = Fixture::new().await;
    f.indexed("v", |_| ()).await;
    f.run("update remat.views set pause = '{\"by\": \"x\", \"reason\": null, \"until\": null}'").await;
    assert_eq!(f.refresh("'v'", "status, reason").await, "skipped|paused");
    f.run("update remat.views set pause = '{\"by\": \"x\", \"until\": \"2020-01-01T00:00:00Z\"}'").await;
    assert_eq!(f.refresh("'v'", "status").await, "success");
}

#[tokio::test]
async fn a_run_that_was_ended_by_another_takes_its_contents_back() {
    let f = Fixture::new().await;
    let id = f.indexed("v", |_| ()).await;
    let run = f.ask(&format!("remat.open_run({id})")).await;
    f.run(&format!("update remat.runs set status = 'cancelled', finished_at = now() where id = {run}")).await;
    let (message, _) =
        f.refused(&format!("select remat.settle_run({run}, remat.attempt({run}, {id}, null))")).await;
    assert_eq!(message, format!("run {run} was taken over or ended by another"));
}

#[tokio::test]
async fn a_cancelled_refresh_is_not_swallowed() {
    let f = Fixture::new().await;
    f.view("v", "select k from source", |d| d.settings.lock_budget_ms = 60_000).await;
    let mut reader = f.db.connect().await;
    let held = reader.transaction().await.unwrap();
    held.query("select from v limit 1", &[]).await.unwrap();
    let pid = f.ask("pg_backend_pid()").await;
    let call = f.refused("select * from remat.refresh_tag('audience')");
    let cancel = async {
        wait_until("the view is being refreshed", async || f.db.query_one_i64(&view_locks()).await == 1)
            .await;
        f.db.execute(&format!("select pg_cancel_backend({pid})")).await;
    };
    let ((message, code), ()) = tokio::join!(call, cancel);
    assert_eq!((message.as_str(), code.as_str()), ("canceling statement due to user request", "57014"));
    drop(held);
}

/// The two lists of failures are written twice, in failure.rs and in SQL; this holds them together.
#[tokio::test]
async fn failures_have_the_words_and_the_advice_of_the_library() {
    let f = Fixture::new().await;
    let codes = "55P03 40P01 40001 57P01 57P02 57P03 25P03 25P04 53100 53200 53300 54001 57014 55000 0A000 21000 23505 23502
                 22012 22P02 23514 42P01 42703 42883 42704 3F000 2BP01 42501 25006 08006 XX000 42601 P0001";
    for code in codes.split_whitespace() {
        for message in ["x", "canceling statement due to statement timeout"] {
            let kind = FailureKind::from_sqlstate(code, message);
            let told = f.ask(&format!("remat.failure_kind('{code}', '{message}')")).await;
            assert_eq!(serde_json::to_value(kind).unwrap(), told, "{code} {message}");
            let advice = f.ask(&format!("coalesce(remat.advice('{told}'), '')")).await;
            assert_eq!(advice, advice_of(kind), "{code}");
        }
    }
    let outcome =
        "remat.failed_outcome('57014', 'canceling statement due to user request', '', '')->>'status'";
    assert_eq!(Status::from_str(&f.ask(outcome).await).unwrap(), Status::Cancelled);
}

fn hint_of(code: &str) -> &'static str {
    advice_of(FailureKind::from_sqlstate(code, ""))
}

fn advice_of(kind: FailureKind) -> &'static str {
    match kind.remedy() {
        Remedy::Operator(advice) | Remedy::Definition(advice) => advice,
        Remedy::RetryLock | Remedy::RetryWork | Remedy::Nothing => "",
    }
}
