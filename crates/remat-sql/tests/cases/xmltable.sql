select x.*, xmlelement(name foo, xmlattributes(a as b), 'text'), xmlforest(a, b as c), xmlserialize(content d as text)
from data,
xmltable(xmlnamespaces('http://a.example' as x), '/x:rows/row' passing data.doc
    columns id int path '@id', seq for ordinality, name text path 'name' default 'none' not null) as x
