-- Whether a refresh would change anything, where that can be proven.
--
-- Law: no clock takes part in the proof. Whatever the contents of a view depend on makes up its basis: its definition,
-- the rules of what it reads, and for each managed table among that the number of times that its contents changed. The
-- basis is read before the query runs and kept with the run. Where it is the same again, every change that is visible now
-- was visible to the query then, and the query is a function of nothing else: so the contents are the same.
--
-- When in doubt there is no basis. A table that others write has no number of changes; so a view that reads one, however
-- far down, has no basis.

-- How often the contents of a view changed. The number goes up in the transaction that changes them, which holds the
-- lock of the view until it ends: so it goes up in the order in which the changes become visible.
create table remat.contents (
    view_id bigint primary key references remat.views on delete cascade,
    changes bigint not null
) with (fillfactor = 50);

-- A refresh that counted what it wrote, and wrote nothing, changed nothing. One that did not count may have.
-- Whoever may end a run may count its change, whatever else he may do.
create function remat.count_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if new.status = 'success' and old.status <> 'success'
     and (new.operation <> 'refresh' or (new.rows_inserted + new.rows_updated + new.rows_deleted = 0) is not true) then
    insert into remat.contents as c (view_id, changes) values (new.view_id, 1)
    on conflict (view_id) do update set changes = c.changes + 1;
  end if;
  return null;
end
$$;

create trigger count_change after update of status on remat.runs
for each row when (new.view_id is not null) execute function remat.count_change();

-- The managed table of a view as remat made it: written by merges alone, as far as its guard can see to that. Null when
-- somebody changed its structure, took the guard away, let rows of other tables appear in it (inheritance), or made what
-- it shows depend on who looks (policies) or on whether the server crashed (unlogged).
create function remat.guarded_table(v remat.views) returns oid
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select c.oid
  from   pg_class c
  where  c.oid = v.relation_oid and c.relkind = 'r' and c.relpersistence = 'p' and not c.relrowsecurity
  and    v.retired_at is null
  and    remat.columns_fingerprint(c.oid) = split_part(v.relation_fingerprint, ':', 1)
  and    not exists (select from pg_inherits i where i.inhparent = c.oid)
  and    exists (select from pg_trigger t
                 where  t.tgrelid = c.oid and t.tgname = 'remat_guard' and t.tgenabled in ('O', 'A')
                 and    t.tgfoid = 'remat.refuse_write()'::regprocedure)
$$;

