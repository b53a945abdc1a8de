//! The skyflow example as this binary carries it.
//!
//! Law: the texts are those of `examples/skyflow`, file for file; a test compares the lists with the folder.

use remat::{
    error::Error,
    project::{Project, ViewFile, parse_settings, parse_view},
};

/// Files of the example by their paths within it, and their texts.
macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../examples/skyflow/", $path)))),+]
    };
}

const SETTINGS: &str = include_str!("../../../../examples/skyflow/remat.toml");

/// The application's tables and functions, in the order in which they load.
pub(super) const SCRIPTS: &[(&str, &str)] = files![
    "schema/001_core.sql",
    "schema/002_gamification.sql",
    "schema/003_timeline.sql",
    "schema/004_audience.sql",
    "seed/001_documents.sql",
    "seed/002_load.sql",
    "seed/003_churn.sql",
];

const VIEWS: &[(&str, &str)] = files![
    "views/analysis_correlations.sql",
    "views/analysis_type_stats.sql",
    "views/daily_analysis_trends.sql",
    "views/landing_hero_stats.sql",
    "views/leaderboard_global.sql",
    "views/leaderboard_weekly.sql",
    "views/recent_activity.sql",
    "views/top_active_users.sql",
    "views/user_analysis_summary.sql",
];

/// The project, read as a folder would be.
pub(super) fn project() -> Result<Project, Error> {
    let settings = parse_settings(SETTINGS)?;
    let view = |(path, text): &(&str, &str)| {
        let definition = parse_view(path, text, &settings.defaults)?;
        Ok(ViewFile { path: (*path).to_owned(), definition })
    };
    let views = VIEWS.iter().map(view).collect::<Result<_, Error>>()?;
    Ok(Project { settings, views })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn in_folder(folder: &str) -> Vec<String> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow").join(folder);
        let entries = std::fs::read_dir(dir).unwrap();
        let mut paths: Vec<String> = entries
            .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()))
            .collect();
        paths.sort();
        paths
    }

    fn carried(files: &[(&str, &str)]) -> Vec<String> {
        files.iter().map(|(path, _)| (*path).to_owned()).collect()
    }

    #[test]
    fn the_binary_carries_every_file_of_the_example() {
        assert_eq!(carried(SCRIPTS), [in_folder("schema"), in_folder("seed")].concat());
        assert_eq!(carried(VIEWS), in_folder("views"));
    }

    #[test]
    fn the_carried_project_is_that_of_the_folder() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow");
        assert_eq!(project().unwrap(), remat::project::read(&dir).unwrap());
    }
}
