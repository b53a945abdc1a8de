//! A fingerprint changes with all that could let a change pass, and with nothing else.

use crate::fixture::World;

const ITEMS: &str = "
create table items (id int primary key, n int, note text);
create table parted (id int, n int) partition by range (id);
create table p1 partition of parted for values from (0) to (10);
create table p2 partition of parted for values from (10) to (20);
create table p3 (id int, n int);
create table loose (id int not null, n int, note text);
insert into items select g, g from generate_series(1, 100) g;";

struct Prints {
    world: World,
    captures: [i64; 2],
}

impl Prints {
    async fn start() -> Self {
        let world = World::with(ITEMS).await;
        let view = world.view("v").await;
        let needs = [world.need("items", &["id", "n"]).await, world.need("parted", &["id", "n"]).await];
        let settings = crate::fixture::impatient();
        let ids = remat::capture::install(&world.session, &settings, view, &needs).await.unwrap();
        Self { world, captures: [ids[0], ids[1]] }
    }

    async fn read(&self) -> [Option<String>; 2] {
        let [items, parted] = self.captures;
        [self.world.fingerprint(items).await, self.world.fingerprint(parted).await]
    }
}

#[tokio::test]
async fn maintenance_leaves_it_alone() {
    let prints = Prints::start().await;
    let before = prints.read().await;
    assert!(before.iter().all(Option::is_some));
    for statement in [
        "vacuum (full, analyze) items",
        "vacuum full remat_log.n1",
        "vacuum full remat_log.o1",
        "cluster items using items_pkey",
        "analyze items",
        "reindex table items",
        "vacuum full p1",
        "vacuum full pg_attribute",
        "vacuum full pg_trigger",
        "alter table items add column default_more int default 3",
        "alter table items drop column note",
        "alter table items add column more int",
        "create index on items (n)",
        "grant select on items to public",
        "create trigger own after insert on items for each statement execute function suppress_redundant_updates_trigger()",
        "drop trigger own on items",
        "update items set n = n + 1",
    ] {
        prints.world.run(statement).await;
        assert_eq!(prints.read().await, before, "{statement}");
    }
}

#[tokio::test]
async fn what_others_read_leaves_it_alone() {
    let world = World::with(ITEMS).await;
    let (one, other) = (world.view("one").await, world.view("other").await);
    let capture = world.install(one, "items", &["id"]).await.unwrap();
    let print = format!("select remat.capture_fingerprint({capture}, '{{1}}')");
    let before: String = world.app.query_one(&print, &[]).await.unwrap().get(0);
    world.install(other, "items", &["n", "note"]).await.unwrap();
    assert_eq!(world.app.query_one(&print, &[]).await.unwrap().get::<_, String>(0), before);
}

#[tokio::test]
async fn what_could_let_a_change_pass_changes_it_for_good() {
    for (ddl, back) in [
        (
            "alter table items disable trigger remat_1_update",
            "alter table items enable always trigger remat_1_update",
        ),
        (
            "alter table items disable trigger user",
            "alter table items enable always trigger remat_1_insert; alter table items enable always trigger remat_1_update; alter table items enable always trigger remat_1_delete; alter table items enable always trigger remat_1_truncate",
        ),
        ("alter table remat_log.n1 set unlogged", "alter table remat_log.n1 set logged"),
        ("alter table remat_log.o1 set unlogged", "alter table remat_log.o1 set logged"),
        ("alter table items set unlogged", "alter table items set logged"),
        (
            "alter table remat_log.n1 disable trigger remat_1_truncate",
            "alter table remat_log.n1 enable always trigger remat_1_truncate",
        ),
        (
            "alter table remat_log.o1 disable trigger remat_1_truncate",
            "alter table remat_log.o1 enable always trigger remat_1_truncate",
        ),
        ("alter table loose inherit items", "alter table loose no inherit items"),
        (
            "alter table parted detach partition p2",
            "alter table parted attach partition p2 for values from (10) to (20)",
        ),
        (
            "alter table parted attach partition p3 for values from (20) to (30)",
            "alter table parted detach partition p3",
        ),
        ("create table p4 partition of p1 for values from (1) to (2)", ""),
        (
            "alter table p1 disable trigger remat_2_delete",
            "alter table p1 enable always trigger remat_2_delete",
        ),
        (
            "create schema s; update remat.captures set system = 'x'",
            "update remat.captures set system = remat.system(), installed = '3'",
        ),
    ] {
        let prints = Prints::start().await;
        let before = prints.read().await;
        if prints.world.app.batch_execute(ddl).await.is_err() {
            assert!(back.is_empty(), "{ddl}");
            continue;
        }
        let between = prints.read().await;
        assert_ne!(between, before, "{ddl}");
        prints.world.run(back).await;
        let after = prints.read().await;
        // A relation that came and went, as a whole, leaves no trace: what was written to it meanwhile tells of itself.
        if !ddl.contains("inherit") && !ddl.contains("attach partition p3") && !ddl.contains("unlogged") {
            assert_ne!(after, before, "{ddl}");
        }
    }
}

#[tokio::test]
async fn a_trigger_that_a_replica_would_bypass_is_not_enough() {
    let prints = Prints::start().await;
    prints.world.run("alter table items enable trigger remat_1_insert").await;
    assert_eq!(prints.read().await[0], None);
}

#[tokio::test]
async fn a_partition_that_would_come_without_the_trigger_for_strangers_is_not_guarded() {
    for ddl in [
        "alter table parted disable trigger remat_2_stranger",
        "alter table parted enable trigger remat_2_stranger",
        "drop trigger remat_2_stranger on parted",
        // It would say of each row that anything may have changed.
        "alter table p1 enable trigger remat_2_stranger",
        "drop function remat_log.stranger_2 cascade",
    ] {
        let prints = Prints::start().await;
        prints.world.run(ddl).await;
        assert_eq!(prints.read().await[1], None, "{ddl}");
    }
}

#[tokio::test]
async fn a_column_that_was_rewritten_changes_it_even_with_the_same_type() {
    let world = World::with(ITEMS).await;
    let view = world.view("v").await;
    let capture = world.install(view, "items", &["id", "n"]).await.unwrap();
    let before = world.fingerprint(capture).await;
    world.run("drop view remat_log.v1; alter table items alter column n type int using n + 1").await;
    assert_eq!(world.fingerprint(capture).await, None);
    world.install(view, "items", &["id", "n"]).await.unwrap();
    assert_ne!(world.fingerprint(capture).await, before);
    assert!(world.fingerprint(capture).await.is_some());
}

#[tokio::test]
async fn a_table_that_a_subscription_writes_has_none() {
    let prints = Prints::start().await;
    // As a subscription would write it down; there is no publisher here.
    prints
        .world
        .run("set allow_system_table_mods = on; insert into pg_subscription_rel (srsubid, srrelid, srsubstate) values (1, 'items'::regclass, 'r')")
        .await;
    let [items, parted] = prints.read().await;
    assert!(items.is_none() && parted.is_some());
}

#[tokio::test]
async fn a_table_dropped_and_made_again_is_another() {
    let prints = Prints::start().await;
    prints.world.run("drop table items cascade; create table items (id int primary key, n int)").await;
    assert_eq!(prints.read().await[0], None);
    prints.world.run("insert into items values (1, 1)").await;
}
