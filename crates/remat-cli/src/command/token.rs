//! `remat token`: `list` gives `{"tokens":[…]}`, `create` `{"token":{…},"secret":"…"}`, `revoke` `{"token":{…}}`.

use jiff::SignedDuration;
use remat::{
    access::{Act, NewToken, Role, Token},
    error::Error,
};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, Tone, toned, word},
        text,
    },
    values::{self, one_of},
};

/// Give, show and take access to the pages and the HTTP interface.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    act: TokenAct,
}

#[derive(clap::Subcommand, Debug)]
enum TokenAct {
    /// Make a token and print its secret, which is not shown again.
    Create(CreateArgs),
    /// List tokens, the newest first.
    List,
    /// Take a token back, at once; whoever is logged in with it is out.
    Revoke(RevokeArgs),
}

#[derive(clap::Args, Debug)]
struct CreateArgs {
    /// Its name: letters, digits, dots, underscores, @ and hyphens; never one that was given before.
    name: String,
    /// What it may do.
    ///
    /// A viewer reads. An operator also refreshes, cancels, pauses and runs jobs. An editor also writes definitions, which
    /// is to run SQL as the owner of a view. An admin also gives and takes access.
    #[arg(long, value_parser = one_of(Role::ALL, Role::as_str))]
    role: Role,
    /// When it ends by itself, such as 90d; never when this is not given.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    expires: Option<SignedDuration>,
    /// It sees the views of this schema only; repeat it for more.
    #[arg(long, value_name = "SCHEMA")]
    schema: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct RevokeArgs {
    /// Its name.
    name: String,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    match &args.act {
        TokenAct::Create(args) => create(app, args).await,
        TokenAct::List => list(app).await,
        TokenAct::Revoke(args) => revoke(app, &args.name).await,
    }
}

async fn create(app: &App, args: &CreateArgs) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let wanted = NewToken {
        name: args.name.clone(),
        role: args.role,
        schemas: args.schema.clone(),
        lasts: args.expires.map(SignedDuration::unsigned_abs),
    };
    let (token, secret) = remat.create_token(&wanted, &Act::default()).await?;
    // The secret is the answer: not even --quiet keeps it back.
    app.out.show(&json!({ "token": token, "secret": secret.reveal() }), || secret.reveal().to_owned());
    Ok(Exit::Success)
}

async fn list(app: &App) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let tokens = remat.tokens().await?;
    app.out.show(&json!({ "tokens": tokens }), || table(&app.out, &tokens));
    Ok(Exit::Success)
}

async fn revoke(app: &App, name: &str) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let token = remat.revoke_token(name, &Act::default()).await?;
    app.out.report(&json!({ "token": token }), || format!("token {name} is revoked"));
    Ok(Exit::Success)
}

fn table(out: &Output, tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "no token was made; `remat token create NAME --role viewer` makes one".into();
    }
    let titles = ["token", "state", "role", "schemas", "made by", "made", "expires", "last used"];
    let mut table = Table::new(out, &titles);
    for token in tokens {
        let tone = if token.state == "active" { Tone::Good } else { Tone::Neutral };
        table.row([
            word(&token.name),
            toned(&token.state, tone),
            word(token.role.as_str()),
            word(token.schemas.as_ref().map_or_else(|| "all".into(), |schemas| schemas.join(", "))),
            word(&token.created_by),
            word(text::time(token.created_at)),
            word(text::or_nothing(token.expires_at, text::time)),
            word(text::or_nothing(token.last_used_at, text::time)),
        ]);
    }
    table.finish()
}
