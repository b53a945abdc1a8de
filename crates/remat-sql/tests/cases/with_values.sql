with a (x) as materialized (values (1)), b as not materialized (table a) (select * from a, b)
