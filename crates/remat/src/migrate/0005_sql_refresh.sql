-- The SQL interface, second part: runs around the refreshes of 0003, and the functions that people call.

-- Runs ---------------------------------------------------------------------------------------------------------------

-- A refresh under an older snapshot would put older contents over newer ones without an error.
create function remat.require_read_committed() returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'a refresh needs a transaction that is read committed, not %', current_setting('transaction_isolation')
    using errcode = 'invalid_transaction_state',
          detail = 'Under an older snapshot it could put older contents over newer ones.',
          hint = 'Call it in a transaction of its own, or begin with: begin isolation level read committed;';
  end if;
end
$$;

create function remat.open_run(view_id bigint) returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  insert into remat.runs (view_id, operation, status, trigger, worker, pid, backend_start, started_at, heartbeat_at)
  select $1, 'refresh', 'running', 'sql', coalesce(nullif(current_setting('application_name'), ''), 'sql'),
         pg_backend_pid(), (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a),
         clock_timestamp(), clock_timestamp()
  returning id
$$;

-- Tries to refresh the view as this run, and gives the outcome: columns of remat.runs by name. The advisory locks are
-- those of pg/lock.rs (`remr` and `remv` in ASCII) and live until the transaction ends, as the new contents do.
-- The clock is the server's: SQL has no monotonic one.
create function remat.attempt(run_id bigint, view_id bigint, row_count text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  began   timestamptz := clock_timestamp();
  v       remat.views;
  outcome jsonb;
begin
  perform pg_advisory_xact_lock(1919249778, (run_id % 2147483647)::integer);
  if not pg_try_advisory_xact_lock(1919249782, (view_id % 2147483647)::integer) then
    return jsonb_build_object('status', 'skipped', 'reason', 'already_running', 'duration_ms', 0, 'lock_wait_ms', 0,
      'meta', jsonb_strip_nulls(jsonb_build_object('running', (
        select max(r.id) from remat.runs r
        where  r.view_id = attempt.view_id and r.status in ('running', 'unknown') and r.id <> run_id))));
  end if;
  -- Only now: whoever held the lock may have changed the row.
  select * into v from remat.views where id = view_id;
  if remat.is_paused(v.pause) then
    return jsonb_build_object('status', 'skipped', 'reason', 'paused', 'duration_ms', 0, 'lock_wait_ms', 0);
  end if;
  outcome := remat.perform_patiently(v, coalesce(row_count, v.row_count));
  return outcome || jsonb_build_object('duration_ms', greatest(0, floor(1000 * extract(epoch from clock_timestamp() - began))));
end
$$;

-- Ends the run. One that was ended by another since must not bring its contents in: the error takes them back.
create function remat.settle_run(run_id bigint, outcome jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  update remat.runs r
  set    status = o.status, strategy = o.strategy, reason = o.reason, data_as_of = o.data_as_of,
         lock_wait_ms = o.lock_wait_ms, duration_ms = o.duration_ms,
         rows_before = o.rows_before, rows_after = o.rows_after, rows_inserted = o.rows_inserted,
         rows_updated = o.rows_updated, rows_deleted = o.rows_deleted, bytes = o.bytes,
         error_message = o.error_message, error_sqlstate = o.error_sqlstate, error_detail = o.error_detail,
         error_hint = o.error_hint, meta = r.meta || coalesce(o.meta, '{}'), finished_at = clock_timestamp()
  from   jsonb_populate_record(null::remat.runs, outcome) o
  where  r.id = run_id and r.fence = 1 and r.status in ('running', 'unknown');
  if not found then
    raise exception 'run % was taken over or ended by another', run_id
    using errcode = 'serialization_failure';
  end if;
end
$$;

-- The whole of one run within the caller's transaction. An error of this function rolls the run's row back with it.
create function remat.refresh_view(view_id bigint, row_count text, raise_on_failure boolean) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  run_id  bigint;
  outcome jsonb;
begin
  perform remat.require_read_committed();
  run_id := remat.open_run(view_id);
  outcome := remat.attempt(run_id, view_id, row_count);
  if outcome->>'error_sqlstate' = '57014' or (raise_on_failure and outcome->>'status' = 'failed') then
    perform remat.raise_outcome(outcome);
  end if;
  perform remat.settle_run(run_id, outcome);
  return run_id;
end
$$;

-- The public face ----------------------------------------------------------------------------------------------------

-- Refreshes one view and gives the id of the run in remat.runs, which tells success, failure or skip. row_count is
-- none, estimated or exact; without it the definition's way is taken.
create function remat.refresh_now(view_name text, row_count text default null, raise_on_failure boolean default false)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if row_count not in ('none', 'estimated', 'exact') then
    raise exception '"%" is not one of: none, estimated, exact', row_count using errcode = 'invalid_parameter_value';
  end if;
  return remat.refresh_view((remat.view_named(view_name)).id, row_count, raise_on_failure);
end
$$;

-- Puts views in an order in which each comes after those that it reads. A view has more views above it than any of
-- those has, so their number is the order. What a function reads inside its body, the catalog does not know.
create function remat.refresh_order(view_ids bigint[]) returns bigint[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with recursive
  standing as (
    select v.id, c.oid as relation
    from   remat.views v
    join   pg_namespace n on n.nspname = v.schema_name
    join   pg_class c on c.relnamespace = n.oid and c.relname = v.view_name
    where  v.retired_at is null
  ),
  -- A managed table has no rule of its own: its query is a view in remat_query.
  reads(id, relation) as (
    select s.id, s.relation from standing s
    union
    select r.id, next.relation
    from   reads r
    cross  join lateral (
             select d.refobjid
             from   pg_rewrite w
             join   pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
             where  w.ev_class = r.relation
             union  all
             select to_regclass(format('remat_query.v%s', s.id)) from standing s where s.relation = r.relation
           ) as next(relation)
    where  next.relation is not null
  ),
  above as (
    select r.id, count(*) filter (where s.id <> r.id) as views
    from   reads r left join standing s on s.relation = r.relation
    group  by r.id
  )
  select coalesce(array_agg(v.id order by coalesce(a.views, 0), v.schema_name, v.view_name), '{}')
  from   remat.views v left join above a on a.id = v.id
  where  v.id = any(view_ids) and v.retired_at is null
$$;

create function remat.views_tagged(tag text) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  ids bigint[] := remat.refresh_order(array(select v.id from remat.views v where tag = any(v.tags)));
begin
  -- A mistyped tag would otherwise refresh nothing, night after night, without a word.
  if cardinality(ids) = 0 then
    raise warning 'no view has the tag "%"', tag;
  end if;
  return ids;
end
$$;

-- Refreshes every view with the tag, those that others read first, and gives a row for each. Locks and contents become
-- visible and free together at the end of the caller's transaction; refresh_group lets go after each view.
create function remat.refresh_tag(tag text) returns table (view_name text, duration_ms integer, status text)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  next_id bigint;
  ran     bigint;
begin
  perform remat.require_read_committed();
  foreach next_id in array remat.views_tagged(tag) loop
    ran := remat.refresh_view(next_id, null, false);
    return query
      select case v.schema_name when 'public' then v.view_name else v.schema_name || '.' || v.view_name end,
             r.duration_ms::integer, r.status
      from   remat.runs r join remat.views v on v.id = r.view_id
      where  r.id = ran;
  end loop;
end
$$;

create function remat.refresh_audience_views() returns table (view_name text, duration_ms integer, status text)
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select * from remat.refresh_tag('audience') $$;

-- The same, committing twice per view: its run, so that others see it running and a crash leaves a trace; and its
-- contents with the outcome. A view that fails becomes a warning and a failed run. A cancel is recorded, then ends all.
--
-- It must be called outside a transaction block. It may not have SET clauses, since it commits: so it names everything
-- in full. Its own transactions are read committed, whatever the role's default is.
create procedure remat.refresh_group(tag text)
language plpgsql
as $$
declare
  ids     bigint[];
  next_id bigint;
  run_id  bigint;
  outcome jsonb;
begin
  commit;
  set transaction isolation level read committed;
  ids := remat.views_tagged(tag);
  foreach next_id in array ids loop
    run_id := remat.open_run(next_id);
    commit;
    set transaction isolation level read committed;
    outcome := remat.attempt(run_id, next_id, null);
    perform remat.settle_run(run_id, outcome);
    commit;
    set transaction isolation level read committed;
    if pg_catalog.jsonb_extract_path_text(outcome, 'error_sqlstate') operator(pg_catalog.=) '57014' then
      perform remat.raise_outcome(outcome);
    elsif pg_catalog.jsonb_extract_path_text(outcome, 'status') operator(pg_catalog.=) 'failed' then
      raise warning 'run % failed: %', run_id, pg_catalog.jsonb_extract_path_text(outcome, 'error_message')
      using errcode = pg_catalog.jsonb_extract_path_text(outcome, 'error_sqlstate');
    end if;
  end loop;
end
$$;
