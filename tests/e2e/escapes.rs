//! Statements that would do more than read frames, if they could.
//!
//! One list for every way that SQL comes in. Each statement stands in several places: alone, under EXPLAIN, behind
//! another statement. Whoever tries them checks that each is refused, and [`Untouched`] that nothing has changed.

use std::path::{Path, PathBuf};

use shoots_client::ShootsClient;
use tempfile::TempDir;

use crate::server::{Files, Server, files};

/// What statements could reach and change, and how it was before.
pub(crate) struct Untouched {
    outside: TempDir,
    store: PathBuf,
    before: (Files, Files, Vec<String>),
}

/// A word that stands in a file outside the store. It must not be in any answer.
pub(crate) const SECRET: &str = "xyzzy";

impl Untouched {
    /// A server's folder, and a folder beside it with a file in each format.
    pub(crate) async fn of(server: &Server, client: &ShootsClient) -> Self {
        let outside = tempfile::tempdir().unwrap();
        let csv = format!("word\n{SECRET}\n");
        std::fs::write(outside.path().join("secret.csv"), &csv).unwrap();
        let json = format!("{{\"word\":\"{SECRET}\"}}\n");
        std::fs::write(outside.path().join("secret.json"), json).unwrap();
        let store = server.folder().path().to_owned();
        let before = look(&store, outside.path(), client).await;
        Self {
            outside,
            store,
            before,
        }
    }

    /// Panics if anything has changed.
    pub(crate) async fn check(&self, client: &ShootsClient) {
        let after = look(&self.store, self.outside.path(), client).await;
        assert_eq!(after, self.before);
    }

    /// Every statement that is to be refused, about a frame of the default bucket. Asks nothing.
    pub(crate) fn statements(&self, frame: &str) -> Vec<String> {
        let mut segments = files(&self.store.join("_default").join(frame).join("segments"));
        let segment = segments.remove(0).0;
        let mut statements = Vec::new();
        for escape in CHANGING.iter().chain(REACHING) {
            let sql = escape
                .replace("{frame}", frame)
                .replace("{outside}", &self.outside.path().display().to_string())
                .replace("{segment}", &segment);
            for form in FORMS {
                statements.push(form.replace("{}", &sql));
            }
        }
        statements
    }
}

/// The files of the store and those outside, and what there is by name and version.
async fn look(store: &Path, outside: &Path, client: &ShootsClient) -> (Files, Files, Vec<String>) {
    let frames = client.list().all_buckets().send().await.unwrap();
    let frames = frames
        .iter()
        .map(|info| format!("{:?} {:?}", info.frame, info.summary.version));
    let buckets = client.buckets().await.unwrap();
    let buckets = buckets.iter().map(ToString::to_string);
    (
        files(store),
        files(outside),
        frames.chain(buckets).collect(),
    )
}

const FORMS: [&str; 5] = [
    "{}",
    "explain {}",
    "explain analyze {}",
    "explain verbose {}",
    "select 1; {}",
];

/// What would change something: frames, the server's settings, files.
const CHANGING: &[&str] = &[
    "create table t as select * from {frame}",
    "create or replace table {frame} as select 1",
    "create temporary table t (n bigint)",
    "create table t (n bigint) with (location = '{outside}/t')",
    "create unbounded external table t (n bigint) stored as csv location '{outside}'",
    "create external table t stored as csv location '{outside}/secret.csv'",
    "create external table t stored as parquet location '{segment}'",
    "create external table t stored as json location 'file://{outside}/secret.json'",
    "create external table t stored as parquet location 's3://bucket/key.parquet'",
    "create external table t stored as parquet location 'https://localhost/x.parquet'",
    "create external table t stored as arrow location '{outside}/t.arrow' options ('a.b' 'c')",
    "create or replace view v as select * from {frame}",
    "create materialized view v as select * from {frame}",
    "create schema s",
    "create database d",
    "create function f(bigint) returns bigint return $1",
    "create index i on {frame} (n)",
    "create sequence s",
    "create role r",
    "create type t as (n bigint)",
    "create trigger t before insert on {frame} execute function f()",
    "create macro m(a) as a + 1",
    "drop table {frame}",
    "drop table if exists {frame} cascade",
    "drop view {frame}",
    "drop schema shoots cascade",
    "drop schema \"\" cascade",
    "drop database shoots",
    "drop function abs",
    "drop index i",
    "alter table {frame} rename to other",
    "alter table {frame} add column c bigint",
    "alter table {frame} drop column n",
    "alter view v as select 1",
    "alter schema s rename to t",
    "insert into {frame} select * from {frame}",
    "insert into {frame} values (1)",
    "insert overwrite {frame} select * from {frame}",
    "insert into t select * from {frame} returning *",
    "replace into {frame} select * from {frame}",
    "update {frame} set n = 0",
    "delete from {frame}",
    "delete from {frame} where true returning *",
    "truncate table {frame}",
    "merge into {frame} using {frame} s on s.n = {frame}.n when matched then delete",
    "copy {frame} to '{outside}/stolen.parquet'",
    "copy (select * from {frame}) to '{outside}/stolen.csv' stored as csv",
    "copy {frame} to 's3://bucket/stolen.parquet'",
    "copy {frame} to stdout",
    "copy {frame} from '{outside}/secret.csv'",
    "copy (with x as (select 1) select * from x) to '{outside}/stolen.json'",
    "set datafusion.execution.batch_size = 1",
    "set datafusion.catalog.information_schema = true",
    "set datafusion.runtime.memory_limit = '1K'",
    "set time zone 'UTC'",
    "set role none",
    "reset datafusion.execution.batch_size",
    "reset all",
    "show all",
    "show datafusion.execution.batch_size",
    "show time zone",
    "show functions",
    "show create table {frame}",
    "show variables",
    "show status",
    "prepare p as select 1",
    "prepare p(bigint) as insert into {frame} values ($1)",
    "execute p",
    "execute p(1)",
    "execute immediate 'select 1'",
    "deallocate p",
    "deallocate all",
    "begin",
    "begin transaction",
    "start transaction",
    "commit",
    "rollback",
    "savepoint s",
    "release savepoint s",
    "select * into t from {frame}",
    "with x as (select 1) insert into {frame} select * from x",
    "with x as (insert into {frame} values (1)) select * from x",
    "with x as (delete from {frame}) select * from x",
    "with x as (update {frame} set n = 0 returning *) select * from x",
    "select * from (insert into {frame} values (1) returning *)",
    "select * from (delete from {frame})",
    "select (delete from {frame})",
    "load 'module'",
    "load data inpath '{outside}/secret.csv' into table {frame}",
    "install httpfs",
    "attach database '{outside}/x' as x",
    "detach x",
    "call p()",
    "use other",
    "kill 1",
    "analyze {frame}",
    "analyze table {frame} compute statistics",
    "vacuum",
    "optimize table {frame}",
    "grant all on {frame} to public",
    "revoke all on {frame} from public",
    "lock tables {frame} read",
    "unlock tables",
    "listen channel",
    "notify channel",
    "comment on table {frame} is 'x'",
    "cache table {frame}",
    "refresh table {frame}",
    "pragma database_list",
    "msck repair table {frame}",
    "declare c cursor for select 1",
    "fetch 1 from c",
    "close c",
    "flush tables",
    "raise 'x'",
    "unload (select * from {frame}) to '{outside}/stolen'",
    "explain explain select 1",
];

