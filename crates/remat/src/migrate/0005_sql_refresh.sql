-- The SQL interface, second part: how a view is refreshed, the run around that, and the functions that people call.
-- The law is that of 0003.

-- Doing it -----------------------------------------------------------------------------------------------------------

-- Runs statements with what the definition pins, and as `as_role` where one is given; `numbers` has for each the rows
-- that it touched or, where `reads` says so, the number that it selected; `ended` when it ended.
--
-- The SET clauses only make the server put these settings back at the end; the definition's values are set inside.
-- Between pinning and the end nothing but the statements themselves is looked up by name or operator, for the view's
-- search_path holds there.
create function remat.run_pinned(statements text[], reads boolean[], settings jsonb, as_role text,
                                 out numbers bigint[], out ended timestamptz[])
language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = 'postgres'
set extra_float_digits = 1 set row_security = on set lock_timeout = 0
as $$
declare
  further   jsonb := coalesce(settings->'parameters', '{}');
  names     text[] := array(select jsonb_object_keys(further));
  before    text[] := array(select current_setting(name, true) from unnest(names) with ordinality n(name, i) order by i);
  role_then text := current_setting('role');
  path      text := remat.pinned_path(settings);
  last      integer := cardinality(statements);
  number    bigint;
begin
  perform set_config('lock_timeout', greatest(coalesce((settings->>'lock_timeout_ms')::integer, 50), 1)::text, true),
          set_config('TimeZone', coalesce(settings->>'time_zone', 'UTC'), true);
  perform set_config(key, value, true) from jsonb_each_text(further);
  perform set_config('role', coalesce(as_role, role_then), true), set_config('search_path', path, true);
  for i in 1..last loop
    if reads[i] then
      execute statements[i] into number;
    else
      execute statements[i];
      get diagnostics number = row_count;
    end if;
    numbers[i] := number;
    ended[i] := pg_catalog.clock_timestamp();
  end loop;
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  perform set_config('role', role_then, true);
  perform set_config(name, coalesce(value, ''), true) from unnest(names, before) as saved(name, value);
end
$$;

-- Rows inserted into and deleted from the relation by this transaction, as the server counts them anyway; nothing
-- where it does not. Around a refresh in a subtransaction of its own the difference is exact and costs no scan:
-- CONCURRENTLY writes by plain statements, and a plain refresh reports what it wrote as inserted.
create function remat.written(relation oid, out inserted bigint, out deleted bigint)
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  select case when counts then pg_stat_get_xact_tuples_inserted(relation) end,
         case when counts then pg_stat_get_xact_tuples_deleted(relation) end
  from   cast(current_setting('track_counts') as boolean) as counts
$$;

-- Rows before a run without reading the view: what the last success left, else the server's estimate. reltuples comes
-- second because CONCURRENTLY does not touch it.
create function remat.rows_known(view_id bigint, relation oid) returns bigint
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when c.relispopulated
              then coalesce((select f.rows_after from remat.last_fill(view_id) f), nullif(c.reltuples, -1)::bigint)
              else 0 end
  from   pg_class c
  where  c.oid = relation
$$;

create function remat.phases_ms(phases text[], began timestamptz, ended timestamptz[]) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select jsonb_object_agg(phase, ms)
  from  (select phase, round(sum(extract(epoch from took)) * 1000, 3) as ms
         from  (select p.phase, p.stop - lag(p.stop, 1, began) over (order by p.i) as took
                from   unnest(phases, ended) with ordinality as p(phase, stop, i)) as steps
         group  by phase) as sums
$$;

