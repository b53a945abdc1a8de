-- R003
insert into t values (1) returning *
