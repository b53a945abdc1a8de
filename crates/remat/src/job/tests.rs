//! What callers write, what it means, and what is kept of it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{run::RowCount, view::Strategy as Way};

fn read(kind: JobKind, second: &Value) -> Result<Job, Error> {
    Job::from_arguments(kind, &[json!(1), second.clone()]).map(|(_, job)| job)
}

fn refusal(kind: JobKind, arguments: &[Value]) -> (String, String) {
    let complaint = Job::from_arguments(kind, arguments).unwrap_err().complaint().clone();
    (complaint.primary, complaint.detail.unwrap_or_default())
}

#[test]
fn a_view_is_an_id_or_a_name() {
    let view = |value: Value| Job::from_arguments(JobKind::Delete, &[value]).map(|(view, _)| view);
    assert_eq!(view(json!(42)).unwrap(), ViewRef::Id(42));
    assert_eq!(view(json!("42")).unwrap(), ViewRef::Name("42".into()));
    assert_eq!(view(json!("sales.\"Per Day\"")).unwrap(), ViewRef::Name("sales.\"Per Day\"".into()));
    for value in [json!(null), json!(1.5), json!(""), json!(true), json!([1]), json!(u64::MAX)] {
        assert_eq!(view(value).unwrap_err().complaint().primary, "argument \"view\" cannot be read");
    }
}

#[test]
fn absent_options_are_the_defaults() {
    for (kind, job) in [
        (JobKind::Create, Job::Create(CreateOptions::default())),
        (JobKind::Refresh, Job::Refresh(RefreshOptions::default())),
        (JobKind::Delete, Job::Delete(DeleteOptions::default())),
    ] {
        assert_eq!(Job::from_arguments(kind, &[json!("v")]).unwrap().1, job);
        assert_eq!(read(kind, &json!({})).unwrap(), job);
        assert_eq!(job.to_json(), json!({}));
    }
}

#[test]
fn force_and_cascade_are_truths_in_every_form() {
    let forced = Job::Create(CreateOptions { force: true, ..CreateOptions::default() });
    let cascaded = Job::Delete(DeleteOptions { cascade: true, ..DeleteOptions::default() });
    for truth in [json!(true), json!("true"), json!(":true")] {
        assert_eq!(read(JobKind::Create, &truth).unwrap(), forced);
        assert_eq!(read(JobKind::Create, &json!({ "force": truth })).unwrap(), forced);
        assert_eq!(read(JobKind::Delete, &truth).unwrap(), cascaded);
        assert_eq!(read(JobKind::Delete, &json!({ "cascade": truth })).unwrap(), cascaded);
    }
    for untruth in [json!(false), json!("false"), json!(null)] {
        assert_eq!(read(JobKind::Create, &untruth).unwrap(), Job::Create(CreateOptions::default()));
        assert_eq!(
            read(JobKind::Delete, &json!({ "cascade": untruth })).unwrap(),
            Job::Delete(DeleteOptions::default())
        );
    }
}

#[test]
fn rows_are_counted_as_the_argument_says() {
    for (argument, counted) in [
        (json!("estimated"), RowCount::Estimated),
        (json!(":estimated"), RowCount::Estimated),
        (json!("exact"), RowCount::Exact),
        (json!("none"), RowCount::None),
        (json!(null), RowCount::None),
    ] {
        let job = Job::Refresh(RefreshOptions { row_count: Some(counted), ..RefreshOptions::default() });
        assert_eq!(read(JobKind::Refresh, &argument).unwrap(), job);
        assert_eq!(read(JobKind::Refresh, &json!({ "row_count": argument })).unwrap(), job);
        assert_eq!(read(JobKind::Refresh, &json!({ "row_count_strategy": argument })).unwrap(), job);
    }
}

#[test]
fn a_refresh_takes_strategy_force_and_verify() {
    let job = read(JobKind::Refresh, &json!({"strategy": ":swap", "force": "true", "verify": true})).unwrap();
    let swap = RefreshOptions { strategy: Some(Way::Swap), row_count: None, force: true, verify: true };
    assert_eq!(job, Job::Refresh(swap));
    assert_eq!(job.to_json(), json!({"strategy": "swap", "force": true, "verify": true}));
}

#[test]
fn the_wrappings_of_active_job_are_looked_through() {
    let symbol = json!({"_aj_serialized": "ActiveJob::Serializers::SymbolSerializer", "value": "exact"});
    let exact =
        Job::Refresh(RefreshOptions { row_count: Some(RowCount::Exact), ..RefreshOptions::default() });
    assert_eq!(read(JobKind::Refresh, &symbol).unwrap(), exact);
    let hash = json!({"row_count_strategy": symbol, "_aj_symbol_keys": ["row_count_strategy"]});
    assert_eq!(read(JobKind::Refresh, &hash).unwrap(), exact);
    let keywords = json!({"force": true, "_aj_ruby2_keywords": ["force"]});
    assert_eq!(read(JobKind::Create, &keywords).unwrap().to_json(), json!({"force": true}));
}

