-- R003
set search_path = public
