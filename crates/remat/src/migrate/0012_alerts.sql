-- What monitoring needs: totals that outlive the runs, when each loop of a daemon last turned, and alerts with the
-- messages that tell of them.

-- Totals ---------------------------------------------------------------------------------------------------------------
--
-- Law: a run that ends adds one row and changes none, so that ends never wait for each other and never conflict, under
-- no isolation level. A daemon folds these rows into totals; the sum of both is what ended since the beginning, however
-- many runs were pruned, and never goes down.

create table remat.run_ends (
    view_id      bigint,
    job_name     text,
    operation    text not null,
    status       text not null,
    strategy     text,
    duration_ms  bigint,
    lock_wait_ms bigint,
    rows_changed bigint,
    mismatches   integer not null
-- Every row is deleted within seconds: vacuum follows the number of them, and not the size of the table.
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 50000, autovacuum_vacuum_insert_threshold = -1);

create table remat.run_totals (
    -- 0 for the SQL of a scheduled job
    view_id      bigint not null,
    job_name     text not null,
    operation    text not null,
    status       text not null,
    strategy     text not null,
    -- they took at most so long, and longer than the bound before; see remat.duration_bound
    le_ms        bigint not null,
    runs         bigint not null,
    duration_ms  bigint not null,
    lock_wait_ms bigint not null,
    rows_changed bigint not null,
    mismatches   bigint not null,
    primary key (view_id, job_name, operation, status, strategy, le_ms)
) with (fillfactor = 50);

-- The smallest bound that a duration does not exceed; the largest bigint stands for none.
create function remat.duration_bound(ms bigint) returns bigint
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select coalesce(b.bounds[width_bucket(ms - 1, b.bounds) + 1], 9223372036854775807)
  from   (select array[10, 50, 100, 500, 1000, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000]::bigint[]
                 as bounds) b
$$;

-- Whoever may end a run may add to its totals, whatever else he may do.
create function remat.note_end() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  insert into remat.run_ends (view_id, job_name, operation, status, strategy, duration_ms, lock_wait_ms, rows_changed, mismatches)
  values (new.view_id, case when new.view_id is null then new.job_name end, new.operation, new.status, new.strategy,
          new.duration_ms, new.lock_wait_ms,
          coalesce(new.rows_inserted, 0) + coalesce(new.rows_updated, 0) + coalesce(new.rows_deleted, 0),
          (new.meta->'verification'->>'finding' is not distinct from 'mismatch')::integer);
  return null;
end
$$;

create trigger note_end after update of status on remat.runs
for each row when (new.status in ('success', 'failed', 'skipped', 'cancelled')
                   and old.status in ('pending', 'running', 'unknown'))
execute function remat.note_end();

-- Folds at most so many ends into the totals and gives how many; none while another session does.
create function remat.fold_run_ends(batch integer default 10000) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  folded bigint;
begin
  -- `remt` in ASCII
  if not pg_try_advisory_xact_lock(1919249780, 0) then
    return 0;
  end if;
  with gone as (
    delete from remat.run_ends e
    where  e.ctid = any (array(select o.ctid from remat.run_ends o limit batch))
    returning e.*
  ),
  summed as (
    insert into remat.run_totals as t
    select coalesce(g.view_id, 0), coalesce(g.job_name, ''), g.operation, g.status, coalesce(g.strategy, ''),
           remat.duration_bound(g.duration_ms), count(*), coalesce(sum(g.duration_ms), 0),
           coalesce(sum(g.lock_wait_ms), 0), coalesce(sum(g.rows_changed), 0), sum(g.mismatches)
    from   gone g
    group  by 1, 2, 3, 4, 5, 6
    on conflict (view_id, job_name, operation, status, strategy, le_ms) do update
    set    runs         = t.runs + excluded.runs,
           duration_ms  = t.duration_ms + excluded.duration_ms,
           lock_wait_ms = t.lock_wait_ms + excluded.lock_wait_ms,
           rows_changed = t.rows_changed + excluded.rows_changed,
           mismatches   = t.mismatches + excluded.mismatches
    returning 1
  )
  select count(*) into folded from gone;
  return folded;
end
$$;

-- What ended since the beginning, in one snapshot of both tables.
create function remat.run_counts()
returns table (view_id bigint, job_name text, operation text, status text, strategy text, le_ms bigint, runs bigint,
               duration_ms bigint, lock_wait_ms bigint, rows_changed bigint, mismatches bigint)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select a.view_id, a.job_name, a.operation, a.status, a.strategy, a.le_ms, sum(a.runs)::bigint, sum(a.duration_ms)::bigint,
         sum(a.lock_wait_ms)::bigint, sum(a.rows_changed)::bigint, sum(a.mismatches)::bigint
  from   (select t.* from remat.run_totals t
          union all
          select coalesce(e.view_id, 0), coalesce(e.job_name, ''), e.operation, e.status, coalesce(e.strategy, ''),
                 remat.duration_bound(e.duration_ms), 1, coalesce(e.duration_ms, 0), coalesce(e.lock_wait_ms, 0),
                 coalesce(e.rows_changed, 0), e.mismatches
          from   remat.run_ends e) a
  group  by 1, 2, 3, 4, 5, 6
