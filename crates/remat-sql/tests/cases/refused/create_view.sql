-- R003
create view v as select 1
