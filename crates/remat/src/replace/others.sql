-- What else depends on relations or their row types, and would not survive a replacement: anything but their own
-- indexes, statistics, plain constraints and what views carry along, and the views that are themselves known. A view of
-- another session's own cannot be written, so it counts, too. One CASE instead of joins: few rows are looked at, while
-- planning the joins would take longer than the rest of the replacement's reading.
select t.relation,
       coalesce((select pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, r.ev_class, 0)
                 from   pg_catalog.pg_rewrite r
                 where  d.classid = 'pg_catalog.pg_rewrite'::regclass and r.oid = d.objid and r.rulename = '_RETURN'),
                pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid),
                'an object that was dropped meanwhile')
from   (
         select c.oid, c.relkind, 'pg_catalog.pg_class'::regclass::oid, c.oid
         from   pg_catalog.pg_class c where c.oid = any ($1)
         union all
         select c.oid, c.relkind, 'pg_catalog.pg_type'::regclass::oid, c.reltype
         from   pg_catalog.pg_class c where c.oid = any ($1)
         union all
         select c.oid, c.relkind, 'pg_catalog.pg_type'::regclass::oid,
                (select y.typarray from pg_catalog.pg_type y where y.oid = c.reltype)
         from   pg_catalog.pg_class c where c.oid = any ($1)
       ) as t (relation, kind, class, object)
join   pg_catalog.pg_depend d on d.refclassid = t.class and d.refobjid = t.object
where  d.deptype <> 'i'
and    not coalesce(case d.classid
         when 'pg_catalog.pg_rewrite'::regclass then
           (select r.rulename = '_RETURN' and t.class = 'pg_catalog.pg_class'::regclass
                     and (select v.relpersistence <> 't' from pg_catalog.pg_class v where v.oid = r.ev_class)
                   or r.ev_class = t.relation and t.kind = 'v'
            from pg_catalog.pg_rewrite r where r.oid = d.objid)
         when 'pg_catalog.pg_class'::regclass then
           (select i.indrelid = t.relation from pg_catalog.pg_index i where i.indexrelid = d.objid)
         when 'pg_catalog.pg_constraint'::regclass then
           (select k.conrelid = t.relation and k.contype in ('p', 'u', 'n')
            from pg_catalog.pg_constraint k where k.oid = d.objid)
         when 'pg_catalog.pg_trigger'::regclass then
           (select g.tgrelid = t.relation and (t.kind = 'v' or g.tgname = 'remat_guard')
            from pg_catalog.pg_trigger g where g.oid = d.objid)
         when 'pg_catalog.pg_attrdef'::regclass then
           (select f.adrelid = t.relation and t.kind = 'v' from pg_catalog.pg_attrdef f where f.oid = d.objid)
         when 'pg_catalog.pg_statistic_ext'::regclass then
           (select s.stxrelid = t.relation from pg_catalog.pg_statistic_ext s where s.oid = d.objid)
         else false end, false)
group  by 1, 2
order  by 1, 2
