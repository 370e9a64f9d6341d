//! Statements that would do more than read frames, if they could.
//!
//! One list for every way that SQL comes in. Each statement stands in several places: alone, under EXPLAIN, behind
//! another statement. The same is tried with what stands in the arguments of table functions, and in the fields of actions
//! that make frames of frames. Whoever tries them checks that each is refused, and [`Untouched`] that nothing has changed.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
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
        let escapes = CHANGING.iter().chain(REACHING);
        let escapes = escapes.map(|escape| self.about(frame, escape));
        escapes
            .flat_map(|sql| FORMS.map(|form| form.replace("{}", &sql)))
            .collect()
    }

    /// Queries that call table functions with such statements, and with places of files, in their arguments.
    pub(crate) fn calls(&self, frame: &str) -> Vec<String> {
        let query = |call: &str| format!("select * from {}", self.about(frame, call));
        let mut queries: Vec<String> = COMPUTED_ARGUMENTS.iter().map(|call| query(call)).collect();
        for text in self.texts(frame) {
            let literal = text.replace('\'', "''");
            queries.extend(
                ARGUMENTS
                    .iter()
                    .map(|call| query(call).replace("{}", &literal)),
            );
        }
        for escape in CHANGING.iter().chain(REACHING) {
            let literal = self.about(frame, escape).replace('\'', "''");
            queries.push(query("latest('{}', 'n')").replace("{}", &literal));
        }
        queries
    }

    /// Requests of the actions `combine` and `resample` with the same in their fields.
    pub(crate) fn actions(&self, frame: &str) -> Vec<(&'static str, Value)> {
        let join = json!({
            "how": "inner", "sources": [frame, frame], "target": "stolen", "on": ["Carrier"]
        });
        let asof = json!({
            "how": "asof", "sources": [frame, frame], "target": "stolen", "on": ["Scheduled"]
        });
        let bins = json!({
            "source": frame, "target": "stolen", "rule": "1h", "time_col": "Scheduled",
            "aggregation_func": {"DepDelay": "mean"}
        });
        let mut requests = Vec::new();
        let mut add = |action, base: &Value, field: &str, value: Value| {
            let mut request = base.clone();
            request[field] = value;
            requests.push((action, request));
        };
        for text in self.texts(frame) {
            for source in [
                json!(text),
                json!({ "name": text }),
                json!({"name": frame, "bucket": text}),
                json!({"name": frame, "as_of": text}),
            ] {
                add("combine", &join, "sources", json!([frame, source]));
            }
            for field in ["on", "how", "mode", "index"] {
                add("combine", &join, field, json!([text]));
                add("combine", &join, field, json!(text));
            }
            for field in ["on", "by", "tolerance", "direction"] {
                add("combine", &asof, field, json!(text));
            }
            for field in [
                "source",
                "source_bucket",
                "rule",
                "aggregation_func",
                "time_col",
                "by",
                "columns",
                "closed",
                "label",
                "origin",
                "offset",
                "time_zone",
                "fill",
                "start",
                "mode",
            ] {
                add("resample", &bins, field, json!(text));
                add("resample", &bins, field, json!([text]));
            }
            // What is no way to another place can be a name.
            if text.contains('/') {
                for (action, base) in [("combine", &join), ("resample", &bins)] {
                    add(action, base, "target", json!(text));
                    add(action, base, "target_bucket", json!(text));
                }
            }
        }
        requests
    }

    fn texts(&self, frame: &str) -> impl Iterator<Item = String> {
        TEXTS.iter().map(move |text| self.about(frame, text))
    }

    /// With the frame and the files that are there in the places for them.
    fn about(&self, frame: &str, escape: &str) -> String {
        let segments = self.store.join("_default").join(frame).join("segments");
        escape
            .replace("{frame}", frame)
            .replace("{outside}", &self.outside.path().display().to_string())
            .replace("{segment}", &files(&segments)[0].0)
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

/// Texts that are no frame, column, rule, time or anything else that is asked for, wherever they stand.
const TEXTS: &[&str] = &[
    "{outside}/secret.csv",
    "file://{outside}/secret.csv",
    "/etc/passwd",
    "../{frame}",
    "../../_default/{frame}/log",
    "{segment}",
    "file://{segment}",
    "s3://bucket/key.parquet",
    "http://169.254.169.254/latest/meta-data",
    "select * from read_csv('{outside}/secret.csv')",
    "x' union all select word from '{outside}/secret.csv' --",
    "'); drop table {frame}; --",
    "delete from {frame}",
    "(select 1)",
    "%2e%2e%2f{frame}",
    "${HOME}",
];

/// Calls of table functions with a place for a text.
const ARGUMENTS: &[&str] = &[
    "as_of('{}', 1)",
    "as_of('{frame}', '{}')",
    "history('{}')",
    "segments('{}')",
    "segments('{frame}', '{}')",
    "latest('{}', 'Carrier')",
    "latest('{frame}', '{}')",
    "latest('{frame}', 'Carrier', start => '{}')",
    "concat('{frame}', '{}')",
    "inner_join('{}', '{frame}', 'Carrier')",
    "outer_join('{frame}', '{frame}', '{}')",
    "left_join('{frame}', '{frame}', left_on => '{}', right_on => 'Carrier')",
    "asof_join('{frame}', '{}', 'Scheduled')",
    "asof_join('{frame}', '{frame}', 'Scheduled', by => '{}')",
    "asof_join('{frame}', '{frame}', 'Scheduled', tolerance => '{}')",
    "asof_join('{frame}', '{frame}', 'Scheduled', direction => '{}')",
    "resample('{}', '1h', 'size', time_col => 'Scheduled')",
    "resample('{frame}', '{}', 'size', time_col => 'Scheduled')",
    "resample('{frame}', '1h', '{}', time_col => 'Scheduled')",
    "resample('{frame}', '1h', [['{}', 'mean']], time_col => 'Scheduled')",
    "resample('{frame}', '1h', [['DepDelay', '{}']], time_col => 'Scheduled')",
    "resample('{frame}', '1h', 'size', time_col => '{}')",
    "resample('{frame}', '1h', 'size', time_col => 'Scheduled', by => ['{}'])",
    "resample('{frame}', '1h', 'size', time_col => 'Scheduled', origin => '{}')",
    "resample('{frame}', '1h', 'size', time_col => 'Scheduled', offset => '{}')",
    "resample('{frame}', '1h', 'size', time_col => 'Scheduled', time_zone => '{}')",
    "resample('{frame}', '1h', 'size', time_col => 'Scheduled', start => '{}')",
    "resample('{frame}', '1h', [['DepDelay', 'mean']], time_col => 'Scheduled', fill => '{}')",
];

/// Calls of table functions with arguments that would have to be computed, or to be found somewhere.
const COMPUTED_ARGUMENTS: &[&str] = &[
    "latest(read_csv('{outside}/secret.csv'), 'Carrier')",
    "latest((select word from '{outside}/secret.csv'), 'Carrier')",
    "latest('{frame}', (select word from '{outside}/secret.csv'))",
    "latest(table \"{outside}/secret.csv\", 'Carrier')",
    "as_of('{frame}', (delete from {frame}))",
    "as_of('{frame}', pg_read_file('/etc/passwd'))",
    "history(\"{segment}\")",
    "segments({frame})",
    "concat((drop table {frame}))",
    "concat('{frame}', read_parquet('{segment}'))",
    "inner_join('{frame}', read_parquet('{segment}'), 'Carrier')",
    "asof_join('{frame}', '{frame}', getenv('HOME'))",
    "resample('{frame}', (insert into {frame} values (1)), 'size')",
    "resample('{frame}', '1h', read_text('{outside}/secret.csv'))",
    "resample('{frame}', '1h', 'size', time_col => (select 'Scheduled'))",
    "table(read_csv('{outside}/secret.csv'))",
];

/// What would go on for ever or take all memory there is; the limits end it.
pub(crate) const ENDLESS: [&str; 4] = [
    "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    "select count(*) from range(1000000) a, range(1000000) b, range(1000000) c where a.value + b.value < c.value",
    "select repeat('x', 2000000000)",
    "select generate_series(1, 1000000000000)",
];
