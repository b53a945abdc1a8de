//! Writers that never stop, and a view that is right at each of its states.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinSet};
use tokio_postgres::Client;

use crate::{
    fixture::{following, refreshed},
    support::PER_USER,
};

const WRITERS: i64 = 8;
const TRANSACTIONS: i64 = 300;
/// Transactions of all writers from one refresh to the next, or more where a refresh is quick.
const TURNS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_writers_and_a_refresh_never_part() {
    let (app, view) = following(PER_USER).await;
    let turns = Arc::new(Semaphore::new(0));
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (client, turns) = (app.db.connect().await, Arc::clone(&turns));
        writers.spawn(async move { write(&client, number, &turns).await });
    }
    let mut followed = 0;
    while !writers.is_empty() {
        // Few enough to be followed; they write these while the refresh is at work.
        turns.add_permits(TURNS);
        let run = app.refresh(&view).await;
        run.check().unwrap();
        followed += i64::from(run.strategy.as_deref() == Some("incremental"));
        assert_eq!(as_of_its_state(&app.sql).await, 0, "{run:#?}");
        while let Some(writer) = writers.try_join_next() {
            writer.unwrap();
        }
    }
    assert!(followed > 5, "{followed}");
    refreshed(&app, &view).await;
}

/// Rows by which the view differs from its query as of the snapshot of its state: the query now, less what the log has
/// since then.
async fn as_of_its_state(client: &Client) -> i64 {
    let sql = "
with state as (select snapshot from remat.view_states),
     moved as (select a2 as user_id, sum(sign) as n, sum(sign * a3) as cents from remat_log.t1, state
               where  not pg_visible_in_snapshot(xid, snapshot) group by a2),
     now as (select user_id, count(*) as n, sum(cents) as cents from sales group by user_id),
     wanted as (select user_id, coalesce(w.n, 0) - coalesce(m.n, 0) as n, coalesce(w.cents, 0) - coalesce(m.cents, 0) as cents
                from   now w full join moved m using (user_id)),
     there as (select user_id, sales as n, cents from per_user)
select count(*) from (select * from wanted where n <> 0) w full join there t using (user_id)
where  (w.n, w.cents) is distinct from (t.n, t.cents)";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Transactions of one to three statements, some with savepoints that are rolled back, some rolled back as a whole.
async fn write(client: &Client, writer: i64, turns: &Semaphore) {
    for number in 0..TRANSACTIONS {
        turns.acquire().await.unwrap().forget();
        let user = (writer * 31 + number * 7) % 130;
        let statements = match number % 6 {
            0 => format!("insert into sales (user_id, cents) values ({user}, {number})"),
            1 => {
                format!("update sales set cents = cents + 1 where id = {}", 1 + (number * 13 + writer) % 900)
            }
            2 => format!(
                "insert into sales (user_id, cents) select {user}, g from generate_series(1, 3) g; savepoint s; delete from sales where user_id = {user}; rollback to s"
            ),
            3 => format!(
                "delete from sales where id = (select id from sales where user_id = {user} order by id desc limit 1 for update skip locked)"
            ),
            4 => format!(
                "update sales set user_id = {} where id = {}",
                (user + 1) % 130,
                1 + (number * 17 + writer) % 900
            ),
            _ => format!("insert into sales (user_id, cents) values ({user}, 1)"),
        };
        let end = if number % 11 == 0 { "rollback" } else { "commit" };
        let done = client.batch_execute(&format!("begin; {statements}; {end}")).await;
        if done.is_err() {
            client.batch_execute("rollback").await.unwrap();
        }
    }
}
