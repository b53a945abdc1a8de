-- R008
select * from t where id = $1
