-- Change capture: which rows of a table changed since a view was refreshed.
--
-- Law: a change and its row in the log are one transaction, so both are visible or neither; what is new since a snapshot
-- is what that snapshot does not see. Whoever cannot be sure that every change was logged, or that these snapshots mean
-- anything here, is told to read everything: a fingerprint covers all that could let a change pass unlogged, and is null
-- where one could.

-- The logs, and the functions that fill them. Nobody needs a right in here but the role that installs.
create schema remat_log;

-- One log per table, shared by all views that read the table: remat_log.t<id>. It is a view of two tables. The triggers'
-- function, remat_log.capture_<id>(), which takes columns by their place, writes to remat_log.n<id>; what the prompt
-- readers have read and others have not is moved to remat_log.o<id>, which has an index. The view remat_log.v<id> reads the captured columns: so the server drops none of them
-- without the view, and changes no type of them. On a partition that came after all that, the function
-- remat_log.stranger_<id>() logs for each row that anything may have changed.
create table remat.captures (
    id        bigint generated always as identity primary key,
    relation  oid not null,
    -- where the object ids and the transactions of this row mean something
    system    text not null,
    -- the captured columns, in the order of the log's
    columns   smallint[] not null default '{}',
    -- the columns of the table up to the last captured one: while these stand, each is found in its place
    layout    smallint[] not null default '{}',
    -- the transaction that made it, or made it anew because a part was missing: nothing before is proven
    installed xid8 not null default pg_current_xact_id(),
    unique (system, relation)
);

-- The views that read a log, and what they read of it.
create table remat.capture_consumers (
    capture_id bigint not null references remat.captures,
    view_id    bigint not null references remat.views on delete cascade,
    columns    smallint[] not null,
    since      timestamptz not null default clock_timestamp(),
    primary key (capture_id, view_id)
);

create index captures_of_view on remat.capture_consumers (view_id);

