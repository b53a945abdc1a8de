-- Managed tables are written by remat alone. A merge says so with `set local remat.writing = 'on'`; the setting is a
-- guard against mistakes and no wall: privileges on the table are the wall.

create function remat.refuse_write() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('remat.writing', true) = 'on' then
        return null;
    end if;
    raise exception using
        errcode = 'wrong_object_type',
        message = format('view "%s.%s" is maintained by remat', tg_table_schema, tg_table_name),
        detail = format('%s would make it differ from its query.', tg_op),
        hint = 'Change the tables that its query reads, then run `remat refresh`.';
end
$$;
