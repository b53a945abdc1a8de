-- R002
select 1; drop table sales;
