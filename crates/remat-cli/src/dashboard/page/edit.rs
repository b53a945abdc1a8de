//! Writing a definition: a form, then the plan of what it would do, then the deed.

use axum::{extract::Path, response::IntoResponse};
use maud::{Markup, html};
use remat::{
    error::Error,
    plan::{DiffLine, Plan, Side, Step},
    run::RowCount,
    view::{Definition, Strategy},
};

use crate::dashboard::{
    ask::{Ask, Page, Same},
    icon::{self, Icon},
    part,
};

/// `GET /views/new`.
pub(in crate::dashboard) async fn new(ask: Ask) -> impl IntoResponse {
    let fields = Fields {
        strategy: Strategy::Auto.to_string(),
        row_count: RowCount::Estimated.to_string(),
        zone: "UTC".into(),
        schema: "public".into(),
        is_new: true,
        ..Fields::default()
    };
    ask.answer(Ok(page(&ask, "Define a view", form(&ask, &fields, None))))
}

/// `GET /views/{schema}/{name}/edit`.
pub(in crate::dashboard) async fn edit(
    ask: Ask,
    Path((schema, name)): Path<(String, String)>,
) -> impl IntoResponse {
    let page = async {
        let view = ask.view(schema, name).await?;
        let project = ask.remat().project_of(&view.definition.name).await?;
        let title = format!("Edit {}", view.definition.name);
        Ok::<_, Error>(page(&ask, &title, form(&ask, &Fields::of(&view.definition), project.as_deref())))
    };
    ask.answer(page.await)
}

/// What applying a definition would do.
pub(in crate::dashboard) struct Planned {
    /// At most one step.
    pub(in crate::dashboard) plan: Plan,
    /// The SQL of the step, for people to read.
    pub(in crate::dashboard) sql: Vec<String>,
    /// The project that defines the view, if one does.
    pub(in crate::dashboard) project: Option<String>,
    /// What reads the view.
    pub(in crate::dashboard) dependents: Vec<String>,
}

/// What stands in the form, as it was typed.
#[derive(Clone, Debug, Default)]
pub(in crate::dashboard) struct Fields {
    pub(in crate::dashboard) schema: String,
    pub(in crate::dashboard) name: String,
    pub(in crate::dashboard) query: String,
    pub(in crate::dashboard) strategy: String,
    pub(in crate::dashboard) key: String,
    pub(in crate::dashboard) schedule: String,
    pub(in crate::dashboard) zone: String,
    pub(in crate::dashboard) target: String,
    pub(in crate::dashboard) row_count: String,
    pub(in crate::dashboard) tags: String,
    pub(in crate::dashboard) owner: String,
    pub(in crate::dashboard) description: String,
    pub(in crate::dashboard) is_new: bool,
}

impl Fields {
    fn of(definition: &Definition) -> Self {
        let key: Vec<&str> = definition.key.iter().map(remat::name::Identifier::as_str).collect();
        Self {
            schema: definition.name.schema.as_str().to_owned(),
            name: definition.name.name.as_str().to_owned(),
            query: definition.query.clone(),
            strategy: definition.strategy.to_string(),
            key: key.join(", "),
            schedule: definition.schedule.clone().unwrap_or_default(),
            zone: definition.schedule_zone.clone(),
            target: definition.target_lag_s.map(|seconds| format!("{seconds} s")).unwrap_or_default(),
            row_count: definition.row_count.to_string(),
            tags: definition.tags.join(", "),
            owner: definition.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
            description: definition.description.clone().unwrap_or_default(),
            is_new: false,
        }
    }

