-- R005
select 1 as a into temp t
