-- R006
select 'abc
