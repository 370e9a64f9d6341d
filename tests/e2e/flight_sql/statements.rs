//! Statements: plain, prepared, with parameters, cancelled, and on another server.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor,
    FlightInfo,
};
use arrow_schema::DataType;
use futures::StreamExt;
use prost::Message;
use shoots_client::PutMode;
use tonic::Code;

use super::{Client, ask, fetch, lake, told, told_code};
use crate::rows::{numbers, put, rows, schema, texts};
use crate::server::{Server, until};

#[tokio::test]
async fn statements_are_answered_in_every_bucket() {
    let (server, _, mut client) = lake().await;
    for (sql, expected) in [
        ("select n from numbers where n > 7", vec![8, 9]),
        ("select n from nyc.numbers limit 1", vec![100]),
        (
            "select n from \"shoots\".\"nyc\".\"numbers\" limit 1",
            vec![100],
        ),
        ("select n from \"\".\"numbers\" limit 1", vec![0]),
        ("select n from \"shoots\".\"\".\"numbers\" limit 1", vec![0]),
        (
            "select count(*) from numbers a join nyc.numbers b on b.n = a.n + 100",
            vec![4],
        ),
    ] {
        assert_eq!(numbers(&ask(&mut client, sql).await), expected, "{sql}");
    }
    let all = ask(&mut client, "select * from numbers").await;
    assert_eq!(all, rows(0..10));
    let plan = ask(&mut client, "explain select n from numbers").await;
    assert!(plan.num_rows() > 0);
    let command = CommandStatementQuery {
        query: "select * from numbers".into(),
        transaction_id: None,
    };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let described = client.inner_mut().get_schema(descriptor).await.unwrap();
    let described = shoots_flight::read_schema_message(&described.into_inner().schema);
    assert_eq!(described.unwrap(), *schema());
    let (code, message) = told(
        client
            .execute("select nope from numbers".into(), None)
            .await,
    );
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("nope"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn a_header_chooses_the_bucket_of_bare_names() {
    let (server, _, mut client) = lake().await;
    client.set_header("cookie", "theme=dark; shoots-schema=nyc");
    let sql = "select min(n) from numbers";
    assert_eq!(numbers(&ask(&mut client, sql).await), [100]);
    let info = client.execute(sql.into(), None).await.unwrap();
    client.set_header("cookie", "shoots-schema=");
    // A statement stays in the bucket in which it was asked.
    assert_eq!(numbers(&fetch(&mut client, info).await), [100]);
    assert_eq!(numbers(&ask(&mut client, sql).await), [0]);
    client.set_header("cookie", "shoots-schema=..");
    let (code, message) = told(client.execute(sql.into(), None).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("shoots-schema"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn prepared_statements_take_rows_of_parameters() {
    let (server, _, mut client) = lake().await;
    let sql = "select n, $2 as label from numbers where n = $1";
    let mut prepared = client.prepare(sql.into(), None).await.unwrap();
    let parameters = prepared.parameter_schema().unwrap();
    assert_eq!(parameters.field(0).data_type(), &DataType::Int64);
    assert_eq!(parameters.fields().len(), 2);
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "n");
    let (code, message) = told(prepared.execute().await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("2 parameters"), "{message}");
    let bound = |numbers: Vec<i64>, labels: Vec<Option<&str>>| {
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
        let labels: ArrayRef = Arc::new(StringArray::from(labels));
        RecordBatch::try_from_iter([("a", numbers), ("b", labels)]).unwrap()
    };
    for (values, labels) in [
        (vec![3], vec![Some("x")]),
        (vec![7, 99, 2], vec![Some("y"), None, None]),
    ] {
        let batch = bound(values.clone(), labels.clone());
        prepared.set_parameters(batch).unwrap();
        let info = prepared.execute().await.unwrap();
        let got = fetch(&mut client, info).await;
        // Rows come in the order in which parameters were bound; nothing matches 99.
        let expected = values.into_iter().zip(labels).filter(|(n, _)| *n < 10);
        let (values, labels): (Vec<_>, Vec<_>) = expected.unzip();
        assert_eq!(numbers(&got), values);
        let labels: Vec<_> = labels.iter().map(|l| l.map(str::to_owned)).collect();
        assert_eq!(texts(&got, "label"), labels);
    }
    prepared.set_parameters(bound(vec![], vec![])).unwrap();
    let (_, message) = told(prepared.execute().await);
    assert!(message.contains("at least one"), "{message}");
    prepared.close().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn any_server_on_the_store_answers_a_handle() {
    let (server, _, mut client) = lake().await;
    let other = Server::on(server.folder(), &[]).await;
    let mut elsewhere = super::client(&other).await;
    let info = client
        .execute("select max(n) from numbers".into(), None)
        .await;
    assert_eq!(numbers(&fetch(&mut elsewhere, info.unwrap()).await), [9]);
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_ticket_delivers_the_columns_that_were_promised_or_nothing() {
    let (server, shoots, mut client) = lake().await;
    let info = client.execute("select * from numbers".into(), None).await;
    let ticket = info.unwrap().endpoint.remove(0).ticket.unwrap();
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let other = RecordBatch::try_from_iter([("m", other)]).unwrap();
    put(&shoots, "numbers", PutMode::Replace, other).await;
    let (code, message) = told(client.do_get(ticket).await);
    assert_eq!(code, Code::Aborted);
    assert!(message.contains("execute it again"), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn a_query_is_cancelled_by_its_info() {
    let (server, shoots, mut client) = lake().await;
    put(&shoots, "many", PutMode::Error, rows(0..3000)).await;
    let endless = "select a.n from many a, many b, many c where a.n + b.n > c.n";
    let info = client.execute(endless.into(), None).await.unwrap();
    assert_eq!(
        cancel(&mut client, &info).await,
        CancelStatus::NotCancellable
    );
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut batches = client.do_get(ticket).await.unwrap();
    batches.next().await.unwrap().unwrap();
    assert_eq!(cancel(&mut client, &info).await, CancelStatus::Cancelled);
    let end = loop {
        match batches.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a part of the rows looked like all of them"),
        }
    };
    assert_eq!(told_code(Err::<(), _>(end)), Code::Cancelled);
    drop(batches);
    until("nothing delivers it", async || {
        cancel(&mut client, &info).await == CancelStatus::NotCancellable
    })
    .await;
    server.stop().await;
}

async fn cancel(client: &mut Client, info: &FlightInfo) -> CancelStatus {
    let request = CancelFlightInfoRequest::new(info.clone());
    let action = Action::new("CancelFlightInfo", request.encode_to_vec());
    let mut answers = client.do_action(action).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    CancelFlightInfoResult::decode(answer.body)
        .unwrap()
        .status()
}
