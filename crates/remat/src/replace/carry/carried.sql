-- Everything that relations carry beside their columns and rows, one document each. Columns of the catalog that only
-- some servers have are read through to_jsonb(row), which gives null where they are missing. An index or statistics
-- object is given as the part of its definition that does not name the relation, cut at its known place.
select c.oid,
       c.relname::text,
       n.nspname::text,
       pg_catalog.jsonb_build_object(
         'kind', c.relkind,
         'owner', pg_catalog.pg_get_userbyid(c.relowner),
         'populated', c.relispopulated,
         'unlogged', c.relpersistence = 'u',
         'tablespace', (select t.spcname from pg_catalog.pg_tablespace t where t.oid = c.reltablespace),
         'method', (select m.amname from pg_catalog.pg_am m where m.oid = c.relam),
         'options', coalesce(to_jsonb(c.reloptions), '[]'),
         'toast_options', coalesce((select to_jsonb(t.reloptions) from pg_catalog.pg_class t
                                    where t.oid = c.reltoastrelid and t.reloptions is not null), '[]'),
         'replica_identity', c.relreplident,
         'row_security', c.relrowsecurity,
         'force_row_security', c.relforcerowsecurity,
         'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
         'labels', labels.of_relation,
         'acl_is_default', c.relacl is null,
         'acl', coalesce((
                  select jsonb_agg(jsonb_build_object(
                           'grantor', pg_catalog.pg_get_userbyid(x.grantor),
                           'grantee', case when x.grantee <> 0 then pg_catalog.pg_get_userbyid(x.grantee) end,
                           'privilege', x.privilege_type,
                           'grantable', x.is_grantable) order by x.n)
                  from   pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)))
                         with ordinality as x (grantor, grantee, privilege_type, is_grantable, n)), '[]'),
         'extensions', array(
                  select e.extname
                  from   pg_catalog.pg_depend d
                  join   pg_catalog.pg_extension e on e.oid = d.refobjid
                  where  d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
                  and    d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'x'
                  order  by e.extname),
         'columns', columns.list,
         'indexes', indexes.list,
         'statistics', statistics.list,
         'triggers', triggers.list,
         'rules', rules.list
       )
from   pg_catalog.pg_class c
join   pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross  join lateral (select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)) as here (sql)
cross  join lateral (
         select coalesce(jsonb_agg(jsonb_build_object('provider', l.provider, 'label', l.label) order by l.provider), '[]')
         from   pg_catalog.pg_seclabel l
         where  l.classoid = 'pg_catalog.pg_class'::regclass and l.objoid = c.oid and l.objsubid = 0
       ) as labels (of_relation)
cross  join lateral (
         select coalesce(jsonb_agg(jsonb_build_object(
                  'name', a.attname,
                  'data_type', pg_catalog.format_type(a.atttypid, a.atttypmod) || coalesce((
                                 select format(' collate %I.%I', cn.nspname, co.collname)
                                 from   pg_catalog.pg_collation co
                                 join   pg_catalog.pg_namespace cn on cn.oid = co.collnamespace
                                 where  co.oid = a.attcollation and co.oid <> t.typcollation), ''),
                  'not_null', a.attnotnull and c.relkind = 'r',
                  'target', nullif((att.row->>'attstattarget')::int4, -1),
                  -- the two that a person can set; some builds of the server stamp others that cannot be carried
                  'options', to_jsonb(array(
                               select o from unnest(a.attoptions) o
                               where  split_part(o, '=', 1) in ('n_distinct', 'n_distinct_inherited') order by o)),
                  'storage', case when a.attstorage <> t.typstorage then
                               case a.attstorage when 'p' then 'plain' when 'e' then 'external'
                                                 when 'm' then 'main' else 'extended' end end,
                  'compression', case att.row->>'attcompression' when 'p' then 'pglz' when 'l' then 'lz4' end,
                  'default', pg_catalog.pg_get_expr(f.adbin, f.adrelid),
                  'comment', pg_catalog.col_description(c.oid, a.attnum),
                  'labels', (select coalesce(jsonb_agg(jsonb_build_object('provider', l.provider, 'label', l.label)
                                                       order by l.provider), '[]')
                             from   pg_catalog.pg_seclabel l
                             where  l.classoid = 'pg_catalog.pg_class'::regclass and l.objoid = c.oid
                             and    l.objsubid = a.attnum),
                  'acl', (select coalesce(jsonb_agg(jsonb_build_object(
                                   'grantor', pg_catalog.pg_get_userbyid(x.grantor),
                                   'grantee', case when x.grantee <> 0 then pg_catalog.pg_get_userbyid(x.grantee) end,
                                   'privilege', x.privilege_type,
                                   'grantable', x.is_grantable) order by x.n), '[]')
                          from   pg_catalog.aclexplode(a.attacl) with ordinality
                                 as x (grantor, grantee, privilege_type, is_grantable, n))
                ) order by a.attnum), '[]')
         from   pg_catalog.pg_attribute a
         join   pg_catalog.pg_type t on t.oid = a.atttypid
         left   join pg_catalog.pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
         cross  join lateral (select to_jsonb(a)) as att (row)
         where  a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       ) as columns (list)
