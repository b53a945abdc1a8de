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

-- Deletes runs that ended: those beyond the newest `keep_per_view` of their view and status, and those older than
-- `keep_days`; at most `batch` in one call, the oldest first, so that no call holds many locks. Gives how many went;
-- call again while that is `batch`.
--
-- Kept in any case: failures that are newer than keep_days, the runs from which freshness is read (the last that filled
-- a view, the last that made or dropped it), and the last that tried anything, which is the view's state.
create function remat.prune(keep_per_view integer default 500, keep_days integer default 90, batch integer default 10000)
returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  with ended as (
    -- SQL jobs have no view and count as one.
    select r.id, r.status, r.finished_at, row_number() over (partition by r.view_id, r.status order by r.id desc) as nth
    from   remat.runs r
    where  r.status in ('success', 'failed', 'skipped', 'cancelled')
  ),
  kept as materialized (
    select f.id from remat.views v cross join remat.last_fill(v.id) f
    union
    select (select max(r.id) from remat.runs r
            where  r.view_id = v.id and r.operation in ('create', 'delete') and r.status = 'success')
    from   remat.views v
    union
    select (select max(r.id) from remat.runs r where r.view_id = v.id and r.status not in ('skipped', 'pending'))
    from   remat.views v
  ),
  doomed as (
    select e.id
    from   ended e
    where  (e.finished_at < clock_timestamp() - make_interval(days => keep_days)
            or (e.nth > keep_per_view and e.status <> 'failed'))
    and    e.id not in (select k.id from kept k where k.id is not null)
    order  by e.id
    limit  batch
  ),
  gone as (delete from remat.runs r using doomed d where r.id = d.id returning 1)
  select count(*) from gone
$$;
