create schema shop;

create table shop.teams (id integer primary key, name text not null, region integer);
create table shop.users (
    id integer primary key, team_id integer, name text not null, country text, active boolean not null, score integer
);
create table shop.items (id bigint primary key, kind text not null, price numeric(8, 2));
create table shop.sales (
    id integer primary key, user_id integer not null, item_id bigint, cents integer not null, note text,
    tags text[] not null, sold_at timestamptz not null, sold_on date not null
);
create table shop.refunds (
    sale_id integer not null, seq integer not null, cents integer not null, made_at timestamptz,
    primary key (sale_id, seq)
);
create table shop.marks (user_id integer, item_id bigint, mark integer);
create index on shop.sales (user_id);

insert into shop.teams select g, 'team ' || g, g % 3 from generate_series(1, 4) g;
insert into shop.users
select g, nullif(g % 5, 0), 'user ' || g, (array['de', 'fr', null])[g % 3 + 1], g % 4 > 0, g * 7 % 10
  from generate_series(1, 12) g;
insert into shop.items select g, (array['book', 'pen', 'cup'])[g % 3 + 1], g * 1.5 from generate_series(1, 8) g;
insert into shop.sales
select g, g * 5 % 14 + 1, nullif(g * 3 % 10, 0), g * 37 % 200, (array['a', 'b', null])[g % 3 + 1],
       (array['{x,y}', '{y}', '{z,x}', '{}'])[g % 4 + 1]::text[],
       now() + (g * 41 % 120 - 60) * interval '1 hour', current_date + g * 11 % 10 - 5
  from generate_series(1, 60) g;
insert into shop.refunds
select g % 40 + 1, g, g * 13 % 100, now() + (g * 23 % 100 - 50) * interval '1 hour' from generate_series(1, 25) g;
insert into shop.marks
select nullif(g * 7 % 13, 0), nullif(g * 3 % 9, 0), g % 4 from generate_series(1, 20) g;
