create schema shop;
create schema "Od""d";

create table shop.users (
    id         bigint primary key,
    handle     text not null unique,
    email      text unique,
    country    text,
    active     boolean not null default true,
    joined_at  timestamptz not null default now()
);

create table shop.sales (
    id         bigint primary key,
    user_id    bigint not null references shop.users,
    cents      integer not null,
    note       text,
    tags       text[] not null default '{}',
    doc        jsonb,
    sold_on    date not null,
    sold_at    timestamptz not null,
    local_at   timestamp,
    price      numeric(12, 2)
);

create table shop.refunds (
    sale_id    bigint not null references shop.sales (id),
    seq        integer not null,
    cents      integer not null,
    made_at    timestamptz not null,
    primary key (sale_id, seq)
);

create table shop.events (
    id         bigint not null,
    at         timestamptz not null,
    kind       text not null,
    primary key (id, at)
) partition by range (at);

create table shop.events_2026 partition of shop.events for values from ('2026-01-01') to ('2027-01-01');

create table "Od""d"."T able" ("select" integer primary key, "Ünï" text, "a.b" integer, "x""y" numeric, "$1" text);

create view shop.active_users as select id, handle from shop.users where active;
create materialized view shop.totals as select user_id, sum(cents) as cents from shop.sales group by user_id;

create type shop.mood as enum ('sad', 'ok', 'happy');
create type shop.pair as (a integer, b text);
create table shop.moods (user_id bigint primary key, mood shop.mood not null, pair shop.pair);

create function shop.plus(a integer, b integer default 1) returns integer language sql immutable as 'select a + b';
create function shop.pairs(n integer) returns setof shop.pair language sql immutable as 'select n, n::text';
create operator shop.|+| (leftarg = integer, rightarg = integer, function = shop.plus);
create aggregate shop.total (integer) (sfunc = int4pl, stype = integer, initcond = '0');
create aggregate shop.both (integer) (sfunc = int4pl, stype = integer, initcond = '0');
create function shop.both(text) returns text language sql immutable as 'select $1';