    /// Names and values, to be sent again with the deed.
    fn pairs(&self) -> [(&'static str, &str); 13] {
        [
            ("schema", &self.schema),
            ("name", &self.name),
            ("query", &self.query),
            ("strategy", &self.strategy),
            ("key", &self.key),
            ("schedule", &self.schedule),
            ("zone", &self.zone),
            ("target", &self.target),
            ("row_count", &self.row_count),
            ("tags", &self.tags),
            ("owner", &self.owner),
            ("description", &self.description),
            ("new", if self.is_new { "yes" } else { "" }),
        ]
    }
}

fn page(_ask: &Ask, title: &str, body: Markup) -> Page {
    let same = Same::new("remat plan · remat apply", "PUT /api/v1/views/{view}?dry_run=true");
    Page { title: title.to_owned(), place: "/views", body, same }
}

/// The form, with what stands in it.
pub(in crate::dashboard) fn form(ask: &Ask, fields: &Fields, project: Option<&str>) -> Markup {
    let title = if fields.is_new {
        "Define a view".to_owned()
    } else {
        format!("Edit {}.{}", fields.schema, fields.name)
    };
    html! {
        header.head { div {
            nav aria-label="Breadcrumb" { ol.crumbs { li { a href=(ask.link("/views")) { "Views" } } li { (if fields.is_new { "new" } else { "edit" }) } } }
            h1 { (part::short(&title, 140)) }
            p.soft { "What follows from it is shown before anything is changed." }
        } }
        @if let Some(project) = project {
            div.callout.t-warn { (icon::of(Icon::Stale)) div.says {
                b { "The project “" (part::short(project, 60)) "” defines this view" }
                span { "Whoever applies that project again brings back what its file says: change the file, too." }
            } }
        }
        form.stack method="post" action=(ask.link("/views/plan")) {
            section.card aria-label="Definition" { div.body.stack {
                @if fields.is_new {
                    input type="hidden" name="new" value="yes";
                    div.fields { (text("schema", "Schema", &fields.schema, "", true)) (text("name", "Name", &fields.name, "", true)) }
                } @else {
                    input type="hidden" name="schema" value=(fields.schema);
                    input type="hidden" name="name" value=(fields.name);
                }
                div.field {
                    label for="query" { "Query" }
                    textarea id="query" name="query" rows="14" spellcheck="false" autocapitalize="off" required { "\n" (fields.query) }
                    span.hint { "Exactly one SELECT. It runs as the owner of the view." }
                }
                div.fields {
                    (choice("strategy", "Strategy", &fields.strategy, &Strategy::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>()))
                    (text("key", "Key", &fields.key, "columns that tell rows apart", false))
                    (text("target", "Target", &fields.target, "10 min", false))
                    (text("schedule", "Schedule", &fields.schedule, "0 6 * * mon-fri", false))
                    (text("zone", "Zone of the schedule", &fields.zone, "UTC", false))
                    (choice("row_count", "Rows are counted", &fields.row_count, &RowCount::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>()))
                    (text("tags", "Tags", &fields.tags, "finance, dashboard", false))
                    (text("owner", "Owner", &fields.owner, "role", false))
                }
                (text("description", "Description", &fields.description, "for people", false))
            } }
            div.acts {
                button.btn-main type="submit" { "Show what follows" }
                a.btn.btn-quiet href=(ask.link("/views")) { "Leave it" }
            }
        }
    }
}

fn text(name: &str, label: &str, value: &str, hint: &str, required: bool) -> Markup {
    html! { div.field { label for=(name) { (label) } input id=(name) name=(name) value=(value) placeholder=(hint) required[required] autocomplete="off" spellcheck="false"; } }
}

fn choice(name: &str, label: &str, value: &str, words: &[&str]) -> Markup {
    html! { div.field { label for=(name) { (label) } select id=(name) name=(name) { @for word in words { option value=(word) selected[*word == value] { (word) } } } } }
}

/// What would follow, and the button that does it.
pub(in crate::dashboard) fn planned(ask: &Ask, fields: &Fields, planned: &Planned) -> Page {
    let step = planned.plan.steps.first();
    let body = html! {
        header.head { div {
            nav aria-label="Breadcrumb" { ol.crumbs { li { a href=(ask.link("/views")) { "Views" } } li { "plan" } } }
            h1 { @match step { Some(step) => { (part::short(&step.summary(), 200)) } None => { "Nothing would change" } } }
            p.soft { "Nothing is changed yet." }
        } }
        @if let Some(step) = step { (told(step, planned)) }
        div.row {
            @if let Some(step) = step {
                form.row method="post" action=(ask.link("/views/apply")) {
                    @for (name, value) in fields.pairs() { input type="hidden" name=(name) value=(value); }
                    @if step.is_destructive() { label.check { input type="checkbox" name="sure" value="yes" required; "It is meant" } }
                    button.btn-main type="submit" { "Do it" }
                }
            }
            form method="post" action=(ask.link("/views/form")) {
                @for (name, value) in fields.pairs() { input type="hidden" name=(name) value=(value); }
                button type="submit" { "Back to the form" }
            }
        }
    };
    page(ask, "Plan", body)
}

fn told(step: &Step, planned: &Planned) -> Markup {
    let changes = step.changes();
    let diff = step.query_diff();
    let nothing = || part::nothing();
    html! {
        @if let Some(loss) = step.loss() {
            div.callout.t-bad { (icon::of(Icon::Failed)) div.says { b { "This loses something" } span { (part::prose(&loss)) } } }
        }
        @if let Some(project) = &planned.project {
            div.callout.t-warn { (icon::of(Icon::Stale)) div.says { span { "The project “" (part::short(project, 60)) "” defines this view, and brings back what its file says when it is applied again." } } }
        }
        @if !changes.is_empty() {
            (part::card("changes", "What changes", &html! {}, &html! { dl.kv { @for change in &changes {
                @if change.what != "query" {
                    dt { (part::short(&change.what, 60)) }
                    dd { @match &change.from { Some(from) => { (part::short(from, 200)) } None => { (nothing()) } } " → " @match &change.to { Some(to) => { b { (part::short(to, 200)) } } None => { (nothing()) } } }
                }
            } } }))
        }
        @if step.alteration().is_some() && !diff.is_empty() { (part::card("query", "The query", &html! {}, &html! { (lines(&diff)) })) }
        @if !planned.dependents.is_empty() {
            (part::card("dependents", "What reads it", &html! { (planned.dependents.len()) }, &html! {
                p.small.soft { "These stay; what is rebuilt keeps what reads it, or refuses." }
                ul { @for dependent in &planned.dependents { li.small { (part::short(dependent, 160)) } } }
            }))
        }
        (part::card("sql", "The SQL of it", &html! {}, &html! { pre { code { (part::lines(&planned.sql.join("\n"))) } } }))
    }
}

fn lines(diff: &[DiffLine]) -> Markup {
    html! {
        pre.diff { @for line in diff {
            @let (class, mark) = match line.side { Side::Old => (Some("del"), "-"), Side::New => (Some("add"), "+"), Side::Both => (None, " ") };
            span class=[class] { (mark) " " (part::lines(&line.text)) }
        } }
    }
}

/// A page that says what is wrong with what was typed, above the form that keeps it.
pub(in crate::dashboard) fn refused(ask: &Ask, fields: &Fields, error: &Error) -> Page {
    let complaint = error.complaint();
    let body = html! {
        div.callout.t-bad role="alert" { (icon::of(Icon::Failed)) div.says {
            b { (part::lines(&complaint.primary)) }
            @if let Some(detail) = &complaint.detail { span { (part::prose(detail)) } }
            @if let Some(hint) = &complaint.hint { span.soft { (part::prose(hint)) } }
        } }
        (form(ask, fields, None))
    };
    page(ask, "Not yet", body)
}