-- What a view's contents cover: all that the snapshot sees, and what the transaction that stored it had written before,
-- as of a time.
create table remat.view_states (
    view_id      bigint primary key references remat.views on delete cascade,
    snapshot     pg_snapshot not null,
    -- what now() was for the query
    as_of        timestamptz not null,
    stored_by    xid8 not null,
    -- whether the hidden tables cover the same; a merge of many changes leaves them behind
    filled       boolean not null default true,
    -- of each capture, by its id
    fingerprints jsonb not null,
    system       text not null,
    stored_at    timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- Where object ids and transactions mean something: this database of this cluster, wherever it runs. A standby that is
-- promoted goes on with both, and what it had not received of a log it had not received of the state either; so the
-- timeline is no part of it.
create function remat.system() returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  return (select format('%s/%s', s.system_identifier, d.oid)
          from   pg_control_system() s join pg_database d on d.datname = current_database());
end
$$;

-- A table and all that stands below it, with what ties each to the one above. How many rows such functions give is stated, or the
-- planner takes queries over them for expensive ones that deserve to be compiled.
create function remat.capture_levels(of_relation oid) returns table (relation oid, link text)
language plpgsql stable rows 5 set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
    with recursive level(relation, link) as (
      select of_relation, ''
      union all
      select i.inhrelid, format('%s %s', i.inhparent, i.xmin)
      from   level l join pg_inherits i on i.inhparent = l.relation
    )
    select l.relation, l.link from level l;
end
$$;

-- The triggers by which a function logs the changes of a relation, and for how many kinds of statements they do that
-- whatever session_replication_role says.
create function remat.capture_triggers(of_relation oid, writer oid, out triggers text, out count bigint)
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  select string_agg(format('%s %s %s %s', t.oid, t.tgtype, t.tgenabled, t.xmin), ',' order by t.oid),
         count(distinct t.tgtype) filter (where t.tgenabled = 'A')
  into   triggers, count
  from   pg_trigger t
  where  t.tgrelid = of_relation and t.tgfoid = writer;
end
$$;

-- In PL/pgSQL, which keeps its plans from call to call; each refresh asks twice.
--
-- A hash over all that could let a change of these columns pass unlogged, or that shows that one may have; null when
-- one could pass now. Every fact is a text, and sound or not. A transaction as the xmin of a catalog's row tells that
-- somebody changed the row, even if he changed it back. What moves a table's rows about (VACUUM FULL, CLUSTER) leaves these
-- rows alone.
create function remat.capture_fingerprint(of_capture bigint, of_columns smallint[] default null) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  return (with capture as (
    select c.relation, c.installed, c.columns, c.layout, coalesce(of_columns, c.columns) as wanted,
           c.id, remat.relation_at('remat_log', 't' || c.id) as log, remat.relation_at('remat_log', 'v' || c.id) as holder,
           (select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where  n.nspname = 'remat_log' and p.proname = 'capture_' || c.id) as writer,
           (select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where  n.nspname = 'remat_log' and p.proname = 'stranger_' || c.id) as stranger
    from   remat.captures c
    where  c.id = of_capture and c.system = remat.system()
  ), level as (
    select c.relation as root, c.writer, c.stranger, l.relation, l.link from capture c cross join remat.capture_levels(c.relation) l
  ), fact(what, is_sound) as (
    select format('capture %s %s', c.installed, c.writer),
           c.log is not null and c.holder is not null and c.wanted <@ c.columns
           and c.layout = array(select a.attnum from pg_attribute a
                                where  a.attrelid = c.relation and a.attnum > 0 and not a.attisdropped
                                and    a.attnum <= (select max(n) from unnest(c.columns) n)
                                order  by a.attnum)
    from   capture c
    union all
    select format('log %s %s', r.oid, t.triggers), coalesce(r.relpersistence = 'p' and t.count = 1, false)
    from   capture c cross join unnest(array['n', 'o']) part
    left   join pg_class r on r.oid = remat.relation_at('remat_log', part || c.id)
    cross  join remat.capture_triggers(r.oid, c.writer) t
    union all
    -- The rows of a partition are changed by statements that name it, or what is above it; those of a table that
    -- inherits in the old manner as well, and no trigger of the child tells of the latter.
    select format('level %s %s %s %s', l.relation, r.relkind, l.link, t.triggers),
           coalesce(r.relkind in ('r', 'p') and r.relpersistence = 'p' and t.count = 4
                    and r.relispartition = (l.relation <> l.root)
                    and not (l.relation = l.root and exists (select from pg_inherits i where i.inhrelid = l.root))
                    -- The worker of a subscription fires triggers for each row alone.
                    and not exists (select from pg_subscription_rel s where s.srrelid = l.relation), false)
    from   level l left join pg_class r on r.oid = l.relation
    cross  join remat.capture_triggers(l.relation, l.writer) t
    union all
    -- A partition that is attached, written to and detached between two looks shows in the log alone: by a row trigger
    -- that it gets from what it stands below, and that nothing but a partition that is known has disabled.
    select format('strangers %s %s', l.relation, t.triggers),
           coalesce(case r.relkind when 'p' then t.count = 1 else t.triggers like '% D %' end, false)
    from   level l left join pg_class r on r.oid = l.relation
    cross  join remat.capture_triggers(l.relation, l.stranger) t
    where  (select root.relkind from pg_class root where root.oid = l.root) = 'p'
    union all
    select format('column %s %s %s %s %s', n, a.atttypid, a.atttypmod, a.attcollation, a.xmin),
           coalesce(not a.attisdropped and a.attgenerated <> 'v', false)
    from   capture c cross join unnest(c.wanted) n
    left   join pg_attribute a on a.attrelid = c.relation and a.attnum = n
  )
  select md5(string_agg(f.what, ';' order by f.what)) from fact f having bool_and(f.is_sound));
end
$$;

-- Reading ----------------------------------------------------------------------------------------------------------

-- A delta is the difference of two snapshots: one snapshot must serve all statements that read it and store the state.
create function remat.require_one_snapshot() returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') not in ('repeatable read', 'serializable') then
    raise exception 'changes are read in a transaction of isolation level repeatable read'
      using errcode = 'no_active_sql_transaction';
  end if;
end
$$;

-- What each log that a view reads says since the view's state: `unchanged`, `changed`, or `reset` when the log cannot tell
-- everything. `changed` counts the new rows, and stops at `at_most`: then it is not known what else the log says. `because` tells why it is reset: the view has no state
-- (`unfilled`), or one of another system (`moved`); changes may pass unlogged (`unguarded`), or may have passed (`altered`);
-- all rows went at once (`truncated`).
create function remat.capture_changes(
    of_view bigint, at_most bigint,
    out capture_id bigint, out relation oid, out answer text, out because text, out changed bigint)
returns setof record
language plpgsql volatile rows 5 set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
declare
  state remat.view_states;
  print text;
begin
  perform remat.require_one_snapshot();
  select s.* into state from remat.view_states s where s.view_id = of_view;
  for capture_id, relation, print in
    select c.id, c.relation, remat.capture_fingerprint(c.id, k.columns)
    from   remat.capture_consumers k join remat.captures c on c.id = k.capture_id
    where  k.view_id = of_view
    order  by c.id
  loop
    changed := null;
    because := case
                 when state.view_id is null                                       then 'unfilled'
                 when state.system <> remat.system()                              then 'moved'
                 when print is null                                               then 'unguarded'
                 when print is distinct from state.fingerprints->>capture_id::text then 'altered'
               end;
    if because is null then
      -- What is later than all that the snapshot knew of is new without a closer look.
      execute format('select max(''truncated'') filter (where n.sign = 0), count(*)
                      from   (select l.sign from remat_log.%I l
                              where  l.xid >= pg_snapshot_xmin($1)
                              and    (l.xid >= pg_snapshot_xmax($1) or not pg_visible_in_snapshot(l.xid, $1))
                              and    l.xid <> $3
                              limit  $2) n',
                     't' || capture_id)
      into because, changed using state.snapshot, at_most, state.stored_by;
    end if;
    if because is not null then
      changed := null;
    end if;
    answer := case when because is not null then 'reset' when changed = 0 then 'unchanged' else 'changed' end;
    return next;
  end loop;
end
$$;

-- Says that a view's contents, as this transaction leaves them, are those of its snapshot and of what it has written so
-- far, as where one view reads another and both are refreshed in it. It must write to nothing that the view reads
-- afterwards. Another transaction that did so since that snapshot was taken makes this one fail with 40001.
create function remat.store_state(of_view bigint, hidden_filled boolean default true) returns void
language plpgsql set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  perform remat.require_one_snapshot();
  insert into remat.view_states as s (view_id, snapshot, as_of, stored_by, filled, fingerprints, system)
  select of_view, pg_current_snapshot(), now(), pg_current_xact_id(), hidden_filled,
         coalesce(jsonb_object_agg(k.capture_id, remat.capture_fingerprint(k.capture_id, k.columns))
                  filter (where k.capture_id is not null), '{}'),
         remat.system()
  from   (values (of_view)) v (id) left join remat.capture_consumers k on k.view_id = v.id
  on conflict (view_id) do update
  set    snapshot = excluded.snapshot, as_of = excluded.as_of, stored_by = excluded.stored_by,
         filled = excluded.filled, fingerprints = excluded.fingerprints, system = excluded.system,
         stored_at = excluded.stored_at;
end
$$;

-- A success that may have changed the contents of a view, and stored no state, ends what the state told of them. A skip
-- changed nothing.
create function remat.forget_state() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  delete from remat.view_states s where s.view_id = new.view_id and s.stored_by <> pg_current_xact_id();
  return null;
end
$$;

create trigger forget_state after update of status on remat.runs
for each row when (new.view_id is not null and new.status = 'success' and old.status <> 'success'
                   and new.strategy is distinct from 'skip')
execute function remat.forget_state();

-- Plans ------------------------------------------------------------------------------------------------------------

-- How a view follows the changes of what it reads, or why it does not. A plan is used as long as all that it was made
-- from is the same, which `fingerprint` tells, and stands.
create table remat.view_plans (
    view_id     bigint primary key references remat.views on delete cascade,
    fingerprint text not null,
    system      text not null default remat.system(),
    plan        jsonb,
    -- code, primary, detail, hint
    refusal     jsonb,
    -- the tables that it reads, and those beside the public one
    sources     oid[] not null default '{}',
    hidden      oid[] not null default '{}',
    -- something of it failed or does not fit: it is made anew before it is used again
    is_stale    boolean not null default false,
    -- what refreshes took: milliseconds for each unit of cost by the server's estimate, of following changes and of a merge, and
    -- milliseconds of the last one that followed; and so many changes are merged without asking what that would cost
    follow_rate double precision,
    merge_rate  double precision,
    follow_ms   double precision,
    merge_from  bigint check (merge_from > 0),
    made_at     timestamptz not null default clock_timestamp(),
    check ((plan is null) <> (refusal is null))
);

-- The words that values of a type are printed with, and those of all types within it: labels of an enum, attributes of a
-- composite type. Somebody may rename them, and no row changes by that.
create function remat.words_of_type(of_type oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with recursive part (type) as (
      select of_type
      union
      select i.type
      from   part p join pg_type t on t.oid = p.type
      cross  join lateral (
        select t.typelem
        union all
        select t.typbasetype
        union all
        select r.rngsubtype from pg_range r where r.rngtypid = t.oid
        union all
        select m.atttypid from pg_attribute m where m.attrelid = t.typrelid and m.attnum > 0 and not m.attisdropped
      ) i (type)
      where  i.type >= 16384
    )
    select string_agg(concat_ws(' ', p.type,
             (select string_agg(e.enumlabel, ',' order by e.oid) from pg_enum e where e.enumtypid = p.type),
             (select string_agg(format('%s %s %s', m.attnum, m.attname, m.atttypid), ',' order by m.attnum)
              from   pg_type t join pg_attribute m on m.attrelid = t.typrelid and m.attnum > 0 and not m.attisdropped
              where  t.oid = p.type)), ';' order by p.type)
    from   part p);
end
$$;

-- Whether everything of a plan is there: its tables, their logs, and the right of the view's owner to read these.
create function remat.plan_stands(p remat.view_plans) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  return (select not p.is_stale and p.system = remat.system()
         and cardinality(p.hidden) = (select count(*) from pg_class c where c.oid = any(p.hidden))
         and cardinality(p.sources) = (
               select count(*)
               from   remat.views v
               join   pg_class r on r.oid = v.relation_oid
               join   remat.capture_consumers k on k.view_id = v.id
               join   remat.captures c on c.id = k.capture_id and c.system = p.system and c.relation = any(p.sources)
               where  v.id = p.view_id
               and    has_column_privilege(r.relowner, remat.relation_at('remat_log', 't' || c.id), 'sign', 'select')));
end
$$;

-- What a refresh begins with. In PL/pgSQL, which keeps its plans from call to call.

-- A hash of what a plan was made from: the rules of the view of this name and of the plain views below, what they read and
-- call, and the rest, which the caller says. A rule stands here as the server stores it, beside the names that it would be
-- printed with: to print it would take time, and locks. Nothing here depends on the settings of the session.
create function remat.plan_fingerprint(of_relation text, the_rest text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
  return (with recursive below (relation, follow) as (
    select c.oid, true from pg_class c where c.oid = to_regclass(of_relation)
    union
    select c.oid, c.relkind = 'v'
    from   below b, pg_rewrite w, pg_depend d, pg_class c
    where  b.follow and w.ev_class = b.relation and w.ev_type = '1'
    and    d.classid = 2618 and d.objid = w.oid and d.refclassid = 1259 and c.oid = d.refobjid
  )
  select md5(the_rest || string_agg(f.what, ';' order by f.relation))
  from (
    select b.relation, concat_ws(' ',
      c.oid, c.relnamespace::regnamespace, c.relname, c.relkind, c.relpersistence, c.relowner, c.relrowsecurity,
      c.reloptions, c.relhassubclass,
      (select string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid,
                (select t.typname from pg_type t where t.oid = a.atttypid),
                a.atttypmod, a.attnotnull, a.attcollation,
                case when a.atttypid >= 16384 then remat.words_of_type(a.atttypid) end), ',' order by a.attnum)
       from   pg_attribute a
       where  a.attrelid = b.relation and a.attnum > 0 and not a.attisdropped),
      (select string_agg(concat_ws(' ', i.indexrelid, i.indkey, i.indnkeyatts, i.indisvalid), ','
                order by i.indexrelid)
       from   pg_index i
       where  i.indrelid = b.relation and i.indisunique and i.indimmediate),
      (select concat_ws(' ', md5(w.ev_action::text), (
                select string_agg(concat_ws(' ', d.refclassid, d.refobjid,
                         (select concat_ws(' ', p.proname, p.xmin) from pg_proc p
                          where  d.refclassid = 1255 and p.oid = d.refobjid)), ',' order by d.refclassid, d.refobjid, d.refobjsubid)
                from   pg_depend d
                where  d.classid = 2618 and d.objid = w.oid and d.refclassid <> 1259))
       from   pg_rewrite w
       where  w.ev_class = b.relation and w.ev_type = '1'),
      (select v.id from remat.views v where v.relation_oid = b.relation limit 1)) as what
    from   below b
    join   pg_class c on c.oid = b.relation
  ) f);
