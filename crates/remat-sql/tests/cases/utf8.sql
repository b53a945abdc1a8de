select größe as "naïve 😀", 'Zürich' from straße where ort = 'Übersee'
