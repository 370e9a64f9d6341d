//! What can be asked for: one file per topic, in each the flags and what they do.

mod bucket;
mod change;
mod describe;
mod examples;
mod export;
mod get;
mod history;
mod import;
mod list;
mod made;
mod note;
mod profiles;
mod put;
mod remote;
mod server;
mod snapshot;
mod sql;
mod state;
mod transfer;
mod upkeep;
mod verify;

use clap::Subcommand;
use shoots_client::{BucketName, FrameId, ShootsClient, ToFrameId};

pub(crate) use sql::ask;

use crate::failure::Failure;
use crate::output::Output;
use crate::place::PlaceArgs;

/// What a command works with.
pub(crate) struct Context {
    pub(crate) client: ShootsClient,
    pub(crate) output: Output,
    /// The bucket of frames that are named without one; `None` is the default bucket.
    pub(crate) bucket: Option<BucketName>,
    /// Whether that was said.
    pub(crate) bucket_said: bool,
    /// Who makes commits.
    pub(crate) author: Option<String>,
    /// Whether this process opened the store itself.
    pub(crate) is_store: bool,
}

impl Context {
    /// The frame that a name means: `bucket/name`, or a name in the bucket at hand.
    pub(crate) fn frame(&self, name: &str) -> Result<FrameId, Failure> {
        let frame = name.to_frame_id()?;
        Ok(match frame.bucket {
            None => FrameId::new(self.bucket.clone(), frame.name),
            Some(_) => frame,
        })
    }

    /// Another context for the same place.
    pub(crate) fn here(&self) -> Self {
        Self {
            client: self.client.clone(),
            output: self.output.clone(),
            bucket: self.bucket.clone(),
            bucket_said: self.bucket_said,
            author: self.author.clone(),
            is_store: self.is_store,
        }
    }

    /// Lists buckets.
    pub(crate) async fn list_buckets(&self) -> Result<(), Failure> {
        list::buckets(self).await
    }

    /// Lists the frames of the bucket at hand.
    pub(crate) async fn list_frames(&self) -> Result<(), Failure> {
        list::ls(self, list::LsArgs::default()).await
    }

    /// Describes a frame.
    pub(crate) async fn describe(&self, frame: &str) -> Result<(), Failure> {
        describe::describe(self, describe::DescribeArgs::of(frame)).await
    }

    /// Takes another bucket; none is the default bucket.
    pub(crate) fn use_bucket(&mut self, bucket: &str) -> Result<(), Failure> {
        self.bucket = match bucket {
            "" => None,
            name => {
                let parsed = BucketName::parse(name);
                Some(parsed.map_err(|error| Failure::usage(format!("bucket: {error}")))?)
            }
        };
        Ok(())
    }
}

/// Everything that can be asked for.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Put the rows of a file into a frame
    #[command(after_help = examples::PUT)]
    Put(put::PutArgs),
    /// Get rows of a frame
    #[command(after_help = examples::GET)]
    Get(get::GetArgs),
    /// Show the first rows of a frame
    Head(get::EndArgs),
    /// Show the last rows of a frame
    Tail(get::EndArgs),
    /// Get columns of several frames side by side, aligned on the index that they share
    Columns(get::ColumnsArgs),
    /// Ask in SQL; without a query on a terminal, one question after the other
    #[command(after_help = examples::SQL)]
    Sql(sql::SqlArgs),
    /// List frames
    #[command(visible_alias = "list")]
    Ls(list::LsArgs),
    /// List buckets
    Buckets,
    /// Describe a frame: its columns, index, rows and versions
    Describe(describe::DescribeArgs),
    /// List the Parquet files of a frame
    Files(describe::DescribeArgs),
    /// Tell the history of a frame, newest first
    Log(history::LogArgs),
    /// Tell how two states of a frame differ, or show the rows
    Diff(history::DiffArgs),
    /// Make an older state of a frame the newest
    Restore(history::RestoreArgs),
    /// Name a version of a frame, and so keep it
    Tag(history::TagArgs),
    /// Take a name from a version
    Untag(history::UntagArgs),
    /// List the names of versions
    Tags(history::FrameArgs),
    /// Name the state of many frames at once, and so keep it
    Snapshot(snapshot::SnapshotArgs),
    /// List snapshots
    Snapshots,
    /// Drop a snapshot
    DropSnapshot(snapshot::DropArgs),
    /// Delete frames; `undelete` brings them back
    #[command(visible_alias = "delete")]
    Rm(change::RmArgs),
    /// Bring a deleted frame back
    Undelete(change::UndeleteArgs),
    /// Give a frame another name, another bucket, or both
    #[command(visible_alias = "rename")]
    Mv(change::MvArgs),
    /// Copy a frame
    #[command(visible_alias = "copy")]
    Cp(change::CpArgs),
    /// Delete rows by a range of the index, by a condition, or by both
    DeleteRows(change::DeleteRowsArgs),
    /// Add, drop, rename and widen columns
    Alter(change::AlterArgs),
    /// Delete a bucket
    DeleteBucket(bucket::DeleteBucketArgs),
    /// Put into a frame what is made of another one, by bins of time or by SQL
    #[command(after_help = examples::RESAMPLE)]
    Resample(Box<made::ResampleArgs>),
    /// List the frames that follow others, or let one follow no more
    Following(made::FollowingArgs),
    /// Put into a frame what is made of several others: joins, as-of joins, concatenation
    Combine(made::CombineArgs),
    /// Join small and overlapping files of frames
    Compact(upkeep::UpkeepArgs),
    /// Ask or set which versions are kept
    Retention(upkeep::RetentionArgs),
    /// Let the versions expire that no rule keeps
    Expire(upkeep::UpkeepArgs),
    /// Remove the files that nothing needs any more, once their time has come
    Sweep(upkeep::UpkeepArgs),
    /// Forget chosen versions, whatever the rules say
    Forget(upkeep::ForgetArgs),
    /// Remove a frame and its history for good
    Purge(upkeep::PurgeArgs),
    /// Check stored files against the hashes that were recorded for them
    Verify(verify::VerifyArgs),
    /// Tell what buckets take up
    Usage(verify::UsageArgs),
    /// Name other places that keep frames
    #[command(subcommand)]
    Remote(remote::RemoteCommand),
    /// Bring frames of a remote here that are not here, with their histories
    Clone(transfer::CloneArgs),
    /// Bring the history of a remote's frames here, without changing the frames
    Fetch(transfer::FetchArgs),
    /// Bring what is new at a remote into the frames here
    Pull(transfer::PullArgs),
    /// Bring what is new here to a remote
    Push(transfer::SelectArgs),
    /// Settle histories that went apart and were fetched
    Merge(transfer::MergeArgs),
    /// Write the frames of a bucket to files in a folder
    Export(export::ExportArgs),
    /// Put the frames of a folder that `export` wrote
    Import(import::ImportArgs),
    /// List the profiles of the configuration file, and what is wrong with them
    Profiles,
    /// Ask whether the server answers
    Ping,
    /// Tell the server to stop once running calls are done
    Shutdown,
    /// Write a script that lets a shell complete commands: shoots completions bash
    Completions(server::CompletionsArgs),
}

