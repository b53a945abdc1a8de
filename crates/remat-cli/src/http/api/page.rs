//! Lists in parts.
//!
//! Law: a part ends after `limit` things and says where the next begins; what is added meanwhile is neither shown twice
//! nor does it push anything out of sight.

use crate::http::Problem;

const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;

/// How many are wanted.
pub(super) fn limit(wanted: Option<i64>) -> Result<usize, Problem> {
    let limit = wanted.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request("the limit cannot be used")
            .with_detail(format!("It is a number from 1 to {LIMIT_MAX}.")));
    }
    Ok(usize::try_from(limit).unwrap_or(1))
}

/// One more than wanted tells whether there are more.
pub(super) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(LIMIT_MAX) + 1
}

/// Cuts a list to its limit, and gives the last that stays if there are more.
pub(super) fn cut<T>(list: &mut Vec<T>, limit: usize) -> Option<&T> {
    let more = list.len() > limit;
    list.truncate(limit);
    list.last().filter(|_| more)
}
