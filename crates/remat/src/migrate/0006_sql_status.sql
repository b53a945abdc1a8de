-- What state the views are in, and how their history is kept small: usable with no remat process, and read by the
-- command line too, so that there is one truth.

-- How fresh what readers see is: nothing while there is nothing to read.
create function remat.data_as_of(view_id bigint) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select f.data_as_of
  from   remat.views v
  join   pg_namespace n on n.nspname = v.schema_name
  join   pg_class c on c.relnamespace = n.oid and c.relname = v.view_name and c.relispopulated
  cross  join remat.last_fill(v.id) f
  where  v.id = view_id
$$;

-- The state of every view. Of the states that apply, the first in this order is shown:
--   running      another session holds the view's lock and works on it
--   absent       nothing stands under its name: readers get an error
--   unpopulated  it was never filled: readers get an error
--   paused       nobody will refresh it
--   failed       the last run that tried anything failed
--   stale        older than its target, or of unknown age
--   fresh        within its target
--   ok           it has no target
-- last_status and last_error are of the last run that tried anything. A run that says running while no transaction
-- holds its lock has lost its connection: its outcome is unknown until somebody resolves it.
create function remat.status()
returns table (view text, strategy text, state text, data_as_of timestamptz, age interval,
               last_status text, last_error text)
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  with held as materialized (
    select l.classid, l.objid::bigint as key, l.pid
    from   pg_locks l
    where  l.locktype = 'advisory' and l.objsubid = 2 and l.granted
    and    l.database = (select d.oid from pg_database d where d.datname = current_database())
  )
  select remat.typed_name(v.schema_name, v.view_name),
         v.strategy,
         case
           when exists (select from held h where h.classid = 1919249782 and h.key = v.id % 2147483647
                                           and h.pid <> pg_backend_pid()) then 'running'
           when c.oid is null then 'absent'
           when not c.relispopulated then 'unpopulated'
           when remat.is_paused(v.pause) then 'paused'
           when last.status = 'failed' then 'failed'
           when v.target_lag_s is null then 'ok'
           when fill.age <= make_interval(secs => v.target_lag_s) then 'fresh'
           else 'stale'
         end,
         fill.data_as_of,
         fill.age,
         case when last.status = 'running'
               and not exists (select from held h where h.classid = 1919249778 and h.key = last.id % 2147483647)
              then 'unknown' else last.status end,
         last.error_message
  from   remat.views v
  left   join pg_namespace n on n.nspname = v.schema_name
  left   join pg_class c on c.relnamespace = n.oid and c.relname = v.view_name
  left   join lateral (
           select f.data_as_of, clock_timestamp() - f.data_as_of as age
           from   remat.last_fill(v.id) f
           where  c.relispopulated) as fill on true
  left   join lateral (
           select r.id, r.status, r.error_message
           from   remat.runs r
           where  r.view_id = v.id and r.status not in ('skipped', 'pending')
           order  by r.id desc
           limit  1) as last on true
  where  v.retired_at is null
  order  by v.schema_name, v.view_name
$$;

-- True when what readers see is at most so old; false when it was never filled.
create function remat.is_fresh(view_name text, within interval) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  select coalesce(clock_timestamp() - remat.data_as_of((remat.view_named(view_name)).id) <= within, false)
$$;

-- Retention ----------------------------------------------------------------------------------------------------------
--
-- Law: a step costs what it deletes, and one search of an index for each view that it passes; nothing reads or sorts the
-- table. So every statement below walks one index from its old end and stops at the first row that is too young. The
-- planner is told in prune_step, through which all of this is called, not to look for another way: what it believes about
-- a table that grows by the hour may be old.
-- Rows that somebody else holds are left to the next time, so that pruners neither wait for each other nor for a run.

