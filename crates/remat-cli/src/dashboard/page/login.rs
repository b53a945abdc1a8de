//! The login: a token, and nothing that a stranger could learn.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Response, Uri},
};
use maud::html;

use crate::{
    dashboard::{icon, layout},
    http::{Web, local_path},
};

/// `GET /login`, for strangers.
pub(crate) async fn show(State(web): State<Web>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let pairs = crate::dashboard::ask::pairs(&uri);
    let next = local_path(pairs.get("next").map_or("/", String::as_str)).to_owned();
    let said = pairs.get("failed").map(|why| match why.as_str() {
        "often" => "Too many tries. Wait a minute.",
        _ => "This token does not count, or counts no more.",
    });
    let body = html! {
        main.login id="main" {
            div.brand { (icon::brand()) span { "remat" } }
            section.card aria-labelledby="title" {
                div.body {
                    form.stack method="post" action=(web.link("/login")) {
                        h1 id="title" { "Log in" }
                        @if let Some(said) = said { p.notice.t-bad role="alert" { (icon::of(icon::Icon::Failed)) (said) } }
                        input type="hidden" name="next" value=(next);
                        div.field {
                            label for="token" { "Token" }
                            input id="token" type="password" name="token" required autofocus autocomplete="current-password" placeholder="remat_…";
                        }
                        button.btn-main type="submit" { "Log in" }
                        p.hint { code { "remat token create" } " makes one." }
                    }
                }
            }
        }
    };
    layout::bare(&web, &headers, "Log in", &body)
}
