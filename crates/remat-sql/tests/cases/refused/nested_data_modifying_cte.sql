-- R004
select * from (with w as (update t set a = 1 returning a) select * from w) x
