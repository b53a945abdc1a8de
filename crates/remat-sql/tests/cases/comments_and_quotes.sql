-- first; not a statement
/* outer /* inner ; */ still outer */
select
    'it''s; fine', E'a\'b\\;', $$ ; select 2 $$, $tag$ $$ ; $tag$, U&'d\0061t\+000061', U&"d\0061ta" uescape '!',
    "weird "" name; -- not a comment", b'101', x'1f', 1_000_000, 0x1F, 1.5e-3, 'con'
    'tinued'
from "T" -- the table; all of it
; -- the end
/* and after */
