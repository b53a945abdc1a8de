-- What the catalog says about relations $1, one line per fact, without object ids and without what a replacement may
-- change: written apart from the queries under test.
with rel as (
  select c.*, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where  c.oid = any (select to_regclass(x) from unnest($1::text[]) x)
)
select line from (
  select format('relation %s.%s %s owner %s options %s tablespace %s method %s populated %s replica %s',
                nspname, relname, relkind, relowner::regrole, (select array_agg(o order by o) from unnest(reloptions) o),
                (select spcname from pg_tablespace t where t.oid = reltablespace),
                (select amname from pg_am a where a.oid = relam), relispopulated, relreplident) from rel
  union all
  select format('toast of %s %s', rel.relname, t.reloptions) from rel join pg_class t on t.oid = rel.reltoastrelid
  union all
  select format('%s grants %s to %s on %s grantable %s', x.grantor::regrole, x.privilege_type,
                case x.grantee when 0 then 'public' else x.grantee::regrole::text end, relname, x.is_grantable)
  from   rel, aclexplode(coalesce(relacl, acldefault('r', relowner))) x
  union all
  select format('%s grants %s to %s on column %s.%s grantable %s', x.grantor::regrole, x.privilege_type,
                case x.grantee when 0 then 'public' else x.grantee::regrole::text end, relname, attname, x.is_grantable)
  from   rel join pg_attribute a on a.attrelid = rel.oid, aclexplode(a.attacl) x
  union all
  select format('comment on %s part %s: %s', relname, objsubid, description)
  from   rel join pg_description d on d.objoid = rel.oid and d.classoid = 'pg_class'::regclass
  union all
  select format('column %s.%s %s target %s options %s storage %s compression %s default %s not null %s', relname,
                attname, format_type(atttypid, atttypmod), nullif((to_jsonb(a)->>'attstattarget')::int, -1),
                (select array_agg(o order by o) from unnest(attoptions) o where o like 'n\_distinct%'), attstorage, to_jsonb(a)->>'attcompression', pg_get_expr(adbin, adrelid), attnotnull)
  from   rel join pg_attribute a on a.attrelid = rel.oid and attnum > 0 and not attisdropped
  left   join pg_attrdef on adrelid = rel.oid and adnum = attnum
  union all
  select format('index %s clustered %s replica %s comment %s tablespace %s owner %s targets %s',
                pg_get_indexdef(i.indexrelid), indisclustered, indisreplident, obj_description(i.indexrelid, 'pg_class'),
                (select spcname from pg_tablespace t where t.oid = ic.reltablespace), ic.relowner::regrole,
                (select array_agg(format('%s:%s', attnum, to_jsonb(a)->'attstattarget') order by attnum)
                 from pg_attribute a where attrelid = i.indexrelid
                 and nullif((to_jsonb(a)->>'attstattarget')::int, -1) is not null))
  from   rel join pg_index i on i.indrelid = rel.oid join pg_class ic on ic.oid = i.indexrelid
  union all
  select format('constraint %s %s comment %s', conname, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'))
  from   rel join pg_constraint k on conrelid = rel.oid and contype <> 'n'
  union all
  select format('statistics %s owner %s target %s comment %s', pg_get_statisticsobjdef(s.oid), stxowner::regrole,
                nullif((to_jsonb(s)->>'stxstattarget')::int, -1), obj_description(s.oid, 'pg_statistic_ext'))
  from   rel join pg_statistic_ext s on stxrelid = rel.oid
  union all
  select format('trigger %s comment %s', pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'))
  from   rel join pg_trigger t on tgrelid = rel.oid and not tgisinternal
  union all
  select format('rule %s comment %s', pg_get_ruledef(r.oid), obj_description(r.oid, 'pg_rewrite'))
  from   rel join pg_rewrite r on ev_class = rel.oid and rulename <> '_RETURN'
  union all
  select format('planner knows %s of %s.%s', n_distinct is not null, tablename, attname)
  from   pg_stats join rel on nspname = schemaname and relname = tablename
  union all
  select format('goes with extension %s: %s', e.extname, relname)
  from   rel join pg_depend d on d.objid = rel.oid and d.deptype = 'x' join pg_extension e on e.oid = d.refobjid
) facts (line) order by 1
