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

-- How fresh a view is, is asked from its last success since it was made; this finds when that was. Failures are in it
-- too, so that the list of creates is found in it: among millions of refreshes there are few of them.
create index runs_that_made on remat.runs (view_id, id desc) where operation in ('create', 'delete');

-- A name as remat shows it: quoted only where it must be.
create function remat.typed_name(schema_name text, view_name text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select string_agg(case when part ~ '^[a-z_][a-z0-9_]*$' then part else '"' || replace(part, '"', '""') || '"' end,
                    '.' order by position)
  from   unnest(array[schema_name, view_name]) with ordinality as parts(part, position)
$$;

-- Names as SQL text, in order; null for none.
create function remat.name_list(names text[]) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$ select string_agg(format('%I', name), ', ' order by n) from unnest(names) with ordinality as list(name, n) $$;

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

-- The search path that a view's definition pins, as SQL text.
create function remat.pinned_path(settings jsonb) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select coalesce(remat.name_list(array(
           select jsonb_array_elements_text(coalesce(settings->'search_path', '["public"]')))), '')
$$;

create function remat.is_paused(pause jsonb) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$ select pause is not null and coalesce((pause->>'until')::timestamptz > clock_timestamp(), true) $$;

-- The last run that filled the relation as it was last made: its data_as_of is the freshness of the view. A relation
-- that was made anew and not filled has none, whatever its predecessor had. In PL/pgSQL, which keeps its plan from call to
-- call: every refresh asks.
create function remat.last_fill(view_id bigint) returns setof remat.runs
language plpgsql stable rows 1 set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query with made as materialized (
    select m.* from remat.runs m
    where  m.view_id = $1 and m.operation in ('create', 'delete') and m.status = 'success'
    order  by m.id desc limit 1
  ),
  refreshed as materialized (
    select r.* from remat.runs r
    where  r.view_id = $1 and r.operation = 'refresh' and r.status = 'success'
    and    r.id >= coalesce((select m.id from made m), 0)
    order  by r.data_as_of desc limit 1
  )
  select f.* from (select * from refreshed union all select * from made) f
  where  f.data_as_of is not null
  order  by f.data_as_of desc limit 1;
end
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
    when code = '42501' and message like '%security-restricted operation%' then 'restricted'
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
    when 'permission_denied' then 'Grant what the message names: on the sources to the role that owns the view, all else to the role of remat.'
    when 'restricted' then 'Remove this from the functions, triggers and constraints that the refresh runs: it would give '
                           'the role that owns the view the rights of the role that refreshes it.'
    when 'read_only' then 'Connect to the primary, as a role that may write: a standby cannot refresh.'
    when 'prerequisite' then 'Run `remat check` or choose another strategy for the view.'
    when 'not_unique' then 'The key must be unique in the query''s result.'
    when 'null_key' then 'The key must not be NULL in the query''s result.'
    when 'data' then 'The query fails on its data: correct the data or guard the expression.'
    when 'undefined_object' then 'Correct the query, or restore what it names, then run `remat apply`.'
    when 'dependents' then 'Drop or change what depends on the view, or pass --cascade.'
  end
$$;

-- The outcome of an attempt that failed. A detail or a value that quotes rows is withheld, as the logs and dashboards that show
-- it are read by more people than the data is.
create function remat.failed_outcome(code text, message text, detail text, hint text) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'status', case kind when 'cancelled' then 'cancelled' else 'failed' end,
    'error_message', case when code like '22%' and code <> '22023'
                          then regexp_replace(message, '["«»„“”].*["«»„“”]', '"…"') else message end,
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

-- What stands under a name; unlike a cast to regclass it asks for no privilege on the schema.
create function remat.relation_at(schema_name text, relation_name text) returns oid
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  return (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where  n.nspname = $1 and c.relname = $2);
end
$$;

-- A relation's query as the server prints it, under an empty search path, so that it names every object in full
-- whoever asks; null for a table.
create function remat.printed_query(relation oid) returns text
language sql stable set search_path = ''
as $$
  select pg_catalog.pg_get_viewdef(c.oid) from pg_catalog.pg_class c where c.oid = relation and c.relkind in ('m', 'v')
$$;

-- A hash of the relation's columns, which changes when somebody alters it. Unlike the printed query it takes no lock on
-- what the query reads.
create function remat.columns_fingerprint(relation oid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select md5(string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ',' order by a.attnum))
  from   pg_attribute a
  where  a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;

-- The hash of the columns and one of the query, with a colon between. The query's text also changes when somebody
-- renames what it reads.
create function remat.relation_fingerprint(relation oid) returns text
language sql stable set search_path = ''
as $$
  select remat.columns_fingerprint(relation) || ':' || pg_catalog.md5(coalesce(remat.printed_query(relation), ''))
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
  relation oid := remat.relation_at(v.schema_name, v.view_name);
begin
  if relation is null or v.relation_oid is null then
    perform remat.raise_missing(v);
  elsif relation = v.relation_oid
        and remat.columns_fingerprint(relation) = split_part(v.relation_fingerprint, ':', 1) then
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
          hint = format('create unique index on %I.%I (%s);', v.schema_name, v.view_name,
                        coalesce(remat.name_list(v.key_columns), '<columns that identify a row>'));
  else
    strategy := 'regular';
    reason := format('%s; refreshed plainly. %s', case v.strategy when 'swap' then 'swap needs a remat process'
                                                   else 'auto: no index allows a concurrent refresh' end, lacks);
  end if;
end
$$;
