//! When schedules fire on the days when clocks change, judged by an oracle that shares no code with them.
//!
//! The oracle reads another copy of the time zone database (chrono-tz) and looks at every minute by itself: what does
//! the clock on the wall show, has it shown that before, and which minutes did it just leap over? From that it applies
//! the rule that `remat::schedule` states. It knows nothing about searching.
//!
//! Every run looks at the hours around each change of 2024 to 2030, and at samples of other days. Every minute of those
//! years is looked at by
//! `cargo test --release -p remat --test clock_changes -- --ignored`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use jiff::Timestamp;
use remat::schedule::Schedule;

/// Zones with an hour more in summer, half an hour, two hours, an hour less in winter or in Ramadan, at midnight, across
/// midnight, in the south, and with none.
const ZONES: [&str; 14] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Tehran",
    "Europe/Dublin",
    "Antarctica/Troll",
    "America/Santiago",
    "America/Nuuk",
    "Africa/Cairo",
];

/// Lines that name a time of day, and lines that name a rhythm.
const LINES: [&str; 20] = [
    "30 2 * * *",
    "0 2 * * *",
    "0 3 * * *",
    "15 2 * * *",
    "45 1 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "30 23 * * *",
    "30 23 * * 6",
    "0 0 * * 0",
    "30 2 * * 0",
    "59 23 31 * 5",
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "10,50 1-3 * * *",
    "0 0,2 * * *",
    "30 1,2 * * 0",
    "*/7 23 * * *",
    "20 */2 1-7 * *",
];

/// A line as the oracle reads it: the allowed values of each field, as bits.
struct Line {
    fields: [u64; 5],
    either_day: bool,
    is_time_of_day: bool,
}

impl Line {
    fn read(line: &str) -> Self {
        let texts: Vec<&str> = line.split(' ').collect();
        let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let fields: [u64; 5] = std::array::from_fn(|at| values(texts[at], ranges[at]));
        Self {
            either_day: texts[2] != "*" && texts[4] != "*",
            is_time_of_day: fields[0].is_power_of_two() && fields[1].is_power_of_two(),
            fields,
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        let has = |at: usize, value: u32| self.fields[at] >> value & 1 == 1;
        if !has(0, wall.minute()) || !has(1, wall.hour()) || !has(3, wall.month()) {
            return false;
        }
        let (day, weekday) = (has(2, wall.day()), has(4, wall.weekday().num_days_from_sunday()));
        if self.either_day { day || weekday } else { day && weekday }
    }
}

fn values(text: &str, (least, most): (u32, u32)) -> u64 {
    let mut values = 0;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (from.parse().unwrap(), to.parse().unwrap()),
            _ => (range.parse().unwrap(), range.parse().unwrap()),
        };
        for value in (from..=to).step_by(step.parse().unwrap()) {
            values |= 1 << value;
        }
    }
    values
}

fn wall(zone: Tz, minute: i64) -> NaiveDateTime {
    DateTime::<Utc>::from_timestamp(minute * 60, 0).unwrap().with_timezone(&zone).naive_local()
}

/// The minutes in which the line fires, of those after one and up to another.
fn oracle(line: &Line, walls: &[NaiveDateTime], first: i64) -> Vec<i64> {
    let minute = TimeDelta::minutes(1);
    let (mut fires, mut shown_till) = (Vec::new(), walls[0]);
    for (at, pair) in (first + 1..).zip(walls.windows(2)) {
        let (before, now) = (pair[0], pair[1]);
        let shown_before = now <= shown_till;
        let fires_now = if line.is_time_of_day {
            (!shown_before && line.matches(now))
                || (before + minute < now && leapt(before, now).any(|wall| line.matches(wall)))
        } else {
            line.matches(now)
        };
        if fires_now {
            fires.push(at);
        }
        shown_till = shown_till.max(now);
    }
    fires
}

/// What the wall never shows.
fn leapt(before: NaiveDateTime, now: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
    let minutes = std::iter::successors(Some(before), |wall| Some(*wall + TimeDelta::minutes(1)));
    minutes.skip(1).take_while(move |wall| *wall < now)
}

/// A stretch of minutes in a zone, and what the wall shows in each.
struct Stretch {
    zone: &'static str,
    first: i64,
    walls: Vec<NaiveDateTime>,
}

