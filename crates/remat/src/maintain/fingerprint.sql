-- A hash of what a plan was made from: the rules of the view named $1 and of the plain views below, what they read and call, and
-- $2, which says the rest. A rule stands here as the server stores it, beside the names that it would be printed with: to
-- print it would take time, and locks. Nothing here depends on the settings of the session.
--
-- It is asked at every refresh, so it is written for the planner: sub-selects by an index in the place of joins.
with recursive below (relation, follow) as (
  select c.oid, true from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1)
  union
  select c.oid, c.relkind = 'v'
  from   below b, pg_catalog.pg_rewrite w, pg_catalog.pg_depend d, pg_catalog.pg_class c
  where  b.follow and w.ev_class = b.relation and w.ev_type = '1'
  and    d.classid = 2618 and d.objid = w.oid and d.refclassid = 1259 and c.oid = d.refobjid
)
select pg_catalog.md5($2 || pg_catalog.string_agg(f.what, ';' order by f.relation))
from (
  select b.relation, pg_catalog.concat_ws(' ',
    c.oid, c.relnamespace::pg_catalog.regnamespace, c.relname, c.relkind, c.relpersistence, c.relowner, c.relrowsecurity,
    c.reloptions, c.relhassubclass,
    (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid,
              (select t.typname from pg_catalog.pg_type t where t.oid = a.atttypid),
              a.atttypmod, a.attnotnull, a.attcollation,
              case when a.atttypid >= 16384 then remat.words_of_type(a.atttypid) end), ',' order by a.attnum)
     from   pg_catalog.pg_attribute a
     where  a.attrelid = b.relation and a.attnum > 0 and not a.attisdropped),
    (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', i.indexrelid, i.indkey, i.indnkeyatts, i.indisvalid), ','
              order by i.indexrelid)
     from   pg_catalog.pg_index i
     where  i.indrelid = b.relation and i.indisunique and i.indimmediate),
    (select pg_catalog.concat_ws(' ', pg_catalog.md5(w.ev_action::text), (
              select pg_catalog.string_agg(pg_catalog.concat_ws(' ', d.refclassid, d.refobjid,
                       (select pg_catalog.concat_ws(' ', p.proname, p.xmin) from pg_catalog.pg_proc p
                        where  d.refclassid = 1255 and p.oid = d.refobjid)), ',' order by d.refclassid, d.refobjid, d.refobjsubid)
              from   pg_catalog.pg_depend d
              where  d.classid = 2618 and d.objid = w.oid and d.refclassid <> 1259))
     from   pg_catalog.pg_rewrite w
     where  w.ev_class = b.relation and w.ev_type = '1'),
    (select v.id from remat.views v where v.relation_oid = b.relation limit 1)) as what
  from   below b
  join   pg_catalog.pg_class c on c.oid = b.relation
) f
