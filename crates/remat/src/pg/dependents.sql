-- What `drop … cascade` takes along with a relation. A rule stands for its view; what is only a part of something
-- that goes (an index, a row type, a default) is followed but not named.
with recursive goes (classid, objid, named) as (
    select 'pg_catalog.pg_class'::regclass::oid, $1::oid, false
    union
    select case when rule.oid is null then d.classid else 'pg_catalog.pg_class'::regclass::oid end,
           coalesce(rule.ev_class, d.objid),
           d.deptype = 'n'
    from   goes
    join   pg_catalog.pg_depend d on d.refclassid = goes.classid and d.refobjid = goes.objid
    left   join pg_catalog.pg_rewrite rule
           on d.classid = 'pg_catalog.pg_rewrite'::regclass and rule.oid = d.objid
    where  d.deptype in ('n', 'a', 'i')
)
select distinct format('%s %s', o.type, o.identity)
from   goes, pg_catalog.pg_identify_object(goes.classid, goes.objid, 0) o
where  goes.named
and    goes.objid <> $1
order  by 1
