//! Tables for people.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement};

use super::{Output, text};

/// What a cell's colour says; never the only thing that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Neutral,
    Notable,
    Bad,
}

/// Below so many columns a table is left to the terminal's own wrapping.
const WIDTH_MIN: u16 = 60;

/// A table that grows row by row.
pub(crate) struct Table {
    inner: comfy_table::Table,
}

impl Table {
    /// A table with its column titles.
    pub(crate) fn new(out: &Output, titles: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(comfy_table::presets::NOTHING);
        match inner.width() {
            // Some terminals tell no width, or none that a table fits into.
            Some(width) if inner.is_tty() && width >= WIDTH_MIN => {
                inner.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            _ => inner.set_content_arrangement(ContentArrangement::Disabled),
        };
        inner.force_no_tty();
        if out.has_color() {
            inner.enforce_styling().style_text_only();
        }
        inner.set_header(titles.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        Self { inner }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.inner.add_row(cells.into_iter().collect::<Vec<_>>());
    }

    /// The whole table.
    pub(crate) fn finish(&self) -> String {
        let lines =
            self.inner.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Text that may come from the database.
pub(crate) fn word(content: impl AsRef<str>) -> Cell {
    Cell::new(text::clean(content.as_ref()))
}

/// A number or a duration, at the right.
pub(crate) fn figure(content: String) -> Cell {
    Cell::new(content).set_alignment(CellAlignment::Right)
}

/// A word with its colour.
pub(crate) fn toned(content: impl AsRef<str>, tone: Tone) -> Cell {
    let cell = word(content);
    match tone {
        Tone::Good => cell.fg(Color::Green),
        Tone::Neutral => cell,
        Tone::Notable => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}
