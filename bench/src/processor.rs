//! How much of the processors this program and the server used, as Linux tells it.
//!
//! Law: where `/proc` does not tell, the figure is missing, never wrong.

use tokio_postgres::Client;

/// Ticks of `/proc/PID/stat` in a second; Linux has had this number for programs since ever.
const TICKS: f64 = 100.0;

/// Seconds of processor time until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) client: f64,
    pub(crate) server: f64,
}

/// What this process (its ended children included) and all processes of the server have used.
pub(crate) async fn used(sql: &Client) -> Option<Used> {
    let backend: i32 = sql.query_one("select pg_backend_pid()", &[]).await.ok()?.get(0);
    let postmaster = Stat::of(&backend.to_string())?.parent;
    let own = Stat::of("self")?;
    let children = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let stat = Stat::of(entry.file_name().to_str()?)?;
        (stat.parent == postmaster).then_some(stat.ticks)
    });
    let ended = Stat::of(&postmaster.to_string())?;
    let server = ended.ticks + ended.ticks_of_ended_children + children.sum::<f64>();
    Some(Used { client: (own.ticks + own.ticks_of_ended_children) / TICKS, server: server / TICKS })
}

struct Stat {
    parent: i32,
    ticks: f64,
    ticks_of_ended_children: f64,
}

impl Stat {
    fn of(process: &str) -> Option<Self> {
        if process != "self" && !process.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Self::parse(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// The name in parentheses may hold anything, so fields count from the last of these.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |first: usize| {
            let two = fields.get(first..first + 2)?;
            Some(two[0].parse::<f64>().ok()? + two[1].parse::<f64>().ok()?)
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: ticks(11)?,
            ticks_of_ended_children: ticks(13)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_has_a_parenthesis_is_read() {
        let stat = Stat::parse("7 (a) b) S 3 7 7 0 -1 0 1 2 3 4 50 6 70 8 20 0 1 0 9").unwrap();
        assert_eq!(stat.parent, 3);
        assert!((stat.ticks - 56.0).abs() < f64::EPSILON);
        assert!((stat.ticks_of_ended_children - 78.0).abs() < f64::EPSILON);
    }
}