#[test]
fn what_cannot_be_read_is_refused_by_its_name() {
    let one = json!(1);
    let refused = |kind, second: Value| refusal(kind, &[one.clone(), second]);
    assert_eq!(
        refused(JobKind::Create, json!("yes")),
        (
            "argument \"force\" cannot be read".into(),
            "It is true or false. An object with the key \"force\" is accepted, too.".into()
        )
    );
    assert_eq!(
        refused(JobKind::Delete, json!({"cascade": 1})),
        ("argument \"cascade\" cannot be read".into(), "It is true or false.".into())
    );
    assert_eq!(
        refused(JobKind::Delete, json!({"force": true})),
        ("argument \"force\" is not known".into(), "The arguments are cascade and if_exists.".into())
    );
    assert!(refused(JobKind::Refresh, json!("fast")).1.starts_with("It is \"estimated\", \"exact\""));
    assert!(refused(JobKind::Refresh, json!(true)).0.contains("row_count"));
    assert!(refused(JobKind::Refresh, json!({"strategy": "fast"})).1.contains("regular, concurrent"));
    let both = refused(JobKind::Refresh, json!({"row_count": "exact", "row_count_strategy": "exact"}));
    assert_eq!(both.0, "both row_count and row_count_strategy are given");
    assert_eq!(refusal(JobKind::Refresh, &[]).0, "a refresh job takes one or two arguments, not 0");
    assert!(Job::from_arguments(JobKind::Delete, &[json!(1), json!(true), json!(1)]).is_err());
}

#[test]
fn classes_of_job_systems_are_known_and_those_of_others_are_not() {
    assert_eq!(JobKind::parse_class("::MatViews::DeleteViewJob").unwrap(), JobKind::Delete);
    assert_eq!(JobKind::parse_class("create").unwrap(), JobKind::Create);
    for class in ["", "Refresh", "MatViews::Refresh", "Shop::RefreshViewJob", "RefreshViewJobs"] {
        assert!(JobKind::parse_class(class).is_err(), "{class}");
    }
}

#[test]
fn a_sql_run_is_no_job_and_foreign_keys_are_refused() {
    assert!(Job::from_json(Operation::Sql, &json!({})).is_err());
    assert!(Job::from_json(Operation::Delete, &json!({"force": true})).is_err());
    assert!(Job::from_json(Operation::Refresh, &json!([])).is_err());
}

fn job() -> impl Strategy<Value = Job> {
    let create = any::<[bool; 3]>().prop_map(|[force, no_data, if_not_exists]| {
        Job::Create(CreateOptions { force, no_data, if_not_exists })
    });
    let delete =
        any::<[bool; 2]>().prop_map(|[cascade, if_exists]| Job::Delete(DeleteOptions { cascade, if_exists }));
    let way = proptest::option::of(proptest::sample::select(Way::ALL));
    let count = proptest::option::of(proptest::sample::select(RowCount::ALL));
    let refresh = (way, count, any::<[bool; 2]>()).prop_map(|(strategy, row_count, [force, verify])| {
        Job::Refresh(RefreshOptions { strategy, row_count, force, verify })
    });
    prop_oneof![create, delete, refresh]
}

fn anything() -> impl Strategy<Value = Value> {
    let key = "force|cascade|row_count|row_count_strategy|strategy|if_exists|_aj_serialized|value|[a-z]{1,3}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "true|:false|exact|:estimated|swap|\\PC{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_kept_of_a_job_is_the_job(job in job()) {
        prop_assert_eq!(Job::from_json(job.operation(), &job.to_json()).unwrap(), job);
    }

    #[test]
    fn what_is_kept_of_a_job_is_also_an_argument(job in job()) {
        let kind = JobKind::parse_class(job.operation().as_str()).unwrap();
        prop_assert_eq!(read(kind, &job.to_json()).unwrap(), job);
    }

    #[test]
    fn equal_jobs_are_equal_texts(job in job()) {
        let again = Job::from_json(job.operation(), &job.to_json()).unwrap();
        prop_assert_eq!(job.to_json().to_string(), again.to_json().to_string());
    }

    #[test]
    fn no_argument_panics(arguments in proptest::collection::vec(anything(), 0..4)) {
        for kind in JobKind::ALL {
            let _ = Job::from_arguments(*kind, &arguments);
        }
    }
}