/// What would reach something else than frames.
const REACHING: &[&str] = &[
    "select * from '{outside}/secret.csv'",
    "select * from \"{outside}/secret.csv\"",
    "select * from `{outside}/secret.csv`",
    "select * from 'file://{outside}/secret.csv'",
    "select * from \"file://{outside}/secret.csv\"",
    "select * from \"file:///etc/passwd\"",
    "select * from '/etc/passwd'",
    "select * from 'x.parquet'",
    "select * from \"file://{segment}\"",
    "select * from '{segment}'",
    "select * from \"../{frame}\"",
    "select * from shoots.\"_default/{frame}\".segments",
    "select * from 's3://bucket/key.parquet'",
    "select * from \"https://localhost/x.parquet\"",
    "select * from 'http://169.254.169.254/latest/meta-data'",
    "select * from 'memory://x'",
    "select * from read_csv('{outside}/secret.csv')",
    "select * from read_csv_auto('{outside}/secret.csv')",
    "select * from read_json('{outside}/secret.json')",
    "select * from read_parquet('{segment}')",
    "select * from read_text('{outside}/secret.csv')",
    "select * from parquet_scan('{segment}')",
    "select * from parquet_metadata('{segment}')",
    "select * from metadata_cache()",
    "select * from statistics_cache()",
    "select * from list_files_cache()",
    "select * from glob('{outside}/*')",
    "select * from csv.`{outside}/secret.csv`",
    "select * from table(read_csv('{outside}/secret.csv'))",
    "select * from lateral read_csv('{outside}/secret.csv')",
    "select * from {frame} where exists (select word from '{outside}/secret.csv')",
    "select (select word from \"{outside}/secret.csv\") from {frame}",
    "with x as (select * from '{outside}/secret.csv') select * from x",
    "with x as (select * from read_csv('{outside}/secret.csv')) select * from x",
    "select 1 union all select word from '{outside}/secret.csv'",
    "table \"{outside}/secret.csv\"",
    "describe '{outside}/secret.csv'",
    "describe \"{outside}/secret.csv\"",
    "describe select * from '{outside}/secret.csv'",
    "show columns from \"{outside}/secret.csv\"",
    "select * from information_schema.df_settings",
    "select * from information_schema.routines",
    "select * from pg_catalog.pg_tables",
    "select * from sqlite_master",
    "select pg_read_file('/etc/passwd')",
    "select read_text('/etc/passwd')",
    "select load_file('/etc/passwd')",
    "select current_setting('datafusion.execution.batch_size')",
    "select set_config('datafusion.execution.batch_size', '1', false)",
    "select getenv('HOME')",
    "select current_user",
    "select @@version",
    "select system('ls')",
    "select lo_import('/etc/passwd')",
    "select query_to_xml('select 1', true, true, '')",
];

/// What would go on for ever or take all memory there is; the limits end it.
pub(crate) const ENDLESS: [&str; 4] = [
    "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "select count(*) from range(1000000) a, range(1000000) b, range(1000000) c where a.value + b.value < c.value",
    "select repeat('x', 2000000000)",
    "select generate_series(1, 1000000000000)",
];
