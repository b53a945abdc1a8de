//! Who writes needs no rights on what is remat's; who installs needs the table's owner.

use remat::{
    Remat,
    capture::{self, Answer, Gap},
    failure::FailureKind,
    pg::Target,
};

use crate::fixture::{World, impatient};

const ITEMS: &str =
    "create table items (id int, n int); insert into items select g, g from generate_series(1, 9) g;";

#[tokio::test]
async fn a_writer_without_rights_writes() {
    let world = World::with(ITEMS).await;
    let writer = world.db.create_role("w").await;
    world.run(&format!("grant insert, update, delete, select, truncate on items to {writer}")).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let app = world.db.connect_as(&writer).await;
    app.batch_execute("insert into items values (10, 1); update items set n = 2 where id = 1").await.unwrap();
    reader.sees(3).await;
    assert!(app.batch_execute("table remat_log.t1").await.is_err());
    assert!(app.batch_execute("table remat_log.v1").await.is_err());
    app.batch_execute("truncate items").await.unwrap();
}

#[tokio::test]
async fn a_writer_cannot_lead_the_trigger_astray() {
    let world = World::with(ITEMS).await;
    let writer = world.db.create_role("w").await;
    world.run(&format!("grant all on items to {writer}; create schema evil authorization {writer}")).await;
    let reader = world.reader("v", "items", &["id", "n"]).await;
    let app = world.db.connect_as(&writer).await;
    // What an unqualified name or operator of the trigger would find first.
    app.batch_execute(
        "create function evil.no(oid, oid) returns boolean language plpgsql as $$ begin raise 'called'; end $$;
         create function evil.no(text, text) returns boolean language plpgsql as $$ begin raise 'called'; end $$;
         create function evil.no(int, int) returns boolean language plpgsql as $$ begin raise 'called'; end $$;
         create operator evil.= (leftarg = oid, rightarg = oid, function = evil.no);
         create operator evil.= (leftarg = text, rightarg = text, function = evil.no);
         create operator evil.> (leftarg = int, rightarg = int, function = evil.no);
         create function evil.pg_current_xact_id() returns xid8 language plpgsql as $$ begin raise 'called'; end $$;
         create function evil.to_regclass(text) returns regclass language plpgsql as $$ begin raise 'called'; end $$;
         create table evil.remat_new (id int, n int); create temp table remat_old (id int, n int);
         set search_path = evil, pg_catalog, public;
         insert into items values (10, 1); update items set n = 2 where id operator(pg_catalog.=) 1;",
    )
    .await
    .unwrap();
    reader.sees(3).await;
}

#[tokio::test]
async fn who_does_not_own_the_table_is_told_so() {
    let world = World::with(ITEMS).await;
    let installer = world.db.create_role("i").await;
    let view = world.view("v").await;
    world
        .run(&format!(
            "grant usage on schema remat to {installer}; grant usage, create on schema remat_log to {installer};
             grant all on all tables in schema remat to {installer}; grant select, trigger on items to {installer}"
        ))
        .await;
    let target = Target::resolve(Some(&world.db.role_url(&installer)), &|_| None).unwrap();
    let session = Remat::connect(target).await.unwrap().session().await.unwrap();
    let needs = [world.need("items", &["id"]).await];
    let failure = capture::install(&session, &impatient(), view, &needs).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::PermissionDenied);
    assert!(
        failure.complaint.primary.contains("must be owner of table \"public.items\""),
        "{}",
        failure.complaint
    );
    assert!(failure.complaint.hint.unwrap().contains("Grant the role that owns the table"));

    // A member of the owning role installs, and its triggers write for everybody, it being no superuser.
    let owner = world.db.create_role("o").await;
    world.run(&format!("alter table items owner to {owner}; grant {owner} to {installer}")).await;
    capture::install(&session, &impatient(), view, &needs).await.unwrap();
    world.run("insert into items values (77)").await;
    assert_eq!(world.number("select count(*) from remat_log.t2").await, 1);
    assert!(world.fingerprint(2).await.is_some());
    let print = session.query_one("select remat.capture_fingerprint(2)", &[]).await.unwrap();
    assert_eq!(print.get::<_, Option<String>>(0), world.fingerprint(2).await);
    capture::remove(&session, &impatient(), view).await.unwrap();
}

#[tokio::test]
async fn an_owner_without_rights_makes_partitions_and_writes_to_them() {
    let world = World::with("create table parted (id int, n int) partition by range (id);").await;
    let owner = world.db.create_role("o").await;
    world
        .run(&format!("alter table parted owner to {owner}; grant create, usage on schema public to {owner}"))
        .await;
    let reader = world.reader("v", "parted", &["id", "n"]).await;
    let app = world.db.connect_as(&owner).await;
    let partition = "create table p1 partition of parted for values from (0) to (10);
                     create table p2 partition of parted for values from (10) to (20) partition by range (id);
                     create table p21 partition of p2 for values from (10) to (15);";
    app.batch_execute(&format!(
        "{partition} insert into parted values (1, 1), (11, 1); insert into p21 values (12, 1)"
    ))
    .await
    .unwrap();
    assert_eq!(reader.read().await, Answer::Reset(Gap::Unguarded));
    world.install(reader.view, "parted", &["id", "n"]).await.unwrap();
    assert!(matches!(reader.read().await, Answer::Reset(_)));
    app.batch_execute("insert into p1 values (2, 1); insert into p21 values (13, 1)").await.unwrap();
    reader.sees(2).await;
    let own = "create table own (id int); create trigger own after insert on own for each row execute function remat_log.stranger_1()";
    assert!(app.batch_execute(own).await.is_err());
}
