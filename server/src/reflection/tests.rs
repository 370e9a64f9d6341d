//! The tables against the types that go over the wire.

use std::collections::BTreeMap;

use arrow_flight::sql::{
    ActionCreatePreparedStatementResult, CommandGetCrossReference, CommandGetTables,
    CommandStatementIngest, CommandStatementQuery, TableDefinitionOptions,
};
use arrow_flight::{
    CancelFlightInfoResult, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, Location, Ticket,
};
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorProto};

use super::*;

/// Whole names of messages, and what they are.
fn messages() -> BTreeMap<String, DescriptorProto> {
    fn add(found: &mut BTreeMap<String, DescriptorProto>, within: &str, message: &DescriptorProto) {
        let name = format!("{within}.{}", message.name());
        for nested in &message.nested_type {
            add(found, &name, nested);
        }
        found.insert(name, message.clone());
    }
    let mut found = BTreeMap::new();
    for file in described().file {
        for message in &file.message_type {
            add(&mut found, &format!(".{}", file.package()), message);
        }
    }
    found
}

/// Whole names of enumerations.
fn enumerations() -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (name, message) in messages() {
        let of = message.enum_type.iter();
        found.extend(of.map(|of| format!("{name}.{}", of.name())));
    }
    for file in described().file {
        let of = file.enum_type.iter();
        found.extend(of.map(|of| format!(".{}.{}", file.package(), of.name())));
    }
    found
}

/// Reads a message with nothing but its description, and gives the names of the fields that it holds.
fn read(
    described: &BTreeMap<String, DescriptorProto>,
    name: &str,
    mut bytes: &[u8],
) -> Vec<String> {
    let message = &described[name];
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes).unwrap();
        let field = message
            .field
            .iter()
            .find(|field| field.number() == i32::try_from(number).unwrap())
            .unwrap_or_else(|| panic!("{name} has no field {number}"));
        let expected = match field.r#type() {
            Type::String | Type::Bytes | Type::Message => WireType::LengthDelimited,
            Type::Double => WireType::SixtyFourBit,
            _ => WireType::Varint,
        };
        let packed = wire == WireType::LengthDelimited && expected == WireType::Varint;
        assert!(wire == expected || packed, "{name}.{}", field.name());
        match wire {
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).unwrap()).unwrap();
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                if field.r#type() == Type::Message {
                    read(described, field.type_name(), value);
                }
            }
            WireType::Varint => {
                decode_varint(&mut bytes).unwrap();
            }
            other => panic!("{other:?} is not among what is sent"),
        }
        found.push(field.name().to_owned());
    }
    found.dedup();
    found
}

#[test]
fn messages_as_they_are_sent_can_be_read_by_their_descriptions() {
    let described = messages();
    let bytes = || bytes::Bytes::from_static(b"x");
    let text = || "x".to_owned();
    let endpoint = FlightEndpoint {
        ticket: Some(Ticket { ticket: bytes() }),
        location: vec![Location { uri: text() }],
        expiration_time: Some(prost_types::Timestamp {
            seconds: 1,
            nanos: 1,
        }),
        app_metadata: bytes(),
    };
    let descriptor = FlightDescriptor {
        r#type: 1,
        cmd: bytes(),
        path: vec![text(), text()],
    };
    let info = FlightInfo {
        schema: bytes(),
        flight_descriptor: Some(descriptor.clone()),
        endpoint: vec![endpoint],
        total_records: 1,
        total_bytes: 1,
        ordered: true,
        app_metadata: bytes(),
    };
    let data = FlightData {
        flight_descriptor: Some(descriptor),
        data_header: bytes(),
        app_metadata: bytes(),
        data_body: bytes(),
    };
    let handshake = HandshakeRequest {
        protocol_version: 1,
        payload: bytes(),
    };
    let tables = CommandGetTables {
        catalog: Some(text()),
        db_schema_filter_pattern: Some(text()),
        table_name_filter_pattern: Some(text()),
        table_types: vec![text()],
        include_schema: true,
    };
    let ingest = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: 1,
            if_exists: 1,
        }),
        table: text(),
        schema: Some(text()),
        catalog: Some(text()),
        temporary: true,
        transaction_id: Some(bytes()),
        options: [(text(), text())].into(),
    };
    let references = CommandGetCrossReference {
        pk_catalog: Some(text()),
        pk_db_schema: Some(text()),
        pk_table: text(),
        fk_catalog: Some(text()),
        fk_db_schema: Some(text()),
        fk_table: text(),
    };
    let prepared = ActionCreatePreparedStatementResult {
        prepared_statement_handle: bytes(),
        dataset_schema: bytes(),
        parameter_schema: bytes(),
    };
    let query = CommandStatementQuery {
        query: text(),
        transaction_id: Some(bytes()),
    };
    let cancelled = CancelFlightInfoResult { status: 1 };
    for (name, sent, fields) in [
        ("FlightInfo", info.encode_to_vec(), 7),
        ("FlightData", data.encode_to_vec(), 4),
        ("HandshakeRequest", handshake.encode_to_vec(), 2),
        ("CancelFlightInfoResult", cancelled.encode_to_vec(), 1),
        ("sql.CommandGetTables", tables.encode_to_vec(), 5),
        ("sql.CommandStatementIngest", ingest.encode_to_vec(), 7),
        (
            "sql.CommandGetCrossReference",
            references.encode_to_vec(),
            6,
        ),
        (
            "sql.ActionCreatePreparedStatementResult",
            prepared.encode_to_vec(),
            3,
        ),
        ("sql.CommandStatementQuery", query.encode_to_vec(), 2),
    ] {
        let name = format!(".arrow.flight.protocol.{name}");
        let found = read(&described, &name, &sent);
        assert_eq!(found.len(), fields, "{name}: {found:?}");
        assert_eq!(described[&name].field.len(), fields, "{name}");
    }
}

#[test]
fn every_name_that_is_referred_to_is_described() {
    let (messages, enumerations) = (messages(), enumerations());
    for (name, message) in &messages {
        for field in &message.field {
            let known = match field.r#type() {
                Type::Message => messages.contains_key(field.type_name()),
                Type::Enum => enumerations.iter().any(|of| of == field.type_name()),
                _ => field.type_name.is_none(),
            };
            assert!(known, "{name}.{}: {}", field.name(), field.type_name());
        }
    }
    let files = described().file;
    let flight: &FileDescriptorProto = files.iter().find(|f| f.name() == flight::FILE).unwrap();
    let service = &flight.service[0];
    assert_eq!(service.method.len(), 10);
    for method in &service.method {
        assert!(
            messages.contains_key(method.input_type()),
            "{}",
            method.name()
        );
        assert!(
            messages.contains_key(method.output_type()),
            "{}",
            method.name()
        );
    }
}

#[test]
fn both_versions_of_the_service_take_the_tables() {
    assert!(service().is_ok());
    assert!(older_service().is_ok());
}
