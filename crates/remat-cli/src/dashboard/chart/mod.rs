//! Charts as SVG, drawn by the server: one file each.
//!
//! Law: a chart says in words what it shows, and whoever cannot see it finds its numbers in a table beside it. Numbers are
//! rounded to a tenth of a pixel. No style stands in an attribute.

pub(super) mod age;
pub(super) mod bar;
pub(super) mod changes;
pub(super) mod duration;
pub(super) mod graph;
pub(super) mod heat;
pub(super) mod saw;
pub(super) mod spark;

/// A coordinate.
pub(super) fn px(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!("{rounded}")
}

/// A round number that is at least as large, and how many parts it divides into well.
pub(super) fn ceiling(value: f64) -> (f64, usize) {
    let value = value.max(1e-9);
    let scale = 10_f64.powf(value.log10().floor());
    let steps = [(1.0, 2), (2.0, 4), (3.0, 3), (4.0, 4), (5.0, 5), (6.0, 3), (8.0, 4), (10.0, 5)];
    let fits = steps.iter().find(|(step, _)| step * scale >= value * 0.999_999);
    fits.map_or((value, 2), |(step, parts)| (step * scale, *parts))
}

/// A round length of time in milliseconds that is at least as long: units of a minute and an hour divide by sixty.
pub(super) fn ceiling_of_time(ms: f64) -> (f64, usize) {
    let units = [(86_400_000.0, 24.0), (3_600_000.0, 60.0), (60_000.0, 60.0)];
    for (unit, _) in units {
        if ms > unit {
            let (value, parts) = ceiling(ms / unit);
            return (value * unit, parts);
        }
    }
    ceiling(ms)
}
