-- R005
(select 1 into t)
