-- R004
with gone as (delete from t returning *) select * from gone
