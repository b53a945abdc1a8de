-- Every index of the view with the first test that it fails; null for one that serves.
select i.relname::text,
       case
         when not x.indisunique           then 'is not unique'
         when not x.indimmediate          then 'is deferrable'
         when not x.indisvalid            then 'is not valid; an earlier build of it failed'
         when x.indpred is not null       then 'is partial: it has a WHERE clause'
         when x.indexprs is not null      then 'indexes an expression, not plain columns'
         when am.amname <> 'btree'        then 'is not a btree'
       end
from   pg_catalog.pg_index x
join   pg_catalog.pg_class i on i.oid = x.indexrelid
join   pg_catalog.pg_am am on am.oid = i.relam
where  x.indrelid = $1
order  by i.relname