cross  join lateral (
         select coalesce(jsonb_agg(jsonb_build_object(
                  'name', ic.relname,
                  'tail', case when starts_with(def.whole, def.head) then substr(def.whole, length(def.head) + 1) end,
                  'unique', i.indisunique,
                  'valid', i.indisvalid,
                  'method', m.amname,
                  'tablespace', s.spcname,
                  'clustered', i.indisclustered,
                  'replica_identity', i.indisreplident,
                  'comment', pg_catalog.obj_description(ic.oid, 'pg_class'),
                  -- only for an index on plain columns in their usual order, of all rows
                  'plain_columns', case when i.indexprs is null and i.indpred is null and not exists (
                                          select from unnest(i.indoption::int2[], i.indclass::oid[]) as o (flags, class)
                                          join   pg_catalog.pg_opclass oc on oc.oid = o.class
                                          where  o.flags <> 0 or not oc.opcdefault)
                                   then (select jsonb_agg(a.attname order by k.n)
                                         from   unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
                                         join   pg_catalog.pg_attribute a
                                                on a.attrelid = c.oid and a.attnum = k.attnum
                                         where  k.n <= i.indnkeyatts) end,
                  'uses', array(select a.attname
                                from   pg_catalog.pg_attribute a
                                where  a.attrelid = c.oid
                                and    (a.attnum = any (i.indkey::int2[]) or exists (
                                          select from pg_catalog.pg_depend d
                                          where  d.classid = 'pg_catalog.pg_class'::regclass and d.objid = ic.oid
                                          and    d.refclassid = 'pg_catalog.pg_class'::regclass
                                          and    d.refobjid = c.oid and d.refobjsubid = a.attnum))
                                order  by a.attnum),
                  'targets', (select coalesce(jsonb_agg(jsonb_build_array(a.attnum, att.row->'attstattarget')
                                                        order by a.attnum), '[]')
                              from   pg_catalog.pg_attribute a
                              cross  join lateral (select to_jsonb(a)) as att (row)
                              where  a.attrelid = ic.oid
                              and    nullif((att.row->>'attstattarget')::int4, -1) is not null),
                  'constraint', (select jsonb_build_object(
                                          'name', k.conname,
                                          'primary', k.contype = 'p',
                                          'deferrable', k.condeferrable,
                                          'deferred', k.condeferred,
                                          'comment', pg_catalog.obj_description(k.oid, 'pg_constraint'))
                                 from   pg_catalog.pg_constraint k
                                 where  k.conindid = ic.oid and k.conrelid = c.oid and k.contype in ('p', 'u'))
                ) order by ic.relname), '[]')
         from   pg_catalog.pg_index i
         join   pg_catalog.pg_class ic on ic.oid = i.indexrelid
         join   pg_catalog.pg_am m on m.oid = ic.relam
         left   join pg_catalog.pg_tablespace s on s.oid = ic.reltablespace
         cross  join lateral (
                  select pg_catalog.pg_get_indexdef(ic.oid),
                         case when i.indisunique then 'CREATE UNIQUE INDEX ' else 'CREATE INDEX ' end
                           || pg_catalog.quote_ident(ic.relname) || ' ON ' || here.sql || ' USING '
                ) as def (whole, head)
         where  i.indrelid = c.oid
       ) as indexes (list)
cross  join lateral (
         select coalesce(jsonb_agg(jsonb_build_object(
                  'schema', sn.nspname,
                  'name', s.stxname,
                  'owner', pg_catalog.pg_get_userbyid(s.stxowner),
                  'body', case when starts_with(def.whole, def.head) and right(def.whole, length(def.tail)) = def.tail
                          then substr(def.whole, length(def.head) + 1,
                                      length(def.whole) - length(def.head) - length(def.tail)) end,
                  'target', nullif((to_jsonb(s)->>'stxstattarget')::int4, -1),
                  'comment', pg_catalog.obj_description(s.oid, 'pg_statistic_ext'),
                  'uses', array(select a.attname
                                from   pg_catalog.pg_attribute a
                                where  a.attrelid = c.oid
                                and    (a.attnum = any (s.stxkeys::int2[]) or exists (
                                          select from pg_catalog.pg_depend d
                                          where  d.classid = 'pg_catalog.pg_statistic_ext'::regclass and d.objid = s.oid
                                          and    d.refclassid = 'pg_catalog.pg_class'::regclass
                                          and    d.refobjid = c.oid and d.refobjsubid = a.attnum))
                                order  by a.attnum)
                ) order by sn.nspname, s.stxname), '[]')
         from   pg_catalog.pg_statistic_ext s
         join   pg_catalog.pg_namespace sn on sn.oid = s.stxnamespace
         cross  join lateral (
                  select pg_catalog.pg_get_statisticsobjdef(s.oid),
                         'CREATE STATISTICS ' || pg_catalog.quote_ident(sn.nspname) || '.'
                           || pg_catalog.quote_ident(s.stxname),
                         ' FROM ' || here.sql
                ) as def (whole, head, tail)
         where  s.stxrelid = c.oid
       ) as statistics (list)
cross  join lateral (
         select coalesce(jsonb_agg(jsonb_build_object(
                  'name', t.tgname,
                  'definition', pg_catalog.pg_get_triggerdef(t.oid),
                  'comment', pg_catalog.obj_description(t.oid, 'pg_trigger')) order by t.tgname), '[]')
         from   pg_catalog.pg_trigger t
         where  t.tgrelid = c.oid and not t.tgisinternal and c.relkind = 'v'
       ) as triggers (list)
cross  join lateral (
         select coalesce(jsonb_agg(jsonb_build_object(
                  'name', r.rulename,
                  'definition', pg_catalog.pg_get_ruledef(r.oid),
                  'comment', pg_catalog.obj_description(r.oid, 'pg_rewrite')) order by r.rulename), '[]')
         from   pg_catalog.pg_rewrite r
         where  r.ev_class = c.oid and r.rulename <> '_RETURN' and c.relkind = 'v'
       ) as rules (list)
where  c.oid = any ($1)
