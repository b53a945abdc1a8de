-- What the compiler is told about the query of a view (of the relation named $1) and the relation that stands for it ($2), as one JSON
-- value; null where there is no such query. The search path is empty, so that every name is printed in full.
--
-- What a query reads and calls is read off its rule as the server stores it: pg_depend leaves out the server's own objects
-- and has those that a query merely mentions.
with recursive root (oid) as (
  select pg_catalog.to_regclass($1)::oid
), below (relation) as (
  select r.oid from root r
  union
  select pg_catalog.split_part(f.field, ' ', 2)::oid
  from   below b
  join   pg_catalog.pg_class c on c.oid = b.relation and (c.oid = (select r.oid from root r) or c.relkind = 'v' and c.oid >= 16384)
  join   pg_catalog.pg_rewrite w on w.ev_class = c.oid and w.ev_type = '1'
  cross  join lateral pg_catalog.string_to_table(w.ev_action::text, ' :') f (field)
  where  f.field like 'relid %' and f.field <> 'relid 0'
), rule (relation, actions) as materialized (
  select b.relation, w.ev_action::text
  from   below b
  join   pg_catalog.pg_class c on c.oid = b.relation and (c.oid = (select r.oid from root r) or c.relkind = 'v' and c.oid >= 16384)
  join   pg_catalog.pg_rewrite w on w.ev_class = b.relation and w.ev_type = '1'
), named (relation, what, oid) as materialized (
  select distinct r.relation, pg_catalog.split_part(f.field, ' ', 1), pg_catalog.split_part(f.field, ' ', 2)::oid
  from   rule r
  cross  join lateral pg_catalog.string_to_table(r.actions, ' :') f (field)
  where  pg_catalog.split_part(f.field, ' ', 1) in
           ('funcid', 'aggfnoid', 'winfnoid', 'startInRangeFunc', 'endInRangeFunc', 'opno', 'eqop', 'sortop', 'vartype',
            'funcresulttype', 'resulttype')
), called (relation, oid) as (
  select n.relation, n.oid from named n where n.what not in ('opno', 'eqop', 'sortop', 'vartype', 'funcresulttype', 'resulttype')
  union
  select n.relation, o.oprcode::oid
  from   named n join pg_catalog.pg_operator o on o.oid = n.oid
  where  n.what in ('opno', 'eqop', 'sortop')
  union
  select n.relation, f.oid
  from   named n
  join   pg_catalog.pg_aggregate a on a.aggfnoid = n.oid
  cross  join lateral pg_catalog.unnest(array[a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]) f (oid)
  where  n.what in ('aggfnoid', 'winfnoid')
  -- What a cast by way of text calls is not named by it.
  union
  select n.relation, f.oid
  from   named n
  join   rule r on r.relation = n.relation and r.actions like '%{COERCEVIAIO %'
  join   pg_catalog.pg_type t on t.oid = n.oid
  cross  join lateral pg_catalog.unnest(array[t.typinput, t.typoutput]) f (oid)
  where  n.what in ('vartype', 'funcresulttype', 'resulttype')
), wanted (relation) as (
  select b.relation from below b
  union
  select $2
)
select pg_catalog.json_build_object(
  'root', (select r.oid::int8 from root r),
  'relations', (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', c.oid::int8,
      'schema', n.nspname,
      'name', c.relname,
      'kind', c.relkind,
      'persistence', c.relpersistence,
      'owner', c.relowner::int8,
      'read', exists (select from below b where b.relation = c.oid and c.oid <> (select r.oid from root r)),
      'invoker', coalesce('security_invoker=true' = any (pg_catalog.array_remove(c.reloptions, null))
                          or 'security_invoker=on' = any (c.reloptions), false),
      'row_security', c.relrowsecurity,
      'managed', exists (select from remat.views v where v.relation_oid = c.oid),
      'inherits', exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid),
      'levels', (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', pg_catalog.format('%s.%s', m.nspname, k.relname),
          'kind', k.relkind,
          'persistence', k.relpersistence,
          'partition', k.relispartition,
          'replicated', exists (select from pg_catalog.pg_subscription_rel s where s.srrelid = k.oid)) order by k.oid), '[]')
        from   remat.capture_levels(c.oid) l
        join   pg_catalog.pg_class k on k.oid = l.relation
        join   pg_catalog.pg_namespace m on m.oid = k.relnamespace
        where  c.relkind in ('r', 'p')),
      'query', case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end,
      'columns', (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', a.attname,
          'number', a.attnum,
          'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
          'not_null', a.attnotnull,
          'virtual', a.attgenerated = 'v') order by a.attnum), '[]')
        from   pg_catalog.pg_attribute a
        where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
      'rows', c.reltuples,
      'leads', (
        select coalesce(pg_catalog.json_agg(distinct a.attname), '[]')
        from   pg_catalog.pg_index i
        join   pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where  i.indrelid = c.oid and i.indisvalid and i.indpred is null),
      'keys', (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'columns', (
            select pg_catalog.json_agg(a.attname order by k.n)
            from   pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, n)
            join   pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where  k.n <= i.indnkeyatts),
          'nulls_distinct', not coalesce((pg_catalog.to_json(i) ->> 'indnullsnotdistinct')::bool, false))
          order by i.indisprimary desc, i.indexrelid), '[]')
        from   pg_catalog.pg_index i
        where  i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate
        and    i.indpred is null and i.indexprs is null)) order by c.oid)
    from   wanted w
    join   pg_catalog.pg_class c on c.oid = w.relation
    join   pg_catalog.pg_namespace n on n.oid = c.relnamespace),
  'functions', (
    select coalesce(pg_catalog.json_agg(distinct pg_catalog.jsonb_build_object(
      'relation', u.relation::int8,
      'schema', n.nspname,
      'name', p.proname,
      'arguments', pg_catalog.pg_get_function_identity_arguments(p.oid),
      'volatility', p.provolatile,
      'kind', p.prokind,
      'of_server', p.oid < 16384)), '[]')
    from   called u
    join   pg_catalog.pg_proc p on p.oid = u.oid
    join   pg_catalog.pg_namespace n on n.oid = p.pronamespace),
  -- The user of the session, the database and the schemas stand in no table of functions.
  'session_words', exists (
    select from rule r, pg_catalog.regexp_matches(r.actions, '\{SQLVALUEFUNCTION :op (?:9|1\d)') m),
  -- A constant that is read as a time at every use may be the word 'now'.
  'hidden_clock', exists (
    select from rule r, pg_catalog.regexp_matches(r.actions,
      '\{COERCEVIAIO :arg (?:\{RELABELTYPE :arg )?\{CONST [^{}]*\} :resulttype (?:1082|1083|1114|1184|1266) ') m)
)::text
where (select r.oid from root r) is not null
