//! What is due, against a count of every time by hand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(line: &str) -> Schedule {
    Schedule::parse(line, "UTC").unwrap()
}

fn policy(misfire: Misfire) -> Dispatch {
    Dispatch { misfire, ..Dispatch::default() }
}

fn look(line: &str, last: &str, now: &str, dispatch: &Dispatch) -> Due {
    due(&cron(line), at(last), at(now), dispatch, GRACE, 7)
}

fn fired(due: &Due) -> Vec<String> {
    due.fire.iter().map(|fire| fire.at.strftime("%d %H:%M").to_string()).collect()
}

#[test]
fn a_time_within_the_grace_fires_at_once_under_every_policy() {
    for misfire in Misfire::ALL {
        let due = look("@hourly", "2026-01-01T04:00:00Z", "2026-01-01T05:01:00Z", &policy(*misfire));
        let fire = Fire { at: at("2026-01-01T05:00:00Z"), delay: Duration::ZERO, missed: 0 };
        assert_eq!((due.fire, due.skipped), (vec![fire], None));
    }
}

#[test]
fn nothing_is_due_twice_nor_before_its_time() {
    for (last, now) in [
        ("2026-01-01T05:00:00Z", "2026-01-01T05:00:00Z"),
        ("2026-01-01T05:00:00Z", "2026-01-01T05:00:30Z"),
        ("2026-01-01T05:00:00Z", "2026-01-01T05:59:59.999Z"),
        ("2026-01-01T05:00:00Z", "2026-01-01T04:00:00Z"),
    ] {
        assert_eq!(look("@hourly", last, now, &policy(Misfire::All)), Due::default(), "{last} {now}");
    }
}

#[test]
fn skip_tells_what_was_missed_and_fires_nothing_late() {
    let due = look("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00Z", &policy(Misfire::Skip));
    let skipped = Skipped { at: at("2026-01-01T05:00:00Z"), missed: 4, reason: "missed" };
    assert_eq!((due.fire.len(), due.skipped), (0, Some(skipped)));
}

#[test]
fn once_fires_the_newest_for_all() {
    let due = look("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00Z", &policy(Misfire::Once));
    assert_eq!((fired(&due), due.fire[0].missed, due.skipped), (vec!["01 05:00".into()], 4, None));
    assert!(due.fire[0].delay <= Duration::from_secs(30));
}

#[test]
fn once_lets_a_time_that_is_in_time_answer_for_the_missed() {
    let due = look("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T05:00:10Z", &policy(Misfire::Once));
    assert_eq!((fired(&due), due.fire[0].missed, due.skipped), (vec!["01 05:00".into()], 4, None));
    assert_eq!(due.fire[0].delay, Duration::ZERO);
}

#[test]
fn all_fires_each_within_the_window() {
    let short = Dispatch { catch_up_s: 2 * 60 * 60, ..policy(Misfire::All) };
    let due = look("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00Z", &short);
    assert_eq!(fired(&due), ["01 04:00", "01 05:00"]);
    let skipped = Skipped { at: at("2026-01-01T03:00:00Z"), missed: 2, reason: "missed" };
    assert_eq!(due.skipped, Some(skipped));
    assert_eq!(due.newest(), Some(at("2026-01-01T05:00:00Z")));
}

#[test]
fn a_time_beyond_the_window_is_skipped() {
    for misfire in Misfire::ALL {
        let due = look(
            "@daily",
            "2026-01-01T00:00:00Z",
            "2026-01-03T12:00:00Z",
            &Dispatch { catch_up_s: 60 * 60, ..policy(*misfire) },
        );
        let skipped = Skipped { at: at("2026-01-03T00:00:00Z"), missed: 1, reason: "missed" };
        assert_eq!((due.fire.len(), due.skipped), (0, Some(skipped)), "{misfire}");
    }
}

#[test]
fn a_window_shorter_than_the_grace_does_not_cut_it() {
    let none = Dispatch { catch_up_s: -5, ..policy(Misfire::Once) };
    let due = look("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:03:50Z", &none);
    assert_eq!(fired(&due), ["01 00:03"]);
    assert_eq!((due.fire[0].missed, due.skipped.map(|skipped| skipped.missed)), (0, Some(1)));
}

