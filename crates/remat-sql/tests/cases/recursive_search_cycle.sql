with recursive tree (id, parent, depth) as (
    select id, parent, 0 from node where parent is null
    union all
    select n.id, n.parent, t.depth + 1 from node n join tree t on n.parent = t.id
)
search depth first by id set ordered
cycle id set looped to true default false using path
select * from tree order by ordered