impl Command {
    /// What is done without a server or a store.
    pub(crate) fn alone(&self, place: &PlaceArgs, output: &Output) -> Option<Result<(), Failure>> {
        match self {
            Self::Completions(args) => Some(server::completions(args)),
            Self::Put(args) if args.only_looks() => Some(args.look(output)),
            Self::Profiles => Some(profiles::profiles(place, output)),
            _ => None,
        }
    }

    /// Whether this brings something to a store that need not be there yet.
    pub(crate) fn begins_store(&self) -> bool {
        matches!(
            self,
            Self::Put(_) | Self::Import(_) | Self::Remote(remote::RemoteCommand::Add(_))
        )
    }

    /// Whether questions may be asked at a prompt.
    pub(crate) fn prompts(&self) -> bool {
        matches!(self, Self::Sql(args) if args.prompts())
    }

    /// Does what is asked.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Put(args) => put::put(context, args).await,
            Self::Get(args) => get::get(context, args).await,
            Self::Head(args) => get::head(context, args).await,
            Self::Tail(args) => get::tail(context, args).await,
            Self::Columns(args) => get::columns(context, args).await,
            Self::Sql(args) => sql::sql(context, args).await,
            Self::Ls(args) => list::ls(context, args).await,
            Self::Buckets => list::buckets(context).await,
            Self::Describe(args) => describe::describe(context, args).await,
            Self::Files(args) => describe::files(context, args).await,
            Self::Log(args) => history::log(context, args).await,
            Self::Diff(args) => history::diff(context, args).await,
            Self::Restore(args) => history::restore(context, args).await,
            Self::Tag(args) => history::tag(context, args).await,
            Self::Untag(args) => history::untag(context, args).await,
            Self::Tags(args) => history::tags(context, args).await,
            Self::Snapshot(args) => snapshot::snapshot(context, args).await,
            Self::Snapshots => snapshot::snapshots(context).await,
            Self::DropSnapshot(args) => snapshot::drop(context, args).await,
            Self::Rm(args) => change::rm(context, args).await,
            Self::Undelete(args) => change::undelete(context, args).await,
            Self::Mv(args) => change::mv(context, args).await,
            Self::Cp(args) => change::cp(context, args).await,
            Self::DeleteRows(args) => change::delete_rows(context, args).await,
            Self::Alter(args) => change::alter(context, args).await,
            Self::DeleteBucket(args) => bucket::delete_bucket(context, args).await,
            Self::Resample(args) => made::resample(context, *args).await,
            Self::Following(args) => made::following(context, args).await,
            Self::Combine(args) => made::combine(context, args).await,
            Self::Compact(args) => upkeep::compact(context, args).await,
            Self::Retention(args) => upkeep::retention(context, args).await,
            Self::Expire(args) => upkeep::expire(context, args).await,
            Self::Sweep(args) => upkeep::sweep(context, args).await,
            Self::Forget(args) => upkeep::forget(context, args).await,
            Self::Purge(args) => upkeep::purge(context, args).await,
            Self::Verify(args) => verify::verify(context, args).await,
            Self::Usage(args) => verify::usage(context, args).await,
            Self::Remote(command) => remote::remote(context, command).await,
            Self::Clone(args) => transfer::clone(context, args).await,
            Self::Fetch(args) => transfer::fetch(context, args).await,
            Self::Pull(args) => transfer::pull(context, args).await,
            Self::Push(args) => transfer::push(context, args).await,
            Self::Merge(args) => transfer::merge(context, args).await,
            Self::Export(args) => export::export(context, args).await,
            Self::Import(args) => import::import(context, args).await,
            Self::Ping => server::ping(context).await,
            Self::Shutdown => server::shutdown(context).await,
            // That needs no place: it was done before one was gone to.
            Self::Profiles => Ok(()),
            Self::Completions(args) => server::completions(&args),
        }
    }
}
