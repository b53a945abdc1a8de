//! Writing a definition: the plan of it, and the deed.

use std::time::Duration;

use axum::{body::Body, http::Response};
use remat::{
    apply::ProjectPlan,
    error::{Error, ErrorKind},
    name::{Identifier, RelationName},
    view::Definition,
};

use super::{Typed, back, typed};
use crate::{
    dashboard::{
        ask::{Ask, Page},
        page::edit::{self, Fields, Planned},
        part,
    },
    values,
};

/// How long the answer waits for the deed; it goes on without anybody waiting.
const PATIENCE: Duration = Duration::from_secs(3);

/// `POST /views/plan`: what would follow.
pub(in crate::dashboard) async fn plan(ask: Ask, form: Typed) -> Response<Body> {
    let fields = fields(&form);
    let planned = async {
        let definition = definition(&ask, &fields).await?;
        let plan = ask.remat().plan_view(&definition).await?;
        let whole =
            ProjectPlan { views: plan.clone(), jobs: Vec::new(), queues: Vec::new(), alerts: Vec::new() };
        let sql = ask.remat().plan_sql(&whole).await?.into_iter().flat_map(|(_, statements)| statements);
        let dependents = match ask.remat().view(&definition.name).await {
            Ok(view) => ask.remat().dependents(&view).await?,
            Err(_) => Vec::new(),
        };
        let project = ask.remat().project_of(&definition.name).await?;
        let planned = Planned { plan, sql: sql.collect(), project, dependents };
        Ok::<Page, Error>(edit::planned(&ask, &fields, &planned))
    };
    let page = planned.await.unwrap_or_else(|error| edit::refused(&ask, &fields, &error));
    ask.answer(Ok(page))
}

/// `POST /views/form`: back to the form with what was typed.
pub(in crate::dashboard) async fn form(ask: Ask, form: Typed) -> Response<Body> {
    let fields = fields(&form);
    let body = edit::form(&ask, &fields, None);
    ask.answer(Ok(Page {
        title: "Definition".into(),
        place: "/views",
        body,
        same: crate::dashboard::ask::Same::default(),
    }))
}

/// `POST /views/apply`: the deed. What takes longer than the answer may wait is seen on the page of the view.
pub(in crate::dashboard) async fn apply(ask: Ask, form: Typed) -> Response<Body> {
    let fields = fields(&form);
    match applied(&ask, &fields, typed(&form, "sure").is_some()).await {
        Ok(name) => {
            ask.forget().await;
            back(&ask, &part::view_path(&name), "saved")
        }
        Err(error) => ask.answer(Ok(edit::refused(&ask, &fields, &error))),
    }
}

async fn applied(ask: &Ask, fields: &Fields, is_sure: bool) -> Result<RelationName, Error> {
    let definition = definition(ask, fields).await?;
    let name = definition.name.clone();
    ask.record("view.define", &name, None).await?;
    let remat = ask.remat().clone();
    // Whoever closes the browser meanwhile does not break it off.
    let deed = tokio::spawn(async move {
        let plan = remat.plan_view(&definition).await?;
        remat.apply_view(&plan, is_sure).await
    });
    match tokio::time::timeout(PATIENCE, deed).await {
        Ok(Ok(done)) => {
            for run in done?.into_iter().filter_map(|applied| applied.run) {
                run.check()?;
            }
        }
        Ok(Err(_)) => return Err(Error::new(ErrorKind::Database, "the work broke off")),
        Err(_) => {}
    }
    Ok(name)
}

fn fields(form: &Typed) -> Fields {
    let word = |name: &str| typed(form, name).unwrap_or_default().to_owned();
    Fields {
        schema: word("schema"),
        name: word("name"),
        query: word("query"),
        strategy: word("strategy"),
        key: word("key"),
        schedule: word("schedule"),
        zone: word("zone"),
        target: word("target"),
        row_count: word("row_count"),
        tags: word("tags"),
        owner: word("owner"),
        description: word("description"),
        is_new: !word("new").is_empty(),
    }
}

/// What was typed as a definition. What the form does not show stays as it is.
async fn definition(ask: &Ask, fields: &Fields) -> Result<Definition, Error> {
    let name = RelationName::new(fields.schema.as_str(), fields.name.as_str())?;
    if !ask.sees(Some(&name)) {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("schema \"{}\" is not yours to define views in", name.schema),
        ));
    }
    let before = ask.remat().view(&name).await.ok();
    if let (true, Some(_)) = (fields.is_new, &before) {
        return Err(Error::new(ErrorKind::Conflict, format!("view \"{name}\" is defined already"))
            .with_hint("Edit it on its page."));
    }
    let base = before.map_or_else(|| Definition::new(name, ""), |view| view.definition);
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let words = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let target = match fields.target.as_str() {
        "" => None,
        typed => Some(
            values::duration(typed)
                .map_err(|what| Error::new(ErrorKind::InvalidDefinition, format!("target: {what}")))?
                .as_secs(),
        ),
    };
    Ok(Definition {
        query: fields.query.clone(),
        strategy: fields.strategy.parse()?,
        key: words(&fields.key).into_iter().map(Identifier::new).collect::<Result<_, _>>()?,
        schedule: some(&fields.schedule),
        schedule_zone: some(&fields.zone).unwrap_or_else(|| "UTC".into()),
        target_lag_s: target,
        row_count: fields.row_count.parse()?,
        tags: words(&fields.tags),
        owner: some(&fields.owner).map(Identifier::new).transpose()?,
        description: some(&fields.description),
        ..base
    })
}
