-- Access over HTTP: who may, who is logged in, who asked for what.
--
-- Law: no secret is in a table, only what a secret hashes to. What was asked for is only ever added.

-- A name is never given twice, so that the audit stays clear; whoever wants another secret makes another token.
create table remat.tokens (
    id           bigint generated always as identity primary key,
    name         text not null unique check (octet_length(name) between 1 and 63),
    -- SHA-256 of the secret, which has 256 random bits: nothing slower is needed against guessing
    hash         bytea not null unique check (octet_length(hash) = 32),
    role         text not null check (role in ('viewer', 'operator', 'editor', 'admin')),
    -- the schemas whose views it sees; null for all of them
    schemas      text[] check (cardinality(schemas) > 0),
    created_at   timestamptz not null default clock_timestamp(),
    created_by   text not null default session_user,
    expires_at   timestamptz,
    -- written once a minute at most
    last_used_at timestamptz,
    revoked_at   timestamptz,
    -- whoever gives access could give himself the other schemas
    constraint admin_sees_all check (role <> 'admin' or schemas is null)
);

-- Browsers that logged in with a token. A session ends with its token.
create table remat.sessions (
    id         bigint generated always as identity primary key,
    hash       bytea not null unique check (octet_length(hash) = 32),
    token_id   bigint not null references remat.tokens on delete cascade,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);
create index sessions_of_token on remat.sessions (token_id);

-- Who asked for what, and from where. remat.events tells what became of views; this tells who wanted it, also where it was
-- refused or is about no view.
create table remat.audit (
    id          bigint generated always as identity primary key,
    at          timestamptz not null default clock_timestamp(),
    -- the token's name, `local` where nobody logs in, else the role in the database
    who         text not null default session_user,
    role        text,
    address     text,
    action      text not null check (action <> ''),
    object      text,
    -- of a view: who sees only some schemas sees only these lines
    schema_name text,
    before      jsonb,
    after       jsonb,
    run_id      bigint
);

create function remat.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = 'insufficient_privilege',
        message = format('table "%s.%s" is only ever added to', tg_table_schema, tg_table_name),
        detail = format('%s is refused to everybody.', tg_op);
end
$$;
create trigger refuse_change before update or delete or truncate on remat.audit
for each statement execute function remat.refuse_change();

-- What was answered to a request that names a key, so that the same request again changes nothing.
create table remat.idempotency_keys (
    who          text not null,
    key          text not null check (octet_length(key) between 1 and 255),
    -- SHA-256 of method, path and body
    request      bytea not null check (octet_length(request) = 32),
    -- null until it is answered
    status       integer,
    location     text,
    body         json,
    created_at   timestamptz not null default clock_timestamp(),
    primary key (who, key)
);
create index idempotency_keys_by_age on remat.idempotency_keys (created_at);