$$;

-- Runs that had ended before there were totals count as far as they are kept.
insert into remat.run_totals
select coalesce(r.view_id, 0), case when r.view_id is null then coalesce(r.job_name, '') else '' end, r.operation, r.status,
       coalesce(r.strategy, ''), remat.duration_bound(r.duration_ms), count(*), coalesce(sum(r.duration_ms), 0),
       coalesce(sum(r.lock_wait_ms), 0),
       sum(coalesce(r.rows_inserted, 0) + coalesce(r.rows_updated, 0) + coalesce(r.rows_deleted, 0)),
       count(*) filter (where r.meta->'verification'->>'finding' = 'mismatch')
from   remat.runs r
where  r.status in ('success', 'failed', 'skipped', 'cancelled')
group  by 1, 2, 3, 4, 5, 6;

-- When each loop of a daemon last did its work, in whichever process.
create table remat.loops (
    service   text primary key,
    turned_at timestamptz not null,
    process   text not null
) with (fillfactor = 50);

-- Alerts ---------------------------------------------------------------------------------------------------------------
--
-- Law: an alert that fires is one open row per rule and subject, whoever found it; the index below makes sure. What
-- tells of it is written in the same transaction, and sent afterwards by whoever claims it.

-- Rules as a project wrote them. A rule that nobody wrote has its defaults; the rule `*` holds what concerns them all.
create table remat.alert_rules (
    name     text primary key check (name <> ''),
    settings jsonb not null,
    project  text
);

-- Where messages go. The settings say where secrets are to be found, and never what they are.
create table remat.destinations (
    name     text primary key check (name <> ''),
    kind     text not null check (kind in ('webhook', 'slack', 'email')),
    settings jsonb not null,
    project  text
);

create table remat.mutes (
    id         bigint generated always as identity primary key,
    -- `*` mutes every rule
    rule       text not null check (rule <> ''),
    -- null mutes it for everything
    view_id    bigint references remat.views on delete cascade,
    until      timestamptz,
    reason     text,
    muted_by   text not null,
    created_at timestamptz not null default clock_timestamp(),
    ended_at   timestamptz
);

create table remat.alerts (
    id           bigint generated always as identity primary key,
    rule         text not null,
    kind         text not null,
    -- the rule and what it is about, so that the same is never open twice
    dedupe_key   text not null,
    view_id      bigint references remat.views on delete cascade,
    -- what it is about, for people
    subject      text not null,
    severity     text not null check (severity in ('warning', 'critical')),
    reason       text not null,
    advice       text not null,
    run_id       bigint,
    -- the alert that explains this one: only that one is told
    caused_by    bigint references remat.alerts on delete set null,
    fired_at     timestamptz not null default clock_timestamp(),
    -- when its messages were written; null while it is muted or explained by another
    announced_at timestamptz,
    resolved_at  timestamptz,
    constraint resolved_after_it_fired check (resolved_at >= fired_at)
);
create unique index alerts_open on remat.alerts (dedupe_key) where resolved_at is null;
create index alerts_of_view on remat.alerts (view_id, id desc) where view_id is not null;
create index alerts_resolved on remat.alerts (resolved_at) where resolved_at is not null;

-- The outbox: one message to one destination.
create table remat.deliveries (
    id          bigint generated always as identity primary key,
    alert_id    bigint references remat.alerts on delete cascade,
    event       text not null check (event in ('firing', 'resolved', 'test')),
    destination text not null,
    -- the same for each attempt, so that a receiver can tell a repetition
    message_id  uuid not null unique default gen_random_uuid(),
    message     jsonb not null,
    status      text not null default 'pending' check (status in ('pending', 'sending', 'sent', 'failed')),
    attempts    integer not null default 0,
    -- drawn by each claim: who claimed earlier notes nothing
    fence       bigint not null default 0,
    due_at      timestamptz not null default clock_timestamp(),
    claimed_at  timestamptz,
    -- when it was sent or given up
    ended_at    timestamptz,
    -- what the receiver answered: a number or a reason, never a body
    answer      text,
    created_at  timestamptz not null default clock_timestamp(),
    constraint once_per_destination unique (alert_id, event, destination),
    constraint delivery_holds_its_facts check (case status
        when 'pending' then ended_at is null
        when 'sending' then claimed_at is not null and ended_at is null
        else ended_at is not null
    end)
);
create index deliveries_to_do on remat.deliveries (due_at) where status in ('pending', 'sending');
create index deliveries_failed on remat.deliveries (ended_at) where status = 'failed';