create function remat.refresh_matview(v remat.views, relation oid, how text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  way    record := remat.choose_way(v, relation);
  target text := format('%I.%I', v.schema_name, v.view_name);
  plain  boolean := way.strategy = 'regular';
  known  bigint := remat.rows_known(v.id, relation);
  before record := remat.written(relation);
  -- Before the statement is sent: its snapshot is taken before it waits for any lock.
  as_of  timestamptz := clock_timestamp();
  done   record := remat.run_pinned(array[format('refresh materialized view %s %s',
                                                 case when plain then '' else 'concurrently' end, target)],
                                    array[false], v.settings, null);
  after  record := remat.written(relation);
  rows   bigint := after.inserted - before.inserted - case when plain then 0 else after.deleted - before.deleted end
                   + case when plain then 0 else known end;
begin
  -- A plain refresh has counted already; after a concurrent one the lock that it holds keeps the number true.
  if how = 'exact' and (not plain or rows is null) then
    rows := (remat.run_pinned(array['select count(*) from ' || target], array[true], v.settings, null)).numbers[1];
    known := coalesce(rows - (after.inserted - before.inserted) + (after.deleted - before.deleted), known);
  end if;
  return jsonb_build_object(
    'strategy', way.strategy, 'reason', way.reason, 'data_as_of', as_of,
    'rows_before', case when how <> 'none' then known end,
    'rows_after', case when how <> 'none' then rows end,
    'rows_inserted', case when not plain then after.inserted - before.inserted end,
    'rows_deleted', case when not plain then after.deleted - before.deleted end,
    'meta', jsonb_build_object('phases_ms', remat.phases_ms(array['build'], as_of, done.ended), 'vacuum_wanted', plain));
end
$$;

-- Says which key broke a merge, and how to find the rows, without showing them.
create function remat.raise_bad_key(v remat.views, wrong text, code text) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  key    text := remat.name_list(v.key_columns);
  source text := format('remat_query.v%s', v.id);
begin
  raise exception 'the key of view "%" is % in its query''s result', remat.typed_name(v.schema_name, v.view_name), wrong
  using errcode = code,
        hint = case wrong
                 when 'NULL' then format('Find the rows with: select * from %s where num_nulls(%s) > 0;', source, key)
                 else format('Find the duplicates with: select %s, count(*) from %s group by %1$s having count(*) > 1;',
                             key, source) end;
end
$$;

-- Runs a program as the owner of the table and in a security-restricted operation: it is the query of a materialized
-- view, which is made, refreshed, read and dropped; see remat_query.perform. Outside of the refresh no statement of the
-- owner runs, and none that looks anything up by the view's search path. The owner's functions could rename the
-- materialized view in the refresh and put something else under its name: the object id tells.
create function remat.run_restricted(v remat.views, relation oid, out numbers bigint[], out ended timestamptz[])
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  role_then text := current_setting('role');
  owner     text := (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = relation);
  run       text := format('remat_query.v%s_remat_run', v.id);
  which     text := format('select %L::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8', run);
  done      record := remat.run_pinned(
                        array[format('create materialized view %s as select * from remat_query.perform('
                                     '%L::pg_catalog.jsonb, %L::pg_catalog.text, %s::pg_catalog.oid) with no data',
                                     run, v.program, remat.pinned_path(v.settings), relation),
                              which, 'refresh materialized view ' || run, which],
                        array[false, true, false, true], v.settings, owner);
begin
  if done.numbers[2] <> done.numbers[4] then
    raise exception 'the result of the merge was replaced while it ran' using errcode = 'insufficient_privilege';
  end if;
  perform set_config('role', owner, true);
  execute format('select array_agg(number order by step), array_agg(ended order by step) from %s', run)
  into    numbers, ended;
  execute format('drop materialized view %s', run);
  perform set_config('role', role_then, true);
end
$$;

-- A merge: the stored statements, and what their numbers mean.
create function remat.run_program(v remat.views, relation oid) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  steps record;
  count jsonb;
  as_of timestamptz := clock_timestamp();
  done  record := remat.run_restricted(v, relation);
begin
  select array_agg(s.value->>'phase' order by i) as phases, array_agg(s.value->>'counts' order by i) as counts
  into   steps
  from   jsonb_array_elements(v.program) with ordinality as s(value, i);
  count := (select jsonb_object_agg(c.name, c.number)
            from unnest(steps.counts, done.numbers) as c(name, number) where c.name is not null);
  if (count->>'staged')::bigint
     <> (count->>'before')::bigint + (count->>'inserted')::bigint - (count->>'deleted')::bigint then
    perform remat.raise_bad_key(v, 'not unique', '21000');
  end if;
  return jsonb_build_object(
    'strategy', 'merge', 'data_as_of', as_of,
    'reason', case v.strategy when 'auto' then 'auto: the view has a key, so only the difference is written'
              when 'incremental' then 'merge: a refresh within the server reads no changes'
              else 'as defined' end,
    'rows_before', count->'before', 'rows_after', count->'staged', 'rows_inserted', count->'inserted',
    'rows_updated', count->'updated', 'rows_deleted', count->'deleted',
    'meta', jsonb_build_object('phases_ms', remat.phases_ms(steps.phases, as_of, done.ended)));
end
$$;

create function remat.refresh_table(v remat.views, relation oid, how text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  outcome jsonb;
begin
  if v.program is null then
    raise exception 'view "%" has no stored merge', remat.typed_name(v.schema_name, v.view_name)
    using errcode = 'object_not_in_prerequisite_state', hint = 'Run `remat apply`, which writes it.';
  end if;
  begin
    outcome := remat.run_program(v, relation);
  exception
    when unique_violation then perform remat.raise_bad_key(v, 'not unique', sqlstate);
    when not_null_violation then perform remat.raise_bad_key(v, 'NULL', sqlstate);
  end;
  return case how when 'none' then outcome - '{rows_before,rows_after}'::text[] else outcome end;
end
$$;

-- Brings the contents up to date by the way that fits what stands under the name.
create function remat.perform(v remat.views, how text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  relation oid := remat.deployed(v);
  kind     text := (select c.relkind from pg_class c where c.oid = relation);
  outcome  jsonb;
begin
  if kind = 'm' and v.strategy in ('regular', 'concurrent', 'swap', 'auto') then
    outcome := remat.refresh_matview(v, relation, how);
  elsif kind = 'r' and v.strategy in ('merge', 'incremental', 'auto') then
    outcome := remat.refresh_table(v, relation, how);
  else
    raise exception 'strategy "%" does not fit %', v.strategy,
                    case kind when 'm' then 'a materialized view' when 'r' then 'a managed table'
                    else 'what stands under the name' end
    using errcode = 'object_not_in_prerequisite_state',
          hint = 'Change the strategy in the definition and run `remat apply`, which converts the relation.';
  end if;
  return jsonb_set(outcome, '{meta}', outcome->'meta' || jsonb_build_object(
           'view', remat.typed_name(v.schema_name, v.view_name), 'row_count_strategy', how))
         || jsonb_build_object('status', 'success', 'bytes', pg_total_relation_size(relation));
end
$$;

-- Waits for locks in short attempts, each in a subtransaction, so that readers never queue behind a waiting refresh for
-- longer than one of them; every attempt has a new snapshot and its own data_as_of. The pause between attempts grows to
-- half a second, so that readers get their turn; it lies within the block, because a cancel may come then too.
--
-- OTHERS leaves out two errors. A failed ASSERT in a view's function is the fault of that view like any other. A cancel,
-- or the timeout of the caller's statement, is caught only to be told and raised again by the caller of this function: to
-- swallow it would make the loop over the views one that nobody can stop.
create function remat.perform_patiently(v remat.views, how text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  began   timestamptz := clock_timestamp();
  tried   timestamptz := began;
  budget  interval := make_interval(secs => coalesce((v.settings->>'lock_budget_ms')::float8, 30000) / 1000);
  outcome jsonb;
  detail  text;
  hint    text;
begin
  for attempt in 0..2147483647 loop
    begin
      perform pg_sleep(least(attempt, 10) * 0.05);
      tried := clock_timestamp();
      outcome := remat.perform(v, how);
    exception when others or query_canceled or assert_failure then
      get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
      outcome := remat.failed_outcome(sqlstate, sqlerrm, detail, hint);
    end;
    outcome := outcome || jsonb_build_object('lock_wait_ms', floor(1000 * extract(epoch from tried - began)));
    exit when outcome->>'error_sqlstate' is distinct from '55P03';
    if clock_timestamp() - began >= budget then
      return outcome || jsonb_build_object(
        'lock_wait_ms', floor(1000 * extract(epoch from clock_timestamp() - began)),
        'error_detail', 'Blocked by ' || remat.blockers(remat.relation_at(v.schema_name, v.view_name)) || '.',
        'error_hint', 'Wait for these sessions or end them, or raise lock_budget of the view.');
    end if;
  end loop;
  return outcome;
end
$$;

-- Runs ---------------------------------------------------------------------------------------------------------------

-- A refresh under an older snapshot would put older contents over newer ones without an error.
create function remat.require_read_committed() returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'a refresh needs a transaction that is read committed, not %',
                    current_setting('transaction_isolation')
    using errcode = 'invalid_transaction_state',
          detail = 'Under an older snapshot it could put older contents over newer ones.',
          hint = 'Call it in a transaction of its own, or begin with: begin isolation level read committed;';
  end if;
end
$$;

create function remat.open_run(view_id bigint) returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  insert into remat.runs (view_id, operation, status, trigger, worker, pid, backend_start, started_at)
  select $1, 'refresh', 'running', 'sql', coalesce(nullif(current_setting('application_name'), ''), 'sql'),
         pg_backend_pid(), (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a),
         clock_timestamp()
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
  return outcome || jsonb_build_object(
    'duration_ms', greatest(0, floor(1000 * extract(epoch from clock_timestamp() - began))));
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

-- Which views read which others, through plain views and through other views.
create function remat.reads() returns table (view_id bigint, reads_id bigint)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with recursive
  standing as (
    select v.id, remat.relation_at(v.schema_name, v.view_name) as relation
    from   remat.views v
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
             join   pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
             where  w.ev_class = r.relation and d.refclassid = 'pg_class'::regclass
             union  all
             select remat.relation_at('remat_query', 'v' || s.id) from standing s where s.relation = r.relation
           ) as next(relation)
    where  next.relation is not null
  )
  select r.id, s.id from reads r join standing s on s.relation = r.relation where s.id <> r.id
$$;


-- Puts views in an order in which each comes after those that it reads. A view has more views above it than any of
-- those has, so their number is the order. What a function reads inside its body, the catalog does not know.
create function remat.refresh_order(view_ids bigint[]) returns bigint[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(v.id order by coalesce(r.views, 0), v.schema_name, v.view_name), '{}')
  from   remat.views v
  left   join (select view_id, count(*) as views from remat.reads() group by view_id) r on r.view_id = v.id
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
-- It must be called outside a transaction block, and alone: several statements sent at once are one. It may not have
-- SET clauses, since it commits: so it names everything in full. Its own transactions are read committed, whatever the
-- role's default is.
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
