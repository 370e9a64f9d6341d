//! From tables of messages and calls to protobuf descriptors.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto,
};

/// A field: its number, its name, and what it holds.
pub(super) type Field = (i32, &'static str, Of);

/// A message: its name and its fields.
pub(super) type Message = (&'static str, &'static [Field]);

/// An enumeration: its name, and its values from 0 on.
pub(super) type Enumeration = (&'static str, &'static [&'static str]);

/// A call: its name, what it takes and gives, and whether each is a stream.
pub(super) type Method = (&'static str, (&'static str, bool), (&'static str, bool));

/// What a field holds. Names of messages and enumerations are whole ones.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Text,
    Bytes,
    Bool,
    Double,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Message(&'static str),
    Enum(&'static str),
    /// Which may be missing; messages always may.
    Optional(&'static Of),
    Many(&'static Of),
    /// Texts by names.
    Texts,
}

/// A file of a package.
pub(super) fn file(name: &str, package: &str, messages: &[Message]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some(package.to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: messages
            .iter()
            .map(|message| described(package, message))
            .collect(),
        ..FileDescriptorProto::default()
    }
}

/// A service of a package, whose messages are in the same package.
pub(super) fn service(package: &str, name: &str, methods: &[Method]) -> ServiceDescriptorProto {
    let whole = |name: &str| Some(format!(".{package}.{name}"));
    let methods =
        methods.iter().map(
            |(name, (input, sends), (output, answers))| MethodDescriptorProto {
                name: Some((*name).to_owned()),
                input_type: whole(input),
                output_type: whole(output),
                client_streaming: Some(*sends),
                server_streaming: Some(*answers),
                ..MethodDescriptorProto::default()
            },
        );
    ServiceDescriptorProto {
        name: Some(name.to_owned()),
        method: methods.collect(),
        options: None,
    }
}

pub(super) fn enumeration((name, values): &Enumeration) -> EnumDescriptorProto {
    let values = (0..).zip(*values);
    let values = values.map(|(number, name)| EnumValueDescriptorProto {
        name: Some((*name).to_owned()),
        number: Some(number),
        options: None,
    });
    EnumDescriptorProto {
        name: Some((*name).to_owned()),
        value: values.collect(),
        ..EnumDescriptorProto::default()
    }
}

/// The message of protobuf's own for points in time.
pub(super) fn timestamp() -> FileDescriptorProto {
    const TIMESTAMP: Message = (
        "Timestamp",
        &[(1, "seconds", Of::Int64), (2, "nanos", Of::Int32)],
    );
    file(TIMESTAMP_FILE, "google.protobuf", &[TIMESTAMP])
}

pub(super) const TIMESTAMP_FILE: &str = "google/protobuf/timestamp.proto";

fn described(package: &str, (name, fields): &Message) -> DescriptorProto {
    let mut message = DescriptorProto {
        name: Some((*name).to_owned()),
        ..DescriptorProto::default()
    };
    for field in *fields {
        add(&mut message, package, name, field);
    }
    message
}

fn add(message: &mut DescriptorProto, package: &str, owner: &str, (number, name, of): &Field) {
    let (mut label, mut of) = (Label::Optional, *of);
    let mut alternative = None;
    match of {
        Of::Many(each) => (label, of) = (Label::Repeated, *each),
        Of::Optional(value) => {
            of = *value;
            // That a plain value is missing is told by an alternative of its own.
            alternative = i32::try_from(message.oneof_decl.len()).ok();
            message.oneof_decl.push(OneofDescriptorProto {
                name: Some(format!("_{name}")),
                options: None,
            });
        }
        Of::Texts => {
            label = Label::Repeated;
            message.nested_type.push(entry(name));
        }
        _ => {}
    }
    let (kind, type_name) = match of {
        Of::Text => (Type::String, None),
        Of::Bytes => (Type::Bytes, None),
        Of::Bool => (Type::Bool, None),
        Of::Double => (Type::Double, None),
        Of::Int32 => (Type::Int32, None),
        Of::Int64 => (Type::Int64, None),
        Of::Uint32 => (Type::Uint32, None),
        Of::Uint64 => (Type::Uint64, None),
        Of::Message(name) => (Type::Message, Some(name.to_owned())),
        Of::Enum(name) => (Type::Enum, Some(name.to_owned())),
        Of::Texts => {
            let entry = format!(".{package}.{owner}.{}", entry_name(name));
            (Type::Message, Some(entry))
        }
        // Neither stands in another.
        Of::Optional(_) | Of::Many(_) => return,
    };
    message.field.push(FieldDescriptorProto {
        name: Some((*name).to_owned()),
        number: Some(*number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name,
        oneof_index: alternative,
        proto3_optional: alternative.map(|_| true),
        ..FieldDescriptorProto::default()
    });
}

/// The message that stands for one text and its name.
fn entry(field: &str) -> DescriptorProto {
    const FIELDS: &[Field] = &[(1, "key", Of::Text), (2, "value", Of::Text)];
    let mut entry = described("", &("", FIELDS));
    entry.name = Some(entry_name(field));
    entry.options = Some(MessageOptions {
        map_entry: Some(true),
        ..MessageOptions::default()
    });
    entry
}

fn entry_name(field: &str) -> String {
    let mut name = field.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name + "Entry"
}
