//! A strict reader of TOML tables.
//!
//! Law: every key is known or refused, every value has its one type, and every complaint names the file and the line.
//! Values are never shown in complaints about their type: they may be secrets.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Range, RangeInclusive},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    error::{Error, ErrorKind},
    name::Identifier,
};

/// A file, and where in it the TOML begins.
pub(super) struct Source<'a> {
    /// The name of the file in complaints.
    pub(super) file: &'a str,
    /// All of it.
    pub(super) text: &'a str,
    /// Where the TOML begins, in bytes.
    pub(super) base: usize,
    /// The kind of its errors.
    pub(super) kind: ErrorKind,
}

impl<'a> Source<'a> {
    /// Parses the part of the file that is TOML.
    pub(super) fn parse(&self, toml: &'a str) -> Result<Spanned<DeTable<'a>>, Error> {
        DeTable::parse(toml).map_err(|error| {
            let at = self.base + error.span().map_or(0, |span| span.start);
            let reason = error.message().lines().next().unwrap_or_default();
            self.error(at, "the options are not valid TOML")
                .with_detail(format!("The reader says: {reason}."))
        })
    }

    /// A complaint about a place in the file.
    pub(super) fn error(&self, at: usize, primary: impl AsRef<str>) -> Error {
        Error::new(self.kind, format!("{}:{}: {}", self.file, self.line(at), primary.as_ref()))
    }

    /// A complaint from elsewhere, with its place in the file.
    pub(super) fn locate(&self, at: usize, error: &Error) -> Error {
        let mut complaint = error.complaint().clone();
        complaint.primary = format!("{}:{}: {}", self.file, self.line(at), complaint.primary);
        Error::from_complaint(self.kind, complaint)
    }

    fn line(&self, at: usize) -> usize {
        // Places are the starts of tokens; the middle of a character can only come from the end of a broken one.
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }
}

/// A table whose keys are all known.
pub(super) struct Table<'t, 'a> {
    source: &'t Source<'a>,
    entries: &'t DeTable<'a>,
    span: Range<usize>,
}

impl<'t, 'a> Table<'t, 'a> {
    /// Takes a table, and refuses keys that are not known.
    pub(super) fn new(
        source: &'t Source<'a>,
        entries: &'t DeTable<'a>,
        span: Range<usize>,
        known: &[&str],
    ) -> Result<Self, Error> {
        for key in entries.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let error = source
                    .error(source.base + key.span().start, format!("unknown key \"{}\"", key.get_ref()));
                return Err(error.with_hint(suggestion(key.get_ref(), known)));
            }
        }
        Ok(Self { source, entries, span })
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where a key stands in the file; the table itself if it does not have it.
    pub(super) fn place(&self, key: &str) -> usize {
        let key = self.entries.get_key_value(key);
        self.source.base + key.map_or(self.span.start, |(key, _)| key.span().start)
    }

    /// A complaint at a key.
    pub(super) fn error(&self, key: &str, primary: impl AsRef<str>) -> Error {
        self.source.error(self.place(key), primary)
    }

    /// A complaint from elsewhere, at a key.
    pub(super) fn locate(&self, key: &str, error: &Error) -> Error {
        self.source.locate(self.place(key), error)
    }

    /// A text, read by a function that may refuse it.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong_type(key, value, "a text"))?;
        read(text).map(Some).map_err(|error| self.source.locate(self.at(value), &error))
    }

    /// A text that must be there.
    pub(super) fn require<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.read(key, read)?.ok_or_else(|| self.error(key, format!("\"{key}\" is missing")))
    }

    /// A list of texts, each read by a function that may refuse it.
    pub(super) fn read_list<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, Error>,
    ) -> Result<Option<Vec<T>>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let wrong = |value: &Spanned<DeValue<'a>>| self.wrong_type(key, value, "a list of texts");
        let items = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let item = |item: &Spanned<DeValue<'a>>| {
            let text = item.get_ref().as_str().ok_or_else(|| wrong(item))?;
            read(text).map_err(|error| self.source.locate(self.at(item), &error))
        };
        items.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    /// A catalog name.
    pub(super) fn name(&self, key: &str) -> Result<Option<Identifier>, Error> {
        self.read(key, |name| Identifier::new(name))
    }

    /// A list of catalog names.
    pub(super) fn names(&self, key: &str) -> Result<Option<Vec<Identifier>>, Error> {
        self.read_list(key, |name| Identifier::new(name))
    }

    /// True or false.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong_type(key, value, "true or false"))
    }

    /// A whole number within a range.
    pub(super) fn integer<T>(&self, key: &str, range: RangeInclusive<T>) -> Result<Option<T>, Error>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let DeValue::Integer(number) = value.get_ref() else {
            return Err(self.wrong_type(key, value, "a whole number"));
        };
        let read =
            i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|it| T::try_from(it).ok());
        read.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.source.error(self.at(value), format!("\"{key}\" must be between {least} and {most}"))
        })
    }

    /// A whole number above zero.
    pub(super) fn positive(&self, key: &str) -> Result<Option<u32>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let number = value.get_ref().as_integer().filter(|number| number.radix() == 10);
        let number = number.and_then(|number| number.as_str().parse().ok()).filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| self.wrong_type(key, value, "a whole number above zero"))
    }

    /// A table within this one.
    pub(super) fn table(&self, key: &str, known: &[&str]) -> Result<Option<Table<'t, 'a>>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let entries = value.get_ref().as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        Table::new(self.source, entries, value.span(), known).map(Some)
    }

    /// Tables of free names within this one, each with its name.
    pub(super) fn named_tables(
        &self,
        key: &str,
        known: &[&str],
    ) -> Result<Vec<(String, Table<'t, 'a>)>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(Vec::new()) };
        let entries = value.get_ref().as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        let each = entries.iter().map(|(name, value)| {
            let name = name.get_ref().to_string();
            let table = value.get_ref().as_table().ok_or_else(|| self.wrong_type(&name, value, "a table"))?;
            Ok((name, Table::new(self.source, table, value.span(), known)?))
        });
        each.collect()
    }

    /// A list of tables within this one.
    pub(super) fn tables(&self, key: &str, known: &[&str]) -> Result<Vec<Table<'t, 'a>>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(Vec::new()) };
        let wrong = |value: &Spanned<DeValue<'a>>| self.wrong_type(key, value, "a list of tables");
        let items = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        let item = |item: &'t Spanned<DeValue<'a>>| {
            let entries = item.get_ref().as_table().ok_or_else(|| wrong(item))?;
            Table::new(self.source, entries, item.span(), known)
        };
        items.iter().map(item).collect()
    }

    /// Free names with plain values, as texts; each name is checked.
    pub(super) fn free(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<(), Error>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let Some(value) = self.entries.get(key) else { return Ok(BTreeMap::new()) };
        let entries = value.get_ref().as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        let entry = |(name, value): (&Spanned<_>, &Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            check(name).map_err(|error| self.source.locate(self.at(value), &error))?;
            let text =
                plain(value.get_ref()).ok_or_else(|| self.wrong_type(name, value, "a text or a number"))?;
            Ok((name.to_string(), text))
        };
        entries.iter().map(entry).collect()
    }

    fn at(&self, value: &Spanned<DeValue<'a>>) -> usize {
        self.source.base + value.span().start
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'a>>, wanted: &str) -> Error {
        self.source.error(self.at(value), format!("\"{key}\" must be {wanted}"))
    }
}

fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn suggestion(key: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::osa_distance(key, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2.max(known.len() / 3) => format!("Did you mean \"{known}\"?"),
        _ => format!("The keys are: {}.", known.join(", ")),
    }
}
