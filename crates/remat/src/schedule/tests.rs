//! When a cron line fires, also on the days when clocks change.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;

use super::*;

fn schedule(line: &str, zone: &str) -> Schedule {
    Schedule::parse(line, zone).unwrap()
}

/// The next firings, as wall-clock time and offset.
fn fires(line: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
    let tz = TimeZone::get(zone).unwrap();
    let after = after.parse::<DateTime>().unwrap().to_zoned(tz.clone()).unwrap().timestamp();
    let shown = |at: Timestamp| at.to_zoned(tz.clone()).strftime("%d %H:%M %:z").to_string();
    schedule(line, zone).next_fires(after, n).into_iter().map(shown).collect()
}

fn detail(line: &str) -> String {
    Schedule::parse(line, "UTC").unwrap_err().complaint().detail.clone().unwrap()
}

#[test]
fn a_time_of_day_that_does_not_exist_fires_once_after_the_gap() {
    // Berlin, 29 March 2026: 02:00 becomes 03:00.
    let fires = fires("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2);
    assert_eq!(fires, ["29 03:00 +02:00", "30 02:30 +02:00"]);
}

#[test]
fn a_time_of_day_that_comes_twice_fires_the_first_time_only() {
    // Berlin, 25 October 2026: 03:00 becomes 02:00.
    let fires = fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2);
    assert_eq!(fires, ["25 02:30 +02:00", "26 02:30 +01:00"]);
}

#[test]
fn a_rhythm_leaves_out_the_gap() {
    let fires = fires("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:15", 3);
    assert_eq!(fires, ["29 01:30 +01:00", "29 03:00 +02:00", "29 03:30 +02:00"]);
}

#[test]
fn a_rhythm_goes_on_through_the_repeated_hour() {
    let fires = fires("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:45", 5);
    assert_eq!(
        fires,
        ["25 02:00 +02:00", "25 02:30 +02:00", "25 02:00 +01:00", "25 02:30 +01:00", "25 03:00 +01:00"]
    );
}

#[test]
fn a_midnight_that_does_not_exist_fires_at_the_first_instant_of_that_day() {
    // São Paulo, 4 November 2018: 00:00 becomes 01:00.
    let fires = fires("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", 2);
    assert_eq!(fires, ["04 01:00 -02:00", "05 00:00 -02:00"]);
}

#[test]
fn a_gap_before_midnight_belongs_to_the_day_that_it_ends() {
    // Nuuk, Saturday 28 March 2026: 23:00 becomes 00:00 of Sunday.
    let saturdays = fires("30 23 * * 6", "America/Nuuk", "2026-03-27T12:00", 2);
    assert_eq!(saturdays, ["29 00:00 -01:00", "04 23:30 -01:00"]);
    assert_eq!(fires("30 23 * * 0", "America/Nuuk", "2026-03-27T12:00", 1), ["29 23:30 -01:00"]);
}

#[test]
fn a_day_with_two_last_hours_keeps_its_firings_on_both_sides() {
    // São Paulo, 18 February 2018: 00:00 becomes 23:00 of the 17th.
    let fires = fires("0 * * * *", "America/Sao_Paulo", "2018-02-17T22:30", 3);
    assert_eq!(fires, ["17 23:00 -02:00", "17 23:00 -03:00", "18 00:00 -03:00"]);
}

#[test]
fn names_seconds_and_nicknames_are_read() {
    let at = |line: &str| fires(line, "UTC", "2026-01-01T00:00", 1).remove(0);
    assert_eq!(at("0 6 * * MON"), "05 06:00 +00:00");
    assert_eq!(at("@hourly"), "01 01:00 +00:00");
    assert_eq!(at("0 0 L feb *"), "28 00:00 +00:00");
    let next = schedule("15 * * * * *", "UTC").next_after("2026-01-01T00:00:15.5Z".parse().unwrap()).unwrap();
    assert_eq!(next.to_string(), "2026-01-01T00:01:15Z");
}

#[test]
fn a_refusal_names_the_field_that_is_wrong() {
    assert_eq!(
        detail("0 25 * * *"),
        "\"25\" is not a valid hour: that is 0 to 23, with lists, ranges and steps."
    );
    assert!(detail("0 0 * foo *").starts_with("\"foo\" is not a valid month"));
    assert!(detail("61 0 0 * * *").starts_with("\"61\" is not a valid second"));
    assert_eq!(detail("* * *"), "It has 3 fields.");
    assert_eq!(detail("0 0 1 1 * 2026 7"), "It has 7 fields.");
    assert_eq!(detail(" "), "It is empty.");
    assert!(detail("@reboot").starts_with("@reboot is not one of"));
}

#[test]
fn a_line_that_never_fires_and_an_unknown_zone_are_refused() {
    assert!(detail("0 0 30 2 *").contains("never fire"));
    let error = Schedule::parse("@daily", "Europe/Atlantis").unwrap_err();
    assert_eq!(error.complaint().primary, "time zone \"Europe/Atlantis\" is not known");
}

/// Fields that exist together on some date, in Berlin's wall-clock time.
fn line() -> impl Strategy<Value = String> {
    let minute = prop_oneof!["[1-5]?[0-9]", Just("*".into()), Just("*/7".into()), Just("0,30".into())];
    let hour = prop_oneof!["1?[0-9]", Just("*".into()), Just("*/5".into()), Just("1-3".into())];
    let day = prop_oneof!["[1-9]", Just("*".into()), Just("L".into())];
    let weekday = prop_oneof!["[0-6]", Just("*".into()), Just("mon-fri".into())];
    (minute, hour, day, weekday).prop_map(|(m, h, d, w)| format!("{m} {h} {d} * {w}"))
}

proptest! {
    #[test]
    fn firings_increase_strictly_and_match_their_line(line in line(), start in 0_i64..2_000_000_000) {
        let schedule = schedule(&line, "Europe/Berlin");
        let mut last = Timestamp::from_second(start).unwrap();
        for next in schedule.next_fires(last, 20) {
            prop_assert!(next > last, "{} after {} for {}", next, last, line);
            let local = next.to_zoned(schedule.zone.clone());
            // The one firing off its line is the one carried over a gap: clocks change at that instant.
            let second = jiff::SignedDuration::from_secs(1);
            let change = schedule.zone.preceding(next + second).next();
            let after_gap = change.is_some_and(|change| change.timestamp() == next);
            prop_assert!(schedule.cron.is_time_matching(&local).unwrap() || after_gap, "{} for {}", local, line);
            last = next;
        }
    }

    #[test]
    fn no_line_panics(line in "[ -~]{0,30}|[*0-9@/,#LW -]{0,20}") {
        let _ = Schedule::parse(&line, "UTC");
    }
}