-- Runs that stay, whatever their number and age: the last of the view, the last that tried anything (its state), the
-- last that filled it (its freshness), and the last that made or dropped it.
create function remat.runs_to_keep(view_id bigint) returns bigint[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return array_remove(array[
    (select max(r.id) from remat.runs r where r.view_id = $1),
    (select r.id from remat.runs r where r.view_id = $1 and r.status not in ('skipped', 'pending')
     order by r.id desc limit 1),
    (select f.id from remat.last_fill($1) f),
    (select max(r.id) from remat.runs r
     where  r.view_id = $1 and r.operation in ('create', 'delete') and r.status = 'success')], null);
end
$$;

-- Runs that others which have not ended yet wait for, or try again.
create function remat.runs_referred_to() returns bigint[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  -- in two parts, because each has an index of its own
  select coalesce(array_agg(other), '{}')
  from   (select r.waits_for || r.retry_of as others from remat.runs r where r.status = 'pending'
          union all
          select r.waits_for || r.retry_of from remat.runs r where r.status in ('running', 'unknown')) as r,
         unnest(r.others) as other
  where  other is not null
$$;

-- Of the successful refreshes of a view from `since` on, the oldest: at most `room` of those that are beyond the newest `per_view`
-- or ended before `young`. Gives how many went and where it stopped. The functions after it are the same for other runs.
create function remat.prune_refreshes(of_view bigint, kept bigint[], per_view integer, young timestamptz,
                                      since timestamptz, room integer, out gone bigint, out till timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  beyond timestamptz := case when per_view = 0 then 'infinity' else coalesce((
    select r.data_as_of from remat.runs r
    where  r.view_id = of_view and r.operation = 'refresh' and r.status = 'success'
    order  by r.data_as_of desc offset greatest(per_view - 1, 0) limit 1), '-infinity') end;
begin
  with doomed as (
    select r.id
    from   remat.runs r
    where  r.view_id = of_view and r.operation = 'refresh' and r.status = 'success'
    and    r.data_as_of >= since and r.data_as_of < greatest(beyond, young)
    and    (r.data_as_of < beyond or r.finished_at < young) and r.id <> all (kept)
    order  by r.data_as_of limit room for update skip locked
  ),
  deleted as (delete from remat.runs r using doomed d where r.id = d.id returning r.data_as_of)
  select count(*), max(data_as_of) into gone, till from deleted;
end
$$;

create function remat.prune_skips(of_view bigint, kept bigint[], per_view integer, young timestamptz,
                                  since timestamptz, room integer, out gone bigint, out till timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  beyond timestamptz := case when per_view = 0 then 'infinity' else coalesce((
    select r.finished_at from remat.runs r
    where  r.view_id = of_view and r.status = 'skipped' and r.operation <> 'sql'
    order  by r.finished_at desc offset greatest(per_view - 1, 0) limit 1), '-infinity') end;
begin
  with doomed as (
    select r.id
    from   remat.runs r
    where  r.view_id = of_view and r.status = 'skipped' and r.operation <> 'sql'
    and    r.finished_at >= since and r.finished_at < greatest(beyond, young) and r.id <> all (kept)
    order  by r.finished_at limit room for update skip locked
  ),
  deleted as (delete from remat.runs r using doomed d where r.id = d.id returning r.finished_at)
  select count(*), max(finished_at) into gone, till from deleted;
end
$$;

-- Failures and cancelled runs have no number, only an age.
create function remat.prune_failures(of_view bigint, kept bigint[], young timestamptz, since timestamptz, room integer,
                                     out gone bigint, out till timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  with doomed as (
    select r.id
    from   remat.runs r
    where  r.view_id = of_view and r.status in ('failed', 'cancelled')
    and    r.finished_at >= since and r.finished_at < young and r.id <> all (kept)
    order  by r.finished_at limit room for update skip locked
  ),
  deleted as (delete from remat.runs r using doomed d where r.id = d.id returning r.finished_at)
  select count(*), max(finished_at) into gone, till from deleted;
end
$$;

-- Creates and deletes are few, so their age is asked of each.
create function remat.prune_makings(of_view bigint, kept bigint[], per_view integer, young timestamptz, room integer)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  beyond bigint := case when per_view = 0 then 9223372036854775807 else coalesce((
    select r.id from remat.runs r
    where  r.view_id = of_view and r.operation in ('create', 'delete') and r.status = 'success'
    order  by r.id desc offset greatest(per_view - 1, 0) limit 1), 0) end;
  gone   bigint;
begin
  with doomed as (
    select r.id
    from   remat.runs r
    where  r.view_id = of_view and r.operation in ('create', 'delete') and r.status = 'success'
    and    (r.id < beyond or r.finished_at < young) and r.id <> all (kept)
    order  by r.id limit room for update skip locked
  ),
  deleted as (delete from remat.runs r using doomed d where r.id = d.id returning 1)
  select count(*) into gone from deleted;
  return gone;
end
$$;

-- SQL jobs have no view: of each the newest stay, and the last that ended well in any case.
create function remat.prune_sql_job(of_job text, kept bigint[], per_view integer, young timestamptz, room integer)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  beyond timestamptz := coalesce((
    select r.finished_at from remat.runs r
    where  r.job_name = of_job and r.status in ('success', 'skipped') and r.operation = 'sql'
    order  by r.finished_at desc offset greatest(per_view - 1, 0) limit 1), '-infinity');
  newest timestamptz := (
    select max(r.finished_at) from remat.runs r
    where  r.job_name = of_job and r.status in ('success', 'skipped') and r.operation = 'sql');
  gone   bigint;
begin
  with doomed as (
    select r.id
    from   remat.runs r
    where  r.job_name = of_job and r.status in ('success', 'skipped') and r.operation = 'sql'
    and    r.finished_at < least(newest, greatest(beyond, young)) and r.id <> all (kept)
    order  by r.finished_at limit room for update skip locked
  ),
  deleted as (delete from remat.runs r using doomed d where r.id = d.id returning 1)
  select count(*) into gone from deleted;
  return gone;
end
$$;

create function remat.prune_sql_failures(kept bigint[], young timestamptz, room integer) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  gone bigint;
begin
  with doomed as (
    select r.id
    from   remat.runs r
    where  r.view_id is null and r.status in ('failed', 'cancelled')
    and    r.finished_at < young and r.id <> all (kept)
    order  by r.finished_at limit room for update skip locked
  ),
  deleted as (delete from remat.runs r using doomed d where r.id = d.id returning 1)
  select count(*) into gone from deleted;
  return gone;
end
$$;

-- Looks at the next `room` fires after `since` and gives how far it came; null at the end. That a nominal time fires once
-- is promised for as long as its row lasts: so a row outlives every window in which a missed time may still fire, and
-- the newest of a job or view, from which the scheduler goes on, stays.
create function remat.prune_fires(days integer, since bigint, room integer, out gone bigint, out till bigint)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  -- a day where nothing is said; see schedule/dispatch.rs
  longest bigint := (select max(coalesce((d.dispatch->>'catch_up_s')::bigint, 86400))
                     from  (select dispatch from remat.views union all select dispatch from remat.scheduled_jobs) d);
  young   timestamptz := clock_timestamp()
                         - greatest(make_interval(days => days), make_interval(secs => coalesce(longest, 0)) + '1 day');
begin
  with old as materialized (
    select f.* from remat.fires f where f.id > since order by f.id limit room
  ),
  doomed as (
    select f.id
    from   remat.fires f
    where  f.id in (
      select o.id from old o
      where  o.recorded_at < young and o.fire_at < young
      and    (exists (select from remat.fires n where n.job_name = o.job_name and n.fire_at > o.fire_at)
              or exists (select from remat.fires n where n.view_id = o.view_id and n.fire_at > o.fire_at)))
    for update skip locked
  ),
  deleted as (delete from remat.fires f using doomed d where f.id = d.id returning 1)
  select (select count(*) from deleted), case when count(*) = room and max(o.recorded_at) < young then max(o.id) end
  into   gone, till
  from   old o;
end
$$;

create function remat.prune_events(days integer, room integer) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  gone bigint;
begin
  with old as materialized (select e.id, e.at from remat.events e order by e.id limit room),
  doomed as (
    select e.id
    from   remat.events e
    where  e.id in (select o.id from old o where o.at < clock_timestamp() - make_interval(days => days))
    for update skip locked
  ),
  deleted as (delete from remat.events e using doomed d where e.id = d.id returning 1)
  select count(*) into gone from deleted;
  return gone;
end
$$;

-- Workers that nobody has heard of for a day, once their runs have been rescued.
create function remat.prune_workers() returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  gone bigint;
begin
  with doomed as (
    select w.id
    from   remat.workers w
    where  w.heartbeat_at < clock_timestamp() - interval '1 day'
    and    w.id not in (select r.worker_id from remat.runs r
                        where  r.status in ('running', 'unknown') and r.worker_id is not null)
    for update skip locked
  ),
  deleted as (delete from remat.workers w using doomed d where w.id = d.id returning 1)
  select count(*) into gone from deleted;
  return gone;
end
$$;

-- The runs of one view, beginning with the kind of run and the time where the step before stopped. `kind` is null when
-- the view is done.
create function remat.prune_view(of_view bigint, kept bigint[], keep jsonb, room integer,
                                 inout kind integer, inout since timestamptz, out gone bigint)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  per_view integer := (keep->>'keep_per_view')::integer;
  young    timestamptz := clock_timestamp() - make_interval(days => (keep->>'keep_days')::integer);
  failed   timestamptz := clock_timestamp() - make_interval(days => (keep->>'keep_failures_days')::integer);
  went     bigint;
  till     timestamptz;
begin
  kept := kept || remat.runs_to_keep(of_view);
  gone := 0;
  for k in kind..4 loop
    till := null;
    case k
      when 1 then select * into went, till
                  from remat.prune_refreshes(of_view, kept, per_view, young, since, (room - gone)::integer);
      when 2 then select * into went, till
                  from remat.prune_skips(of_view, kept, per_view, young, since, (room - gone)::integer);
      when 3 then select * into went, till
                  from remat.prune_failures(of_view, kept, failed, since, (room - gone)::integer);
      else went := remat.prune_makings(of_view, kept, per_view, young, (room - gone)::integer);
    end case;
    gone := gone + went;
    since := '-infinity';
    if gone >= room then
      kind := k;
      since := coalesce(till, since);
      return;
    end if;
  end loop;
  kind := null;
end
$$;

-- One step of pruning, short enough to be a transaction of its own: deletes at most `batch` rows, and passes at most a
-- hundred views. `place` is what the step before gave as `next`, and null for the first; `next` is null after the
-- last. `keep` has keep_per_view, keep_days, keep_failures_days, keep_fires_days and keep_events_days.
create function remat.prune_step(place jsonb, keep jsonb, batch integer,
                                 out next jsonb, out runs bigint, out fires bigint, out events bigint, out workers bigint)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  stage  text := coalesce(place->>'stage', 'views');
  -- the view, job or row to go on with
  at_id  text := place->>'of';
  kind   integer := coalesce((place->>'kind')::integer, 1);
  since  timestamptz := coalesce((place->>'since')::timestamptz, '-infinity');
  young  timestamptz := clock_timestamp() - make_interval(days => (keep->>'keep_days')::integer);
  failed timestamptz := clock_timestamp() - make_interval(days => (keep->>'keep_failures_days')::integer);
  kept   bigint[] := remat.runs_referred_to();
  passed integer := 0;
  view   bigint;
  job    text;
  went   record;
begin
  batch := greatest(batch, 1);
  runs := 0; fires := 0; events := 0; workers := 0;
  if stage = 'views' then
    for view in select v.id from remat.views v where v.id >= coalesce(at_id::bigint, 0) order by v.id limit 100 loop
      went := remat.prune_view(view, kept, keep, (batch - runs)::integer, kind, since);
      runs := runs + went.gone;
      if went.kind is not null then
        next := jsonb_build_object('stage', stage, 'of', view, 'kind', went.kind, 'since', went.since);
        return;
      end if;
      passed := passed + 1;
      at_id := view + 1;
      kind := 1;
      since := '-infinity';
    end loop;
    next := case when passed = 100 then jsonb_build_object('stage', stage, 'of', at_id)
                 else '{"stage": "jobs"}'::jsonb end;
  elsif stage = 'jobs' then
    for passed in 1..100 loop
      job := (select min(r.job_name) from remat.runs r
              where  r.status in ('success', 'skipped') and r.operation = 'sql' and r.job_name > coalesce(at_id, ''));
      exit when job is null;
      runs := runs + remat.prune_sql_job(job, kept, (keep->>'keep_per_view')::integer, young, (batch - runs)::integer);
      exit when runs >= batch;
      at_id := job;
    end loop;
    if job is null then
      runs := runs + remat.prune_sql_failures(kept, failed, (batch - runs)::integer);
    end if;
    next := case when job is null and runs < batch then '{"stage": "fires"}'::jsonb
                 else jsonb_build_object('stage', stage, 'of', at_id) end;
  elsif stage = 'fires' then
    select f.gone, jsonb_build_object('stage', case when f.till is null then 'events' else stage end, 'of', f.till)
    into   fires, next
    from   remat.prune_fires((keep->>'keep_fires_days')::integer, coalesce(at_id::bigint, 0), batch) f;
  else
    events := remat.prune_events((keep->>'keep_events_days')::integer, batch);
    workers := remat.prune_workers();
    next := case when events >= batch then place end;
  end if;
end
$$;

-- Deletes what retention does not keep, at most about `batch` rows in one call, so that no call holds many locks. Gives
-- how many went; call again while that is not 0. A remat process goes on where it stopped; this begins at the first
-- view each time.
create function remat.prune(keep_per_view integer default 500, keep_days integer default 90,
                            keep_failures_days integer default 365, batch integer default 5000)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  keep jsonb := jsonb_build_object('keep_per_view', keep_per_view, 'keep_days', keep_days,
                  'keep_failures_days', keep_failures_days, 'keep_fires_days', 30, 'keep_events_days', 365);
  step record;
  goes jsonb;
  gone bigint := 0;
begin
  loop
    step := remat.prune_step(goes, keep, (batch - gone)::integer);
    goes := step.next;
    gone := gone + step.runs + step.fires + step.events + step.workers;
    exit when goes is null or gone >= batch;
  end loop;
  return gone;
end
$$;
