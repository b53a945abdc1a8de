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

-- Runs the statements of a program in order and gives for each the rows that it touched or, where it `reads`, the number
-- that it selected (where it `lists`, the numbers), and when it ended. `relation` is the managed table that they write; 0 where there is none yet.
--
-- It is never called but as the query of a materialized view that the owner of the table has for one run: REFRESH makes
-- that a security-restricted operation, in which the server itself refuses whatever would bring the rights of the caller
-- back: another role, a trigger or a cursor that waits for the commit, another prepared statement under a known name. It
-- also puts every setting back. A function that is SECURITY DEFINER does none of that but the first.
--
-- It has the rights of whoever calls it, so anybody may. A constraint of the table that waits for the commit is checked
-- at once: left to the commit it would run as the caller.
create function remat_query.perform(program jsonb, path text, relation oid)
returns table (step integer, number bigint, numbers bigint[], ended timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  statements text[] := array(select s.value->>'sql' from jsonb_array_elements(program) with ordinality as s(value, i)
                             order by i);
  reads boolean[] := array(select coalesce((s.value->>'reads')::boolean, false)
                           from jsonb_array_elements(program) with ordinality as s(value, i) order by i);
  lists boolean[] := array(select coalesce((s.value->>'lists')::boolean, false)
                           from jsonb_array_elements(program) with ordinality as s(value, i) order by i);
  deferred text := (select string_agg(format('%I.%I', n.nspname, c.conname), ', ')
                    from   pg_trigger t
                    join   pg_constraint c on c.oid = t.tgconstraint
                    join   pg_namespace n on n.oid = c.connamespace
                    where  t.tgrelid = relation and t.tginitdeferred);
  last integer := cardinality(statements);
begin
  if deferred is not null then
    execute format('set constraints %s immediate', deferred);
  end if;
  perform set_config('remat.writing', 'on', true), set_config('search_path', path, true);
  for i in 1..last loop
    number := null;
    numbers := null;
    if reads[i] then
      execute statements[i] into number;
    elsif lists[i] then
      execute statements[i] into numbers;
    else
      execute statements[i];
      get diagnostics number = row_count;
    end if;
    step := i;
    ended := pg_catalog.clock_timestamp();
    return next;
  end loop;
end
$$;
grant execute on function remat_query.perform to public;
