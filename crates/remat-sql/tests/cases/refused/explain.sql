-- R003
explain select 1
