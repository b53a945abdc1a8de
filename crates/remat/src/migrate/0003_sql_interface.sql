-- The SQL interface: refreshes that need no remat process, from psql, pg_cron or any language.
--
--   select remat.refresh_now('sales.daily')          one view, in the caller's transaction
--   select * from remat.refresh_tag('audience')      every view with the tag, in the caller's transaction
--   select * from remat.refresh_audience_views()     the same for the tag `audience`
--   call remat.refresh_group('audience')             the same, committing after each view
--
-- Law: these functions obey the protocol of the Rust side: the same advisory locks, the same pinned settings, short
-- lock waits, success in the transaction of the contents, and `data_as_of` taken before the statement is sent.
-- The failure of one view is a row in remat.runs, not an error; a cancel and a timeout of the caller's statement are
-- errors, because the whole statement was meant.
--
-- They run with the rights of their caller, who needs those of a remat worker: usage on schema remat, its tables, and
-- what REFRESH demands. The schema is granted to nobody else, so no EXECUTE is revoked. Each function pins its own
-- search_path; the caller's and the view's never decide what a name in here means.
--
-- What SQL cannot do: end a statement after statement_timeout_ms of the view (the server starts that clock with the
-- caller's statement, so the caller sets it), swap, and vacuum afterwards (autovacuum does).

-- How fresh a view is, is asked from its last success since it was made; this finds when that was.
create index runs_that_made on remat.runs (view_id, id desc)
where operation in ('create', 'delete') and status = 'success';

-- A name as remat shows it: quoted only where it must be.
create function remat.typed_name(schema_name text, view_name text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select string_agg(case when part ~ '^[a-z_][a-z0-9_]*$' then part else '"' || replace(part, '"', '""') || '"' end,
                    '.' order by position)
  from   unnest(array[schema_name, view_name]) with ordinality as parts(part, position)
$$;

-- The view that a caller names as `name` (in schema public) or `schema.name`.
create function remat.view_named(view_name text) returns remat.views
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  parts text[] := parse_ident(view_name);
  found remat.views;
begin
  if cardinality(parts) = 1 then
    parts := array['public', parts[1]];
  end if;
  select * into found
  from   remat.views v
  where  cardinality(parts) = 2 and v.schema_name = parts[1] and v.view_name = parts[2] and v.retired_at is null;
  if found.id is null then
    raise exception 'view "%" is not defined', array_to_string(parts, '.')
    using errcode = 'undefined_object',
          hint = 'select view from remat.status() lists the views; `remat apply` defines those of a project folder.';
  end if;
  return found;
end
$$;

create function remat.is_paused(pause jsonb) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$ select pause is not null and coalesce((pause->>'until')::timestamptz > clock_timestamp(), true) $$;

-- The last run that filled the relation as it was last made: its data_as_of is the freshness of the view. A relation
-- that was made anew and not filled has none, whatever its predecessor had.
create function remat.last_fill(view_id bigint) returns setof remat.runs
language sql stable rows 1 set search_path = pg_catalog, pg_temp
as $$
  select r.*
  from   remat.runs r
  where  r.view_id = $1 and r.status = 'success' and r.data_as_of is not null
  and    r.id >= coalesce((select max(made.id)
                           from   remat.runs made
                           where  made.view_id = $1 and made.operation in ('create', 'delete') and made.status = 'success'), 0)
  order  by r.data_as_of desc
  limit  1
$$;

-- Failures -----------------------------------------------------------------------------------------------------------

-- The words of FailureKind in failure.rs, by SQLSTATE; a test holds the two together.
create function remat.failure_kind(code text, message text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select case
    when code = '55P03' then 'lock_timeout'
    when code = '40P01' then 'deadlock'
    when code = '40001' then 'serialization'
    when code in ('57P01', '57P02', '57P03') then 'server_unavailable'
    when code in ('25P03', '25P04') then 'connection_lost'
    when code = '53100' then 'disk_full'
    when code = '57014' and message like '%statement timeout%' then 'statement_timeout'
    when code = '57014' then 'cancelled'
    when code in ('55000', '0A000') then 'prerequisite'
    when code in ('21000', '23505') then 'not_unique'
    when code = '23502' then 'null_key'
    when code in ('42P01', '42703', '42883', '42704', '3F000') then 'undefined_object'
    when code = '2BP01' then 'dependents'
    when code = '42501' then 'permission_denied'
    when code = '25006' then 'read_only'
    when left(code, 2) = '08' then 'connection_lost'
    when left(code, 2) in ('53', '54') then 'out_of_resources'
    when left(code, 2) in ('22', '23') then 'data'
    else 'other'
  end
$$;

-- What a person should do, where the server gave no hint.
create function remat.advice(failure_kind text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select case failure_kind
    when 'disk_full' then 'Free disk space: a refresh needs room for a second copy of the view and its indexes.'
    when 'out_of_resources' then 'Raise the limit that the message names, or refresh fewer views at once.'
    when 'statement_timeout' then 'Raise statement_timeout of the view, or make its query cheaper.'
    when 'permission_denied' then 'Grant the role that owns the view what the message names.'
    when 'read_only' then 'Connect to the primary: a standby cannot refresh.'
    when 'prerequisite' then 'Run `remat check` or choose another strategy for the view.'
    when 'not_unique' then 'The key must be unique in the query''s result.'
    when 'null_key' then 'The key must not be NULL in the query''s result.'
    when 'data' then 'The query fails on its data: correct the data or guard the expression.'
    when 'undefined_object' then 'Correct the query, or restore what it names, then run `remat apply`.'
    when 'dependents' then 'Drop or change what depends on the view, or pass --cascade.'
  end
$$;

-- The outcome of an attempt that failed. A detail that quotes rows is withheld, as the logs and dashboards that show
-- it are read by more people than the data is.
create function remat.failed_outcome(code text, message text, detail text, hint text) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'status', case kind when 'cancelled' then 'cancelled' else 'failed' end,
    'error_message', message,
    'error_sqlstate', code,
    'error_detail', case when detail <> '' and left(code, 2) in ('21', '22', '23')
                         then 'The server''s detail quotes rows and is withheld.' else nullif(detail, '') end,
    'error_hint', coalesce(nullif(hint, ''), remat.advice(kind)),
    'meta', jsonb_build_object('failure', kind))
  from remat.failure_kind(code, message) as kind
$$;

create function remat.raise_outcome(outcome jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    message = outcome->>'error_message',
    errcode = outcome->>'error_sqlstate',
    detail  = coalesce(outcome->>'error_detail', ''),
    hint    = coalesce(outcome->>'error_hint', '');
end
$$;

-- Who holds a lock on the relation; see pg/blockers.sql. The text of their queries is not shown: it may hold data.
create function remat.blockers(relation oid) returns text
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  select string_agg(who, '; ')
  from  (select format('pid %s (%s%s, %s)', l.pid, coalesce(a.usename, 'a session of another role'),
                       coalesce(', ' || nullif(a.application_name, ''), ''),
                       coalesce(a.state, a.backend_type, 'state hidden')) as who
         from   pg_locks l
         left   join pg_stat_activity a on a.pid = l.pid
         where  l.locktype = 'relation' and l.relation = blockers.relation and l.granted
         and    l.database = (select oid from pg_database where datname = current_database())
         and    l.pid <> pg_backend_pid()
         group  by l.pid, a.usename, a.application_name, a.state, a.backend_type, a.xact_start
         order  by a.xact_start nulls last, l.pid
         limit  5) as holders
$$;

-- What stands in the database ----------------------------------------------------------------------------------------

-- The fingerprint that Relation::fingerprint in pg/catalog.rs gives; printed under an empty search_path, so that the
-- server names every object in full.
create function remat.relation_fingerprint(relation oid) returns text
language sql stable set search_path = ''
as $$
  select pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
           coalesce(columns.list, '') || e'\n'
           || coalesce(case when c.relkind <> 'r' then pg_catalog.pg_get_viewdef(c.oid) end, ''), 'UTF8')), 'hex'), 32)
  from   pg_catalog.pg_class c
  cross  join lateral (
           select pg_catalog.string_agg(
                    '"' || pg_catalog.replace(a.attname, '"', '""') || '" ' || pg_catalog.format_type(a.atttypid, a.atttypmod),
                    ',' order by a.attnum) as list
           from   pg_catalog.pg_attribute a
           where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  where  c.oid = relation
$$;

-- Says why the relation that remat made is not there under the view's name.
create function remat.raise_missing(v remat.views) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  shown text := remat.typed_name(v.schema_name, v.view_name);
  moved text;
begin
  select remat.typed_name(n.nspname, c.relname) into moved
  from   pg_class c join pg_namespace n on n.oid = c.relnamespace
  where  c.oid = v.relation_oid;
  raise exception 'view "%" does not exist in the database', shown
  using errcode = 'undefined_table',
        detail = case when moved is not null then format('It was renamed to "%s" outside remat.', moved)
                      when v.relation_oid is not null then 'It was dropped outside remat.'
                      else '' end,
        hint = case when moved is not null
                    then 'Rename it back, or rename the definition too; `remat plan` shows the difference.'
                    when v.relation_oid is not null then format('Run `remat create %s`.', shown)
                    else format('It is defined but was never created: run `remat create %s`.', shown) end;
end
$$;

-- The relation that remat made, unless somebody dropped, renamed or changed it since. The same definition under
-- another object id is one that was restored from a dump, and is taken over.
create function remat.deployed(v remat.views) returns oid
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  relation oid := (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where  n.nspname = v.schema_name and c.relname = v.view_name);
begin
  if relation is null or v.relation_oid is null then
    perform remat.raise_missing(v);
  elsif relation = v.relation_oid then
    return relation;
  elsif remat.relation_fingerprint(relation) = v.relation_fingerprint then
    update remat.views
    set    relation_oid = relation, system_identifier = (select c.system_identifier from pg_control_system() c)
    where  id = v.id;
    return relation;
  end if;
  raise exception 'view "%" no longer matches its definition', remat.typed_name(v.schema_name, v.view_name)
  using errcode = 'object_not_in_prerequisite_state',
        detail = 'It was dropped and made anew, or its columns were changed, outside remat.',
        hint = format('Run `remat plan` to review the difference, or `remat create %s --force` to restore it.',
                      remat.typed_name(v.schema_name, v.view_name));
end
$$;

-- The first test of CONCURRENTLY that each index of the relation fails; null for an index that serves.
create function remat.index_verdicts(relation oid) returns table (index_name text, fails text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select i.relname::text,
         case when not x.indisunique      then 'is not unique'
              when not x.indimmediate     then 'is deferrable'
              when not x.indisvalid       then 'is not valid; an earlier build of it failed'
              when x.indpred is not null  then 'is partial: it has a WHERE clause'
              when x.indexprs is not null then 'indexes an expression, not plain columns'
              when am.amname <> 'btree'   then 'is not a btree' end
  from   pg_index x
  join   pg_class i on i.oid = x.indexrelid
  join   pg_am am on am.oid = i.relam
  where  x.indrelid = relation
  order  by i.relname
$$;

-- Why the view cannot be refreshed concurrently; null when it can.
create function remat.concurrently_lacks(relation oid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select case when bool_or(fails is null) then null
              else coalesce(string_agg(format('Index "%s" %s.', index_name, fails), ' '), 'It has no unique index.') end
  from   remat.index_verdicts(relation)
$$;

-- Which way a materialized view is refreshed from SQL, and why. A swap needs a remat process; and since a plain refresh
-- locks readers out until the *caller's* transaction ends, concurrently is taken wherever it is possible.
create function remat.choose_way(v remat.views, relation oid, out strategy text, out reason text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  lacks     text := remat.concurrently_lacks(relation);
  populated boolean := (select c.relispopulated from pg_class c where c.oid = relation);
begin
  if not populated or v.strategy = 'regular' then
    strategy := 'regular';
    reason := case when v.strategy = 'regular' then 'as defined'
                   else 'the view was not populated, so it was refreshed plainly' end;
  elsif lacks is null then
    strategy := 'concurrent';
    reason := case v.strategy when 'swap' then 'swap needs a remat process; refreshed concurrently'
                              when 'auto' then 'auto: a unique index allows it and readers never wait'
                              else 'as defined' end;
  elsif v.strategy = 'concurrent' then
    raise exception 'materialized view "%" cannot be refreshed concurrently', remat.typed_name(v.schema_name, v.view_name)
    using errcode = 'object_not_in_prerequisite_state', detail = lacks,
          hint = format('create unique index on %I.%I (%s);', v.schema_name, v.view_name, coalesce(
                   (select string_agg(format('%I', k), ', ' order by n) from unnest(v.key_columns) with ordinality as c(k, n)),
                   '<columns that identify a row>'));
  else
    strategy := 'regular';
    reason := format('%s; refreshed plainly. %s', case v.strategy when 'swap' then 'swap needs a remat process'
                                                   else 'auto: no index allows a concurrent refresh' end, lacks);
  end if;
end
$$;

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
  before    text[] := array(select current_setting(name, true) from unnest(names) with ordinality as n(name, i) order by i);
  role_then text := current_setting('role');
  path      text := (select string_agg(format('%I', name), ', ' order by i)
                     from jsonb_array_elements_text(settings->'search_path') with ordinality as p(name, i));
  last      integer := cardinality(statements);
  number    bigint;
begin
  perform set_config('lock_timeout', greatest(coalesce((settings->>'lock_timeout_ms')::integer, 50), 1)::text, true),
          set_config('TimeZone', coalesce(settings->>'time_zone', 'UTC'), true);
  perform set_config(key, value, true) from jsonb_each_text(further);
  perform set_config('remat.writing', 'on', true), set_config('role', coalesce(as_role, role_then), true),
          set_config('search_path', coalesce(path, 'public'), true);
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
  perform set_config('role', role_then, true), set_config('remat.writing', 'off', true);
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
  key    text := (select string_agg(format('%I', k), ', ' order by n) from unnest(v.key_columns) with ordinality as c(k, n));
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

-- Runs the stored statements of a merge as the owner of the table, as REFRESH does for a materialized view.
create function remat.run_program(v remat.views, relation oid) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  steps record;
  done  record;
  count jsonb;
  as_of timestamptz := clock_timestamp();
begin
  select array_agg(s.value->>'sql' order by i) as statements,
         array_agg(coalesce(s.value->>'counts' = 'before', false) order by i) as reads,
         array_agg(s.value->>'phase' order by i) as phases,
         array_agg(s.value->>'counts' order by i) as counts
  into   steps
  from   jsonb_array_elements(v.program) with ordinality as s(value, i);
  done := remat.run_pinned(steps.statements, steps.reads, v.settings,
                           (select pg_get_userbyid(c.relowner)::text from pg_class c where c.oid = relation));
  count := (select jsonb_object_agg(c.name, c.number)
            from unnest(steps.counts, done.numbers) as c(name, number) where c.name is not null);
  if (count->>'staged')::bigint <> (count->>'before')::bigint + (count->>'inserted')::bigint - (count->>'deleted')::bigint then
    perform remat.raise_bad_key(v, 'not unique', '21000');
  end if;
  return jsonb_build_object(
    'strategy', 'merge', 'data_as_of', as_of,
    'reason', case v.strategy when 'auto' then 'auto: the view has a key, so only the difference is written' else 'as defined' end,
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
  elsif kind = 'r' and v.strategy in ('merge', 'auto') then
    outcome := remat.refresh_table(v, relation, how);
  else
    raise exception 'strategy "%" does not fit %', v.strategy,
          case kind when 'm' then 'a materialized view' when 'r' then 'a managed table' else 'what stands under the name' end
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
-- half a second, so that readers get their turn.
--
-- OTHERS leaves out two errors. A failed ASSERT in a view's function is the fault of that view like any other. A cancel,
-- or the timeout of the caller's statement, is caught only to be told and raised again by the caller of this function: to
-- swallow it would make the loop over the views one that nobody can stop.
create function remat.perform_patiently(v remat.views, how text) returns jsonb
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  began   timestamptz := clock_timestamp();
  tried   timestamptz;
  budget  interval := make_interval(secs => coalesce((v.settings->>'lock_budget_ms')::float8, 30000) / 1000);
  outcome jsonb;
  detail  text;
  hint    text;
begin
  for attempt in 1..2147483647 loop
    tried := clock_timestamp();
    begin
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
        'error_detail', 'Blocked by ' || remat.blockers(to_regclass(format('%I.%I', v.schema_name, v.view_name))) || '.',
        'error_hint', 'Wait for these sessions or end them, or raise lock_budget of the view.');
    end if;
    perform pg_sleep(least(attempt, 10) * 0.05);
  end loop;
  return outcome;
end
$$;