#[test]
fn of_a_week_of_seconds_the_newest_thousand_fire_and_the_rest_is_a_number() {
    let week = Dispatch { catch_up_s: 7 * 24 * 60 * 60, ..policy(Misfire::All) };
    for line in ["* * * * * *", "* * * * *"] {
        let due = look(line, "2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z", &week);
        assert_eq!(due.newest(), Some(at("2026-01-08T00:00:00Z")));
        assert_eq!(due.skipped.map(|skipped| skipped.missed), Some(999));
        let late = due.fire.iter().filter(|fire| fire.delay > Duration::ZERO).count();
        assert!((990..=1000).contains(&late), "{late}");
    }
    let once = look("* * * * * *", "2026-01-01T00:00:00Z", "2026-01-08T00:02:00.5Z", &policy(Misfire::Once));
    assert_eq!((once.fire.len(), once.fire[0].missed), (60, 1000));
}

#[test]
fn looking_back_costs_two_questions_for_each_time_that_is_even() {
    for (line, most) in [("* * * * * *", 2), ("* * * * *", 3), ("@daily", 3), ("0 0 1 * *", 60)] {
        let (schedule, asked) = (cron(line), std::cell::Cell::new(0));
        let next = |after: i64| {
            asked.set(asked.get() + 1);
            schedule.next_after(instant(after)).map_or(i64::MAX, Timestamp::as_second)
        };
        let now = at("2026-01-01T00:00:00Z").as_second();
        let found = newest(&next, now, now - 100 * 365 * 24 * 60 * 60);
        assert_eq!(found.len(), LIMIT);
        assert!(asked.get() <= most * LIMIT, "{line}: {}", asked.get());
    }
}

#[test]
fn late_times_are_spread_over_the_jitter() {
    let due = |seed| {
        let (last, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T05:30:00Z"));
        due(&cron("@hourly"), last, now, &policy(Misfire::Once), GRACE, seed).fire[0].delay.as_secs()
    };
    let delays: BTreeSet<u64> = (0..500).map(due).collect();
    assert!(delays.len() >= 30 && delays.last() <= Some(&30), "{delays:?}");
    let still = Dispatch { jitter_s: 0, ..Dispatch::default() };
    let due = look("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00Z", &still);
    assert_eq!(due.fire[0].delay, Duration::ZERO);
}

#[test]
fn a_target_is_met_by_asking_early_and_not_too_often() {
    let (as_of, minute) = (at("2026-01-01T00:00:00Z"), Duration::from_mins(1));
    let after = |target: Duration, usual: Duration| {
        u64::try_from(lag_due(Some(as_of), target, usual).duration_since(as_of).as_secs()).unwrap()
    };
    assert_eq!(after(60 * minute, minute), 60 * 60 - 120 - 30);
    assert_eq!(after(10 * minute, 4 * minute), 300, "half the target at the least");
    assert_eq!(after(10 * minute, Duration::MAX), 300);
    assert_eq!(lag_due(None, minute, minute), Timestamp::UNIX_EPOCH);
    assert_eq!(lag_due(Some(as_of), Duration::MAX, minute), Timestamp::MAX);
}

/// Lines with even times, bursts and long gaps.
fn line() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "* * * * *",
        "*/7 * * * *",
        "0,1,2,30 * * * *",
        "*/20 * 3 * * *",
        "30 6 * * *",
        "5 4 * * 1",
        "0 0 1,28 * *",
    ])
}

fn dispatch() -> impl Strategy<Value = Dispatch> {
    let misfire = proptest::sample::select(Misfire::ALL);
    (misfire, 0..200_000_i64, 0..100_i64).prop_map(|(misfire, catch_up_s, jitter_s)| Dispatch {
        misfire,
        catch_up_s,
        jitter_s,
        ..Dispatch::default()
    })
}

/// Every time after one instant and up to another.
fn every(schedule: &Schedule, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    iter::successors(schedule.next_after(last), |at| schedule.next_after(*at))
        .take_while(|at| *at <= now)
        .collect()
}

const BEGIN: i64 = 1_767_225_600_000;

