//! Statements that would do more than read, handles that nobody gave, and messages that are broken.

use arrow_flight::sql::{
    Any, Command, CommandPreparedStatementQuery, CommandStatementQuery,
    CommandStatementSubstraitPlan, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{Action, FlightDescriptor};
use bytes::Bytes;
use prost::Message;
use tonic::Code;

use super::{ask, lake, told};
use crate::escapes::Untouched;
use crate::peer::Peer;
use crate::rows::numbers;

/// The message that a handle is, as a client could forge it: field 1 is the format, field 2 the SQL.
#[derive(Clone, PartialEq, Message)]
struct Handle {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    sql: String,
}

#[tokio::test]
async fn nothing_escapes_and_nothing_changes() {
    let (server, shoots, mut client) = lake().await;
    let untouched = Untouched::of(&server, &shoots).await;
    let mut peer = Peer::of(&server).await;
    for escape in untouched.statements("numbers") {
        let (code, _) = told(client.execute(escape.clone(), None).await);
        assert_eq!(code, Code::InvalidArgument, "{escape}");
        let prepared = client.prepare(escape.clone(), None).await;
        assert_eq!(told(prepared).0, Code::InvalidArgument, "{escape}");
        let update = client.execute_update(escape.clone(), None).await;
        assert_eq!(told(update).0, Code::Unimplemented, "{escape}");
        let handle = Handle {
            format: 1,
            sql: escape.clone(),
        };
        let handle = Bytes::from(handle.encode_to_vec());
        for forged in [
            TicketStatementQuery {
                statement_handle: handle.clone(),
            }
            .as_any(),
            CommandPreparedStatementQuery {
                prepared_statement_handle: handle,
            }
            .as_any(),
        ] {
            let refused = peer.get(forged.encode_to_vec()).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{escape}");
        }
    }
    for call in untouched.calls("numbers") {
        let (code, _) = told(client.execute(call.clone(), None).await);
        let refused = matches!(code, Code::InvalidArgument | Code::NotFound);
        assert!(refused, "{code:?}: {call}");
    }
    let good = Handle {
        format: 1,
        sql: "select max(n) from numbers".to_owned(),
    };
    let good = TicketStatementQuery {
        statement_handle: good.encode_to_vec().into(),
    };
    let answer = peer.get(good.as_any().encode_to_vec()).await.unwrap();
    assert_eq!(
        numbers(&answer),
        [9],
        "handles are refused for what they say"
    );
    untouched.check(&shoots).await;
    server.stop().await;
}

#[tokio::test]
async fn plans_updates_and_transactions_are_refused_by_name() {
    let (server, _, _) = lake().await;
    let mut peer = Peer::of(&server).await;
    let plan = CommandStatementSubstraitPlan::default().as_any();
    let refused = peer.get(plan.encode_to_vec()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let descriptor = FlightDescriptor::new_cmd(plan.encode_to_vec());
    let refused = peer.flight.get_flight_info(descriptor).await.unwrap_err();
    assert!(refused.message().contains("Substrait"), "{refused}");
    for action in [
        "BeginTransaction",
        "EndTransaction",
        "BeginSavepoint",
        "EndSavepoint",
        "CreatePreparedSubstraitPlan",
    ] {
        let refused = peer.flight.do_action(Action::new(action, "")).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{action}");
        assert!(refused.message().contains(action), "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn messages_that_are_broken_are_refused() {
    let (server, _, mut client) = lake().await;
    let mut peer = Peer::of(&server).await;
    let good = CommandStatementQuery {
        query: "select 1".into(),
        transaction_id: None,
    };
    let good = good.as_any();
    let junk = Any {
        value: Bytes::from_static(b"\xff\xff\xff"),
        ..good.clone()
    };
    let handle = TicketStatementQuery {
        statement_handle: Bytes::from_static(b"select 1"),
    };
    for bad in [
        junk.encode_to_vec(),
        handle.as_any().encode_to_vec(),
        good.encode_to_vec()[..60].to_vec(),
    ] {
        let refused = peer.get(bad.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let descriptor = FlightDescriptor::new_cmd(bad);
        let refused = peer.flight.get_flight_info(descriptor).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    for action in [
        "CreatePreparedStatement",
        "CancelFlightInfo",
        "CancelQuery",
        "SetSessionOptions",
    ] {
        let refused = peer
            .flight
            .do_action(Action::new(action, "\u{7f}not a message"))
            .await;
        assert_eq!(
            refused.unwrap_err().code(),
            Code::InvalidArgument,
            "{action}"
        );
    }
    let command = Command::try_from(good).unwrap().into_any().encode_to_vec();
    let descriptor = FlightDescriptor::new_cmd(command);
    assert!(peer.flight.get_flight_info(descriptor).await.is_ok());
    assert_eq!(numbers(&ask(&mut client, "select 1").await), [1]);
    server.stop().await;
}

#[tokio::test]
async fn clauses_that_would_be_ignored_are_refused() {
    let (server, shoots, mut client) = lake().await;
    for (clause, of) in [
        ("PREWHERE n = 2", "PREWHERE"),
        ("TABLESAMPLE BERNOULLI (10)", "TABLESAMPLE"),
        ("GROUP BY n WITH ROLLUP", "WITH ROLLUP"),
        ("FOR UPDATE", "FOR UPDATE"),
    ] {
        let sql = format!("SELECT n FROM numbers {clause}");
        let (code, words) = told(client.execute(sql.clone(), None).await);
        assert_eq!(code, Code::InvalidArgument, "{sql}");
        assert!(words.contains(&format!("{of} is not supported")), "{words}");
        assert_eq!(
            told(client.prepare(sql.clone(), None).await).0,
            code,
            "{sql}"
        );
        let refused = shoots.sql("numbers", &sql).collect_one().await.unwrap_err();
        assert!(refused.to_string().contains(of), "{refused}");
    }
    server.stop().await;
}
