//! What became of the cases.

use std::{collections::BTreeMap, fmt};

use crate::stage::Ending;

#[derive(Default)]
pub(crate) struct Tally {
    maintained: usize,
    refreshes: usize,
    writing: usize,
    techniques: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Tally {
    pub(crate) fn count(&mut self, ending: &Result<Ending, String>) {
        match ending {
            Ok(Ending::Maintained { techniques, refreshes, writing }) => {
                self.maintained += 1;
                self.refreshes += refreshes;
                self.writing += writing;
                let told: Vec<_> = techniques.iter().map(ToString::to_string).collect();
                *self.techniques.entry(told.join(", ")).or_default() += 1;
            }
            Ok(Ending::Refused(rejection)) => {
                let told = format!("{} {}: {}", rejection.code, rejection.construct, rejection.reason);
                *self.refused.entry(told).or_default() += 1;
            }
            Err(_) => {}
        }
    }

    /// A case that meets a known fault.
    pub(crate) fn leave_out(&mut self, fault: &str) {
        *self.refused.entry(format!("(left out) {fault}")).or_default() += 1;
    }

    pub(crate) fn fail(&mut self, seed: u64, told: &str) {
        let told = format!("seed {seed}:\n{told}");
        // It may be long until all cases are over.
        eprintln!("{told}\n");
        self.failures.push(told);
    }

    pub(crate) fn failed(&self) -> usize {
        self.failures.len()
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.maintained += other.maintained;
        self.refreshes += other.refreshes;
        self.writing += other.writing;
        for (name, count) in other.techniques {
            *self.techniques.entry(name).or_default() += count;
        }
        for (name, count) in other.refused {
            *self.refused.entry(name).or_default() += count;
        }
        self.failures.extend(other.failures);
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        writeln!(
            f,
            "{} maintained in {} refreshes of which {} wrote, {refused} refused, {} failed",
            self.maintained,
            self.refreshes,
            self.writing,
            self.failures.len()
        )?;
        for (name, count) in self.techniques.iter().chain(&self.refused) {
            writeln!(f, "{count:6} {name}")?;
        }
        Ok(())
    }
}
