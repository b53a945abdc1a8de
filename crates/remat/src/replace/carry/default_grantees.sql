-- Whom the default privileges of a role for relations in a schema name; null is everybody.
select distinct case when x.grantee <> 0 then pg_catalog.pg_get_userbyid(x.grantee)::text end
from   pg_catalog.pg_default_acl d
cross  join lateral pg_catalog.aclexplode(d.defaclacl) as x
where  d.defaclrole = (select r.oid from pg_catalog.pg_roles r where r.rolname = $1)
and    d.defaclobjtype = 'r'
and    (d.defaclnamespace = 0
        or d.defaclnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $2))
