-- What each log that a view reads says since the view's state, with the state in every row; one row without a log where
-- it reads none.
select c.capture_id,
       c.relation,
       c.because,
       c.changed,
       pg_catalog.now(),
       s.snapshot::pg_catalog.text,
       s.as_of::pg_catalog.text,
       coalesce(s.filled, false),
       coalesce((select pg_catalog.sum(greatest(r.reltuples, 0)) from remat.capture_levels(c.relation) l
                 join pg_catalog.pg_class r on r.oid operator(pg_catalog.=) l.relation
                                            and r.relkind operator(pg_catalog.=) 'r'), 0)::pg_catalog.float8
from   (values ($1::pg_catalog.int8)) v (id)
left   join remat.view_states s on s.view_id operator(pg_catalog.=) v.id and s.system operator(pg_catalog.=) remat.system()
left   join remat.capture_changes($1, $2) c on true
