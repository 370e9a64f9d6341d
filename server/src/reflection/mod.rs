//! What the server says about its own protocol, for tools such as `grpcurl`: gRPC's reflection service.
//!
//! The messages and calls of Flight ([`flight`]) and the messages of Flight SQL that are answered here ([`flight_sql`]) are
//! tables; [`table`] makes descriptors of them. A test holds them against the types that really go over the wire.

mod flight;
mod flight_sql;
mod table;

use prost_types::FileDescriptorSet;
use tonic_reflection::server::{Builder, Error};
use tonic_reflection::server::{v1, v1alpha};

fn described() -> FileDescriptorSet {
    FileDescriptorSet {
        file: vec![table::timestamp(), flight::file(), flight_sql::file()],
    }
}

fn builder<'a>() -> Builder<'a> {
    Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_file_descriptor_set(described())
}

/// The reflection service.
///
/// # Errors
/// If the tables contradict themselves.
pub(crate) fn service() -> Result<v1::ServerReflectionServer<impl v1::ServerReflection>, Error> {
    builder().build_v1()
}

/// The same in its older version, which some tools still ask for.
///
/// # Errors
/// If the tables contradict themselves.
pub(crate) fn older_service()
-> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Error> {
    builder().build_v1alpha()
}

#[cfg(test)]
mod tests;
