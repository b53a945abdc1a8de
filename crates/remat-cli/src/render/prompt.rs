//! Asking before something is lost.

use std::io::{self, Write as _};

use remat::error::{Error, ErrorKind};

use super::{Output, text};

/// Asks whether the act may lose what is listed. Where nobody can be asked, it may not.
pub(crate) async fn confirm(out: &Output, question: &str, losses: &[String]) -> Result<(), Error> {
    let list: Vec<String> = losses.iter().map(|loss| text::clean(loss)).collect();
    if out.can_ask() && ask(question, &list).await {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NeedsConfirmation, format!("{question} was not confirmed"))
        .with_detail(format!("It would lose: {}.", list.join("; ")))
        .with_hint("Pass --yes to do it without being asked."))
}

/// Waits for the answer beside the runtime, so that an interrupt is heard.
async fn ask(question: &str, list: &[String]) -> bool {
    let (question, list) = (question.to_owned(), list.to_vec());
    let answered = tokio::task::spawn_blocking(move || answer(&question, &list)).await;
    matches!(answered, Ok(Ok(true)))
}

fn answer(question: &str, list: &[String]) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "This loses:")?;
    for loss in list {
        writeln!(stderr, "  {loss}")?;
    }
    write!(stderr, "{question}? [y/N] ")?;
    stderr.flush()?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    Ok(matches!(typed.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