end
$$;

-- What each log that a view reads says since the view's state, as remat.capture_changes does, counted up to what is merged
-- without asking, with the rows of the table by the
-- server's estimate; in every row the state, and what refreshes took. One row without a log where it reads none.
create function remat.told(
    of_view bigint,
    out capture_id bigint, out relation oid, out because text, out changed bigint,
    out seen text, out stored_by text, out as_of text, out filled boolean, out estimate double precision,
    out follow_rate double precision, out merge_rate double precision, out follow_ms double precision,
    out merge_from bigint)
returns setof record
language plpgsql volatile rows 5 set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
    select c.capture_id, c.relation, c.because, c.changed,
           s.snapshot::text, s.stored_by::text, s.as_of::text, coalesce(s.filled, false),
           coalesce((select sum((select greatest(r.reltuples, 0) from pg_class r where r.oid = l.relation and r.relkind = 'r'))
                     from   remat.capture_levels(c.relation) l), 0)::float8,
           p.follow_rate, p.merge_rate, p.follow_ms, p.merge_from
    from   (values (of_view)) v (id)
    left   join remat.view_plans p on p.view_id = v.id
    left   join remat.view_states s on s.view_id = v.id and s.system = remat.system()
    left   join lateral remat.capture_changes(of_view, coalesce(p.merge_from, 9223372036854775807)) c on true;