impl Stretch {
    fn new(zone: &'static str, first: i64, last: i64) -> Self {
        let tz: Tz = zone.parse().unwrap();
        Self { zone, first, walls: (first..=last).map(|minute| wall(tz, minute)).collect() }
    }

    /// Compares the next firing after each of these minutes, and after each firing between the first and the last of
    /// them, as far as the stretch shows it.
    fn compare(&self, line: &str, starts: &[i64]) -> usize {
        let schedule = Schedule::parse(line, self.zone).unwrap();
        let fires = oracle(&Line::read(line), &self.walls, self.first);
        let between = starts[0]..=starts[starts.len() - 1];
        let known = fires.iter().filter(|fire| between.contains(fire));
        let mut compared = 0;
        for start in starts.iter().chain(known) {
            let expected = fires.get(fires.partition_point(|fire| fire <= start));
            let Some(expected) = expected else { continue };
            let found = schedule.next_after(Timestamp::from_second(start * 60).unwrap());
            let found = found.map(|found| (found.as_second() / 60, found.as_second() % 60));
            assert_eq!(found, Some((*expected, 0)), "{line} in {} after minute {start}", self.zone);
            compared += 1;
        }
        compared
    }
}

fn minute(year: i16) -> i64 {
    let begin = jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    begin.timestamp().as_second() / 60
}

fn offset(zone: Tz, minute: i64) -> i64 {
    (wall(zone, minute) - DateTime::<Utc>::from_timestamp(minute * 60, 0).unwrap().naive_utc()).num_minutes()
}

/// The first minutes of each new offset.
fn changes(zone: &str) -> Vec<i64> {
    let tz: Tz = zone.parse().unwrap();
    let days: Vec<i64> = (minute(2024)..minute(2031)).step_by(24 * 60).collect();
    let changed = days.windows(2).filter(|pair| offset(tz, pair[0]) != offset(tz, pair[1]));
    let of_day =
        |pair: &[i64]| (pair[0]..=pair[1]).find(|minute| offset(tz, *minute) == offset(tz, pair[1])).unwrap();
    changed.map(of_day).collect()
}

#[test]
fn around_every_change_of_a_clock_schedules_fire_as_stated() {
    let mut compared = 0;
    for zone in ZONES {
        for change in changes(zone) {
            let stretch = Stretch::new(zone, change - 6 * 60, change + 27 * 60);
            let starts: Vec<i64> = (change - 3 * 60..change + 3 * 60).step_by(23).collect();
            compared += LINES.iter().map(|line| stretch.compare(line, &starts)).sum::<usize>();
        }
    }
    assert!(compared > 90_000, "{compared}");
}

#[test]
fn on_other_days_schedules_fire_as_stated() {
    for (at, zone) in (0..).zip(ZONES) {
        let begin = minute(2024) + at * 71_993;
        let stretch = Stretch::new(zone, begin, begin + 8 * 24 * 60);
        let starts: Vec<i64> = (begin + 60..begin + 6 * 60).step_by(97).collect();
        let compared: usize = LINES.iter().map(|line| stretch.compare(line, &starts)).sum();
        assert!(compared > 300, "{compared}");
    }
}

#[test]
fn the_zones_have_what_they_are_there_for() {
    let differences = |zone: &str| {
        let tz = zone.parse().unwrap();
        let offset_of = |change: i64| offset(tz, change) - offset(tz, change - 1);
        changes(zone).into_iter().map(offset_of).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        (differences("Europe/Berlin"), differences("Antarctica/Troll")),
        (vec![-60, 60], vec![-120, 120])
    );
    assert_eq!((differences("Australia/Lord_Howe"), differences("Asia/Kolkata")), (vec![-30, 30], vec![]));
    assert!(changes("America/Nuuk").len() >= 12 && changes("Asia/Tehran").is_empty());
}

#[test]
#[ignore = "looks at every minute of seven years: some minutes in a release build"]
fn in_every_minute_of_seven_years_schedules_fire_as_stated() {
    for zone in ZONES {
        let (begin, end) = (minute(2024), minute(2031));
        let stretch = Stretch::new(zone, begin, end);
        let around = changes(zone).into_iter().flat_map(|change| change - 26 * 60..change + 26 * 60);
        let starts: Vec<i64> = [begin].into_iter().chain(around).chain([end]).collect();
        let compared: usize = LINES.iter().map(|line| stretch.compare(line, &starts)).sum();
        assert!(compared > 4_000_000, "{compared}");
    }
}
