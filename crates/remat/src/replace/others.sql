-- What else depends on relations or their row types, and would not survive a replacement: anything but their own
-- indexes, statistics, plain constraints and what views carry along; rules of the views that are themselves known.
select t.relation, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
from   (
         select c.oid, c.relkind, 'pg_catalog.pg_class'::regclass::oid, c.oid
         from   pg_catalog.pg_class c where c.oid = any ($1)
         union all
         select c.oid, c.relkind, 'pg_catalog.pg_type'::regclass::oid, y.oid
         from   pg_catalog.pg_class c
         join   pg_catalog.pg_type y on y.typrelid = c.oid or y.typelem = c.reltype and y.typcategory = 'A'
         where  c.oid = any ($1)
       ) as t (relation, kind, class, object)
join   pg_catalog.pg_depend d on d.refclassid = t.class and d.refobjid = t.object
left   join pg_catalog.pg_rewrite rule on d.classid = 'pg_catalog.pg_rewrite'::regclass and rule.oid = d.objid
left   join pg_catalog.pg_constraint con on d.classid = 'pg_catalog.pg_constraint'::regclass and con.oid = d.objid
left   join pg_catalog.pg_trigger trg on d.classid = 'pg_catalog.pg_trigger'::regclass and trg.oid = d.objid
left   join pg_catalog.pg_attrdef def on d.classid = 'pg_catalog.pg_attrdef'::regclass and def.oid = d.objid
left   join pg_catalog.pg_statistic_ext sta
       on d.classid = 'pg_catalog.pg_statistic_ext'::regclass and sta.oid = d.objid
where  d.deptype <> 'i'
and    not (rule.oid is not null and rule.rulename = '_RETURN' and t.class = 'pg_catalog.pg_class'::regclass)
and    not (rule.oid is not null and rule.ev_class = t.relation and t.kind = 'v')
and    not (con.oid is not null and con.conrelid = t.relation and con.contype in ('p', 'u', 'n'))
and    not (trg.oid is not null and trg.tgrelid = t.relation and (t.kind = 'v' or trg.tgname = 'remat_guard'))
and    not (def.oid is not null and def.adrelid = t.relation and t.kind = 'v')
and    not (sta.oid is not null and sta.stxrelid = t.relation)
and    not (d.classid = 'pg_catalog.pg_class'::regclass and exists (
             select from pg_catalog.pg_index i where i.indexrelid = d.objid and i.indrelid = t.relation))
group  by t.relation, d.classid, d.objid, d.objsubid
order  by 1, 2
