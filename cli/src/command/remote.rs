//! `remote`: other places that keep frames.

use clap::{Args, Subcommand};
use shoots_client::FrameId;

use super::Context;
use crate::failure::Failure;
use crate::output::Listing;

/// What to do about remotes.
#[derive(Subcommand, Debug)]
pub(crate) enum RemoteCommand {
    /// Name a place: s3://bucket/folder, grpc+tls://host:port, file:///folder
    Add(AddArgs),
    /// Forget a remote; frames that came from it stay
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
    /// List remotes
    #[command(visible_alias = "list")]
    Ls(LsArgs),
}

/// Which place, and what lets the server in there.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its name
    name: String,
    /// Where it is
    url: String,
    /// Where the server finds the token that the remote asks for: env:NAME or file:/path
    #[arg(long, value_name = "REFERENCE")]
    remote_token: Option<String>,
    /// Where the server finds the authority that signed the remote's certificate: env:NAME or file:/path
    #[arg(long, value_name = "REFERENCE")]
    remote_ca: Option<String>,
    /// Where the server finds the certificate that it shows to the remote: env:NAME or file:/path
    #[arg(long, value_name = "REFERENCE", requires = "remote_key")]
    remote_certificate: Option<String>,
    /// Where the server finds the key of that certificate: env:NAME or file:/path
    #[arg(long, value_name = "REFERENCE", requires = "remote_certificate")]
    remote_key: Option<String>,
    /// Let that token travel unencrypted
    #[arg(long)]
    allow_insecure_remote_token: bool,
}

/// Which remote to forget.
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// Its name
    name: String,
}

/// Which remotes to list.
#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Only this one
    name: Option<String>,
    /// Tell, too, how far the frames of the bucket are ahead and behind
    #[arg(long)]
    frames: bool,
}

/// Does it.
pub(super) async fn remote(context: &Context, command: RemoteCommand) -> Result<(), Failure> {
    let client = &context.client;
    match command {
        RemoteCommand::Add(args) => {
            let mut request = client.add_remote(&args.name, &args.url);
            if let Some(reference) = &args.remote_token {
                request = request.token(reference);
            }
            if let Some(reference) = &args.remote_ca {
                request = request.ca(reference);
            }
            if let (Some(certificate), Some(key)) = (&args.remote_certificate, &args.remote_key) {
                request = request.identity(certificate, key);
            }
            if args.allow_insecure_remote_token {
                request = request.allow_insecure_token();
            }
            let done = request.send().await?;
            context
                .output
                .answer(&done, || format!("{}: {}", done.remote, done.url))
        }
        RemoteCommand::Rm(args) => {
            let done = client.remove_remote(&args.name).send().await?;
            context
                .output
                .answer(&done, || format!("{}: forgotten", done.remote))
        }
        RemoteCommand::Ls(args) => list(context, args).await,
    }
}

async fn list(context: &Context, args: LsArgs) -> Result<(), Failure> {
    let mut request = context.client.remotes();
    if let Some(name) = &args.name {
        request = request.remote(name);
    }
    if args.frames {
        request = match &context.bucket {
            Some(bucket) => request.frames_of(bucket.as_str()),
            None => request.frames(),
        };
    }
    let told = request.send().await?;
    context.output.list(&told.remotes, || {
        if !args.frames {
            let mut listing = Listing::new(&["remote", "url"]);
            for remote in &told.remotes {
                listing.row([remote.remote.to_string(), remote.url.clone()]);
            }
            return listing;
        }
        let heading = ["remote", "frame", "there", "ahead", "behind"];
        let mut listing = Listing::new(&heading).right(&[3, 4]);
        for remote in &told.remotes {
            for frame in remote.frames.iter().flatten() {
                let there = FrameId::new(frame.remote_bucket.clone(), frame.remote_name.clone());
                listing.row([
                    remote.remote.to_string(),
                    FrameId::new(frame.bucket.clone(), frame.name.clone()).to_string(),
                    there.to_string(),
                    frame.ahead.to_string(),
                    frame.behind.to_string(),
                ]);
            }
        }
        listing
    })
}