end
$$;

-- What is known of views before their refresh, of each once; nothing of one that is not defined any more. Their sources come with the
-- names that they have now.
create function remat.known_plans(
    of_views bigint[],
    out view_id bigint, out strategy text, out has_key boolean, out may_keep boolean, out is_filled boolean,
    out was_sought boolean, out plan jsonb, out refusal jsonb, out stands boolean, out age_s bigint,
    out oids oid[], out schemas text[], out names text[])
returns setof record
language plpgsql stable rows 5 set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  may boolean := has_table_privilege('remat.view_states', 'insert') and has_table_privilege('remat.view_states', 'update')
                 and has_table_privilege('remat.view_states', 'delete')
                 and has_any_column_privilege('remat.view_plans', 'update')
                 and has_any_column_privilege('remat.contents', 'update');
begin
  return query
    select v.id, v.strategy, v.key_columns <> '{}', may,
           exists (select from remat.view_states t where t.view_id = v.id and t.filled),
           p.view_id is not null, p.plan, p.refusal, coalesce(remat.plan_stands(p), false),
           coalesce(extract(epoch from clock_timestamp() - p.made_at)::bigint, 0),
           s.oids, s.schemas, s.names
    from   remat.views v
    left   join remat.view_plans p on p.view_id = v.id
    cross  join lateral (
             select coalesce(array_agg(c.oid order by c.oid), '{}') as oids,
                    coalesce(array_agg((select n.nspname::text from pg_namespace n where n.oid = c.relnamespace)
                                       order by c.oid), '{}') as schemas,
                    coalesce(array_agg(c.relname::text order by c.oid), '{}') as names
             from   pg_class c
             where  c.oid = any (p.sources)
           ) s
    where  v.id = any (of_views) and v.retired_at is null;
