 SELECT "select" AS "from",
    "Ünï" AS "a""b",
    (("a.b")::numeric + "x""y") AS "A B",
    "$1" AS "it's"
   FROM "Od""d"."T able";
