-- R006
select 1 /* /* */