proptest! {
    #[test]
    fn every_time_is_in_time_late_or_missed(
        line in line(), dispatch in dispatch(), start in 0..5_000_000_i64, length in 0..1_000_000_000_i64,
        grace in 0..300_u64, seed: u64,
    ) {
        let schedule = cron(line);
        let last = Timestamp::from_millisecond(BEGIN + start).unwrap();
        // A skewed length: short ones are as interesting as long ones.
        let now = Timestamp::from_millisecond(BEGIN + start + length / (1 + start % 1000)).unwrap();
        let due = due(&schedule, last, now, &dispatch, Duration::from_secs(grace), seed);
        let all = every(&schedule, last, now);
        let age = |at: &Timestamp| now.duration_since(*at).as_millis();
        let is_in_time = |at: &Timestamp| age(at) <= i128::from(grace) * 1000;
        let is_late = |at: &Timestamp| !is_in_time(at) && age(at) <= i128::from(dispatch.catch_up_s) * 1000;
        let in_time: Vec<_> = all.iter().filter(|at| is_in_time(at)).copied().collect();
        let late: Vec<_> = all.iter().filter(|at| is_late(at)).copied().collect();
        let kept = late.len().min(LIMIT);
        let mut expected = match dispatch.misfire {
            Misfire::Once if in_time.is_empty() => late.last().copied().into_iter().collect(),
            Misfire::Once | Misfire::Skip => Vec::new(),
            Misfire::All => late[late.len() - kept..].to_vec(),
        };
        expected.extend(&in_time);
        prop_assert_eq!(due.fire.iter().map(|fire| fire.at).collect::<Vec<_>>(), expected);
        let answered: u32 = due.fire.iter().map(|fire| fire.missed).sum();
        let skipped = match dispatch.misfire {
            Misfire::Skip => all.len() - in_time.len(),
            Misfire::Once => all.len() - in_time.len() - late.len(),
            Misfire::All => all.len() - in_time.len() - kept,
        };
        prop_assert_eq!(due.skipped.map_or(0, |skipped| skipped.missed + 1), number(skipped.min(LIMIT)));
        if dispatch.misfire == Misfire::Once {
            prop_assert_eq!(answered, number(if in_time.is_empty() { kept.saturating_sub(1) } else { kept }));
        }
        prop_assert_eq!(due.newest(), all.last().copied());
        let most = Duration::from_secs(dispatch.jitter_s.cast_unsigned());
        prop_assert!(due.fire.iter().all(|fire| fire.delay <= most && (is_late(&fire.at) || fire.delay.is_zero())));
    }

    #[test]
    fn many_polls_in_time_fire_what_one_look_at_every_time_finds(
        line in line(), misfire in proptest::sample::select(Misfire::ALL), polls in proptest::collection::vec(1..60_000_i64, 1..200),
    ) {
        let (schedule, dispatch) = (cron(line), policy(misfire));
        let start = Timestamp::from_millisecond(BEGIN + 3 * 60 * 60 * 1000).unwrap();
        let (mut last, mut now, mut fired) = (start, start, Vec::new());
        for poll in polls {
            now = now.checked_add(SignedDuration::from_millis(poll)).unwrap();
            let due = due(&schedule, last, now, &dispatch, GRACE, 7);
            prop_assert_eq!(due.skipped, None);
            prop_assert!(due.fire.iter().all(|fire| fire.at > last && fire.at <= now && fire.missed == 0));
            fired.extend(due.fire.iter().map(|fire| fire.at));
            last = due.newest().unwrap_or(last);
        }
        prop_assert_eq!(fired, every(&schedule, start, now));
    }

    #[test]
    fn any_polls_deal_with_each_time_once(
        line in line(), dispatch in dispatch(), polls in proptest::collection::vec(1..5_000_000_i64, 1..40),
    ) {
        let schedule = cron(line);
        let start = Timestamp::from_millisecond(BEGIN).unwrap();
        let (mut last, mut now, mut dealt) = (start, start, 0);
        for poll in polls {
            now = now.checked_add(SignedDuration::from_millis(poll)).unwrap();
            let due = due(&schedule, last, now, &dispatch, GRACE, 7);
            dealt += due.fire.iter().map(|fire| 1 + fire.missed).sum::<u32>();
            dealt += due.skipped.map_or(0, |skipped| 1 + skipped.missed);
            last = due.newest().unwrap_or(last);
        }
        // No poll is so long that the numbers end at their limit.
        prop_assert_eq!(dealt, number(every(&schedule, start, now).len()));
    }
}