end
$$;

-- Pruning ----------------------------------------------------------------------------------------------------------

-- True when all of these snapshots see what a transaction did; null when there is none.
create function remat.all_see(snapshots pg_snapshot[], by_transaction xid8) returns boolean
language sql immutable parallel safe
as $$
  select bool_and(pg_visible_in_snapshot(by_transaction, s)) from unnest(snapshots) s
$$;

-- All of these snapshots see each transaction before the first of two; none after the second is seen by all.
create function remat.least_bounds(snapshots pg_snapshot[]) returns xid8[]
language sql immutable parallel safe
as $$
  select array[(select pg_snapshot_xmin(s) from unnest(snapshots) s order by 1 limit 1),
               (select pg_snapshot_xmax(s) from unnest(snapshots) s order by 1 limit 1)]
$$;

-- Deletes from some blocks of a part of a log what the states of all its consumers cover, and gives the block to go on
-- with, null after the last. A consumer that has no state yet keeps everything; where nobody consumes, the capture is taken
-- away as a whole. Who stored no state for five minutes is slow: what the others cover is moved to where an index leads
-- past it. It walks the heap and not the index, whose dead entries stay while any transaction might want to see them.
create function remat.prune_capture(
    of_capture bigint, of_part text, from_block bigint, blocks bigint, out deleted bigint, out next_block bigint)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  covered pg_snapshot[];
  prompt  pg_snapshot[];
  part    oid := remat.relation_at('remat_log', of_part || of_capture);
  seen    text;
