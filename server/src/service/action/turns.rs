//! Whose turn it is among actions that make frames of others: connections take turns, however much each asks for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampSecondArray};
use shoots_proto::FrameId;
use shoots_proto::action::{CombineHow, CombineRequest, ResampleRequest, Resampling};
use shoots_store::PutOptions;

use crate::Config;
use crate::access::Access;
use crate::query::{Asker, Parameters, Question, Scope};
use crate::service::Shared;
use crate::service::action::{combine, resample};

const MANY: usize = 12;

fn id(name: &str) -> FrameId {
    FrameId::from_path(&[name.to_owned()]).unwrap()
}

/// How a frame of one row is made of `ticks`.
#[derive(Debug, Clone, Copy)]
enum Making {
    BySql,
    ByTime,
    Combined,
}

impl Making {
    async fn make(self, shared: Arc<Shared>, target: &str) {
        let target = id(target);
        let rows = match self {
            Self::BySql => {
                let sql = "select count(*) as n from ticks";
                let request = ResampleRequest::sql(id("ticks"), target, sql);
                resample::resample(shared, request)
                    .await
                    .map(|made| made.target_rows)
            }
            Self::ByTime => {
                let request =
                    ResampleRequest::time(id("ticks"), target, Resampling::new("1D", "sum"));
                resample::resample(shared, request)
                    .await
                    .map(|made| made.target_rows)
            }
            Self::Combined => {
                let sources = [id("ticks"), id("ticks")].map(Into::into);
                let mut request = CombineRequest::new(CombineHow::Inner, sources, target);
                request.on = vec!["t".to_owned()];
                combine::combine(shared, request)
                    .await
                    .map(|made| made.target_rows)
            }
        };
        assert_eq!(rows.unwrap(), 1);
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came about that {what}");
}

/// Rows of a query that computes for as long as they are not dropped.
async fn endless(shared: &Shared) -> impl Sized {
    let ticks = shared
        .store
        .unasked(&id("ticks"))
        .snapshot(None)
        .await
        .unwrap();
    let sql = "select count(*) from range(1000000) a, range(1000000) b, range(1000000) c where a.value + b.value = 1";
    let question = Question {
        sql: sql.to_owned(),
        scope: Scope::of(&ticks, None),
        parameters: Parameters::default(),
        columns: None,
        offset: None,
        limit: None,
    };
    let plan = shared.queries.plan(&shared.store, question).await.unwrap();
    plan.run().await.unwrap()
}

#[tokio::test]
async fn actions_of_one_connection_do_not_keep_those_of_another_waiting() {
    let config = Config {
        queries_at_once: 1,
        ..Config::default()
    };
    let shared = Shared::in_memory(&config).await;
    let columns: [(&str, ArrayRef); 2] = [
        ("t", Arc::new(TimestampSecondArray::from(vec![5]))),
        ("v", Arc::new(Int64Array::from(vec![7]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = PutOptions::default().index(["t"]);
    let ticks = id("ticks");
    let writer = shared.store.put(&ticks, batch.schema(), options);
    let mut writer = writer.await.unwrap();
    writer.write(batch).await.unwrap();
    writer.commit().await.unwrap();
    let connection = |port: u16| Some(([127, 0, 0, 1], port).into());

    for making in [Making::BySql, Making::ByTime, Making::Combined] {
        let holder = endless(&shared).await;
        let done = Arc::new(Mutex::new(Vec::new()));
        let make = |name: &'static str, asker: Asker, number: usize| {
            let shared = Arc::new(shared.of(Access::everything(), asker));
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let target = format!("{making:?} {name} {number}");
                making.make(shared, &target).await;
                done.lock().unwrap().push(name);
            })
        };
        let mut tasks: Vec<_> = (0..MANY).map(|n| make("busy", connection(1), n)).collect();
        until("all of the first wait", || {
            shared.queries.usage().waiting == MANY
        })
        .await;
        tasks.push(make("other", connection(2), 0));
        until("the other one waits", || {
            shared.queries.usage().waiting == MANY + 1
        })
        .await;
        drop(holder);
        for task in tasks {
            task.await.unwrap();
        }
        let done = done.lock().unwrap().clone();
        let place = done.iter().position(|of| *of == "other").unwrap();
        assert!(place < MANY / 2, "{making:?}: {done:?}");
    }
}