-- True when rules, as the server stores them, name nothing but what a pure function may: nodes that are known here,
-- functions and operators of the server itself that are immutable, types of the server itself, no system column.
-- A function that somebody wrote may claim to be immutable and read tables, so it is not believed.
create function remat.is_pure(rules text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  of_server constant integer := 16384; -- FirstNormalObjectId: what CREATE makes has a higher one
  functions oid[] := array(select distinct m[1]::oid from regexp_matches(rules,
    ':(?:funcid|opfuncid|hashfuncid|negfuncid|aggfnoid|winfnoid|startInRangeFunc|endInRangeFunc) (\d+)', 'g') m);
  operators oid[] := array(select distinct m[1]::oid from regexp_matches(rules, ':(?:opno|eqop|sortop) (\d+)', 'g') m);
  types     oid[] := array(select distinct m[1]::oid from regexp_matches(rules,
    ':(?:vartype|consttype|paramtype|funcresulttype|opresulttype|aggtype|wintype|resulttype|casetype|typeId|array_typeid'
    '|element_typeid|coalescetype|minmaxtype) (\d+)', 'g') m);
begin
  -- Names of nodes from version 13 to 18: some have two.
  if exists (select from regexp_matches(rules, '\{([A-Z_]+)', 'g') m where m[1] <> all (array[
       'QUERY', 'RTE', 'RANGETBLENTRY', 'RTEPERMISSIONINFO', 'PERMISSIONINFO', 'ALIAS', 'FROMEXPR', 'JOINEXPR',
       'RANGETBLREF', 'RANGETBLFUNCTION', 'TARGETENTRY', 'VAR', 'CONST', 'PARAM', 'OPEXPR', 'DISTINCTEXPR', 'NULLIFEXPR',
       'SCALARARRAYOPEXPR', 'FUNCEXPR', 'AGGREF', 'WINDOWFUNC', 'WINDOWCLAUSE', 'SORTGROUPCLAUSE', 'GROUPINGSET',
       'GROUPINGFUNC', 'BOOLEXPR', 'NULLTEST', 'BOOLEANTEST', 'CASE', 'CASEEXPR', 'WHEN', 'CASEWHEN', 'CASETESTEXPR',
       'COALESCE', 'COALESCEEXPR', 'MINMAX', 'MINMAXEXPR', 'ARRAY', 'ARRAYEXPR', 'RELABELTYPE', 'COERCEVIAIO',
       'ARRAYCOERCEEXPR', 'SUBLINK', 'COMMONTABLEEXPR', 'SETOPERATIONSTMT'])) then
    return false;
  end if;
  -- Of range table entries: relation, subquery, join, function, values, CTE, nothing, groups.
  if rules ~ ':commandType [^1]|:hasRowSecurity true|:varattno -|:rtekind ([47]|1\d)' then
    return false;
  end if;
  functions := functions || array(select p.oprcode::oid from pg_operator p where p.oid = any (operators));
  if exists (select from unnest(functions || operators || types) o where o >= of_server)
     or exists (select from pg_proc p where p.oid = any (functions) and p.provolatile <> 'i')
     -- 0 stands where the server has not looked it up
     or (select count(*) from pg_proc p where p.oid = any (functions))
        <> (select count(distinct o) from unnest(functions) o where o <> 0) then
    return false;
  end if;
  -- A cast by way of text: which types it goes between is not next to it, so that of all is asked.
  return rules !~ '\{COERCEVIAIO' or not exists (
    select from pg_type t join pg_proc p on p.oid in (t.typinput, t.typoutput)
    where  t.oid = any (types) and p.provolatile <> 'i');
end
$$;

-- The basis of a view's contents; null when it cannot be told. Most views read a table of others, and are recognized by
-- that before any rule is read.
create function remat.basis(view_id bigint) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v        remat.views;
  kind     "char";
  root     oid;
  reads    oid[];
  managed  oid[];
  rules    text;
  versions text;
begin
  select * into v from remat.views w where w.id = view_id;
  select c.relkind into kind from pg_class c where c.oid = v.relation_oid and c.relispopulated and c.relpersistence = 'p';
  root := case when kind = 'm' then v.relation_oid
               when remat.guarded_table(v) is not null then remat.relation_at('remat_query', 'v' || v.id) end;
  if root is null then
    return null;
  end if;
  with recursive below(relation) as (
    select root
    union
    select d.refobjid
    from   below b
    join   pg_rewrite w on w.ev_class = b.relation and w.ev_type = '1'
    join   pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
  )
  select array_agg(b.relation), array_agg(b.relation) filter (where b.relation <> root and c.relkind <> 'v')
  into   reads, managed
  from   below b join pg_class c on c.oid = b.relation;
  select string_agg(format('%s %s %s', u.id, u.relation_oid, coalesce(c.changes, 0)), ',' order by u.id) into versions
  from   remat.views u left join remat.contents c on c.view_id = u.id
  where  u.relation_oid = any (managed) and remat.guarded_table(u) is not null
  having count(*) = coalesce(cardinality(managed), 0);
  if versions is null and managed is not null then
    return null;
  end if;
  select string_agg(format('%s %s %s', w.oid, w.xmin, w.ev_action), ',' order by w.oid) into rules
  from   pg_rewrite w
  where  w.ev_class = any (reads) and w.ev_type = '1';
  -- The catalog does not keep who reads its own tables, but the rule does.
  if exists (select from regexp_matches(rules, ':relid ([1-9]\d*)', 'g') m where m[1]::oid <> all (reads))
     or not remat.is_pure(rules) then
    return null;
  end if;
  return md5(concat_ws(';', v.id, v.version, v.relation_oid, versions, rules));
end
$$;

-- The basis of a view now, and the time since which its contents provably equal its query: null when that cannot be
-- proven. `since` is when the query ran last; runs that found nothing changed do not count.
create function remat.unchanged(view_id bigint, out basis text, out since timestamptz)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  basis := remat.basis(view_id);
  if basis is not null then
    select coalesce((f.meta->>'unchanged_since')::timestamptz, f.data_as_of) into since
    from   remat.last_fill(view_id) f
    where  f.meta->>'basis' = unchanged.basis;
  end if;
end
$$;

-- The refreshes of the SQL interface do not ask this: they always run the query, and keep no basis.
create function remat.unchanged_since(view_id bigint) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp
as $$ select since from remat.unchanged(view_id) $$;
