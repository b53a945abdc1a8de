(select a from t order by a limit 1)
union all
(table u)
intersect
values (1), (2)
except distinct
select * from (select 1) -- no alias, as since PostgreSQL 16
order by 1
offset 1 row
fetch first 2 rows with ties
