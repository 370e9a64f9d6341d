//! Lines that were typed while a query ran.
//!
//! Whatever has been typed by then, the editor takes from the terminal at once, and it loses what follows the first
//! line of it. Before the editor is at work, the terminal itself keeps lines, and gives them one at a time: so they are
//! taken from there first. A line that has no end yet is left to the editor.

use super::editor::Typed;

#[cfg(unix)]
pub(super) async fn line() -> std::io::Result<Option<Typed>> {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use tokio::net::unix::pipe::Receiver;

    /// How long it may take to be told that there is a line.
    const GLANCE: Duration = Duration::from_millis(30);

    // No pipe, but it is only asked whether there is something to read.
    let terminal =
        Receiver::from_owned_fd_unchecked(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    let waits = tokio::time::timeout(GLANCE, terminal.readable()).await;
    let Ok(ready) = waits else {
        return Ok(None);
    };
    ready?;
    let mut line = String::new();
    let typed = match std::io::stdin().read_line(&mut line)? {
        0 => Typed::End,
        _ => Typed::Line(line.trim_end_matches(['\n', '\r']).to_owned()),
    };
    Ok(Some(typed))
}

/// Consoles of other systems keep what is typed for whoever reads next.
#[cfg(not(unix))]
pub(super) async fn line() -> std::io::Result<Option<Typed>> {
    Ok(None)
}
