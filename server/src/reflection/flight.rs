//! The calls and messages of Arrow Flight, by their numbers on the wire.

use prost_types::FileDescriptorProto;

use super::table::{self, Enumeration, Message, Method, Of, TIMESTAMP_FILE};

const PACKAGE: &str = "arrow.flight.protocol";
pub(super) const FILE: &str = "Flight.proto";

const INFO: Of = Of::Message(".arrow.flight.protocol.FlightInfo");
const DESCRIPTOR: Of = Of::Message(".arrow.flight.protocol.FlightDescriptor");
const ENDPOINT: Of = Of::Message(".arrow.flight.protocol.FlightEndpoint");
const LOCATION: Of = Of::Message(".arrow.flight.protocol.Location");
const TICKET: Of = Of::Message(".arrow.flight.protocol.Ticket");
const TIME: Of = Of::Message(".google.protobuf.Timestamp");
const DESCRIPTOR_TYPE: Of = Of::Enum(".arrow.flight.protocol.FlightDescriptor.DescriptorType");
const CANCEL_STATUS: Of = Of::Enum(".arrow.flight.protocol.CancelStatus");

const METHODS: &[Method] = &[
    (
        "Handshake",
        ("HandshakeRequest", true),
        ("HandshakeResponse", true),
    ),
    ("ListFlights", ("Criteria", false), ("FlightInfo", true)),
    (
        "GetFlightInfo",
        ("FlightDescriptor", false),
        ("FlightInfo", false),
    ),
    (
        "PollFlightInfo",
        ("FlightDescriptor", false),
        ("PollInfo", false),
    ),
    (
        "GetSchema",
        ("FlightDescriptor", false),
        ("SchemaResult", false),
    ),
    ("DoGet", ("Ticket", false), ("FlightData", true)),
    ("DoPut", ("FlightData", true), ("PutResult", true)),
    ("DoExchange", ("FlightData", true), ("FlightData", true)),
    ("DoAction", ("Action", false), ("Result", true)),
    ("ListActions", ("Empty", false), ("ActionType", true)),
];

const MESSAGES: &[Message] = &[
    (
        "HandshakeRequest",
        &[
            (1, "protocol_version", Of::Uint64),
            (2, "payload", Of::Bytes),
        ],
    ),
    (
        "HandshakeResponse",
        &[
            (1, "protocol_version", Of::Uint64),
            (2, "payload", Of::Bytes),
        ],
    ),
    (
        "BasicAuth",
        &[(2, "username", Of::Text), (3, "password", Of::Text)],
    ),
    ("Empty", &[]),
    (
        "ActionType",
        &[(1, "type", Of::Text), (2, "description", Of::Text)],
    ),
    ("Criteria", &[(1, "expression", Of::Bytes)]),
    ("Action", &[(1, "type", Of::Text), (2, "body", Of::Bytes)]),
    ("CancelFlightInfoRequest", &[(1, "info", INFO)]),
    ("CancelFlightInfoResult", &[(1, "status", CANCEL_STATUS)]),
    ("RenewFlightEndpointRequest", &[(1, "endpoint", ENDPOINT)]),
    ("Result", &[(1, "body", Of::Bytes)]),
    ("SchemaResult", &[(1, "schema", Of::Bytes)]),
    (
        "FlightDescriptor",
        &[
            (1, "type", DESCRIPTOR_TYPE),
            (2, "cmd", Of::Bytes),
            (3, "path", Of::Many(&Of::Text)),
        ],
    ),
    (
        "FlightInfo",
        &[
            (1, "schema", Of::Bytes),
            (2, "flight_descriptor", DESCRIPTOR),
            (3, "endpoint", Of::Many(&ENDPOINT)),
            (4, "total_records", Of::Int64),
            (5, "total_bytes", Of::Int64),
            (6, "ordered", Of::Bool),
            (7, "app_metadata", Of::Bytes),
        ],
    ),
    (
        "PollInfo",
        &[
            (1, "info", INFO),
            (2, "flight_descriptor", DESCRIPTOR),
            (3, "progress", Of::Optional(&Of::Double)),
            (4, "expiration_time", TIME),
        ],
    ),
    (
        "FlightEndpoint",
        &[
            (1, "ticket", TICKET),
            (2, "location", Of::Many(&LOCATION)),
            (3, "expiration_time", TIME),
            (4, "app_metadata", Of::Bytes),
        ],
    ),
    ("Location", &[(1, "uri", Of::Text)]),
    ("Ticket", &[(1, "ticket", Of::Bytes)]),
    (
        "FlightData",
        &[
            (1, "flight_descriptor", DESCRIPTOR),
            (2, "data_header", Of::Bytes),
            (3, "app_metadata", Of::Bytes),
            (1000, "data_body", Of::Bytes),
        ],
    ),
    ("PutResult", &[(1, "app_metadata", Of::Bytes)]),
];

const KINDS_OF_DESCRIPTORS: Enumeration = ("DescriptorType", &["UNKNOWN", "PATH", "CMD"]);

const STATUSES_OF_CANCELLATIONS: Enumeration = (
    "CancelStatus",
    &[
        "CANCEL_STATUS_UNSPECIFIED",
        "CANCEL_STATUS_CANCELLED",
        "CANCEL_STATUS_CANCELLING",
        "CANCEL_STATUS_NOT_CANCELLABLE",
    ],
);

/// All of it.
pub(super) fn file() -> FileDescriptorProto {
    let mut file = table::file(FILE, PACKAGE, MESSAGES);
    file.dependency = vec![TIMESTAMP_FILE.to_owned()];
    file.enum_type = vec![table::enumeration(&STATUSES_OF_CANCELLATIONS)];
    file.service = vec![table::service(PACKAGE, "FlightService", METHODS)];
    let mut messages = file.message_type.iter_mut();
    if let Some(descriptor) = messages.find(|message| message.name() == "FlightDescriptor") {
        descriptor.enum_type = vec![table::enumeration(&KINDS_OF_DESCRIPTORS)];
    }
    file
}