begin
  deleted := 0;
  select case when count(*) = count(s.snapshot) then array_agg(s.snapshot) end,
         array_agg(s.snapshot) filter (where of_part = 'n' and s.stored_at > clock_timestamp() - interval '5 minutes')
  into   covered, prompt
  from   remat.capture_consumers k left join remat.view_states s on s.view_id = k.view_id and s.system = remat.system()
  where  k.capture_id = of_capture;
  if part is null or remat.relation_at('remat_log', 'o' || of_capture) is null
     or coalesce(covered, prompt) is null then
    return;
  end if;
  -- The bounds decide for nearly every row.
  seen := '(l.xid < $%1$s[1] or l.xid < $%1$s[2] and remat.all_see($%2$s, l.xid)) is true';
  execute format('with taken as (
                    delete from remat_log.%1$I l
                    where  l.ctid >= $1 and l.ctid < $2 and (%3$s or %4$s)
                    returning *
                  ), moved as (
                    insert into remat_log.%2$I select * from taken l where not %3$s
                  )
                  select count(*) from taken l where %3$s',
                 of_part || of_capture, 'o' || of_capture, format(seen, 3, 4), format(seen, 5, 6))
  into  deleted
  using format('(%s,0)', from_block)::tid, format('(%s,0)', from_block + blocks)::tid,
        remat.least_bounds(covered), covered, remat.least_bounds(prompt), prompt;
  if (from_block + blocks) * current_setting('block_size')::bigint < pg_relation_size(part) then
    next_block := from_block + blocks;
  end if;
end
$$;

-- A retired view reads nothing, so it holds no log; and as its log goes on without it, its state means nothing any more.
create function remat.forget_captures() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  delete from remat.capture_consumers k where k.view_id = new.id;
  delete from remat.view_states s where s.view_id = new.id;
  delete from remat.view_plans p where p.view_id = new.id;
  return null;
end
$$;

create trigger forget_captures after update of retired_at on remat.views
for each row when (new.retired_at is not null) execute function remat.forget_captures();
