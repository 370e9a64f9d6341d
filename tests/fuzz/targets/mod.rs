//! The targets: whatever takes bytes of strangers.
//!
//! | target | an input is |
//! |---|---|
//! | [`requests`] | a kind of message and its JSON |
//! | [`names`] | names of frames, buckets, tags, snapshots, remotes |
//! | [`ipc`] | the messages of a stream of record batches: headers and bodies, compressed ones too |
//! | [`puts`] | a command and the messages of a put, over the wire |
//! | [`gets`] | tickets, descriptors, criteria, over the wire |
//! | [`actions`] | an action and its body, over the wire |
//! | [`sql`] | statements over small frames |
//! | [`patterns`] | regular expressions, in listings and in SQL |
//! | [`flight_sql`] | protobuf messages of Flight SQL |
//! | [`tokens`] | tokens, in headers and in handshakes, with the right signature or without |
//! | [`sync`] | what other stores bring: objects and commits |
//! | [`objects`] | a store in which one object is another: log entries, checkpoints, segments, settings |
//! | [`files`] | Parquet files in a bucket |

mod actions;
mod files;
mod flight_sql;
mod gets;
mod ipc;
mod names;
mod objects;
mod patterns;
mod puts;
mod requests;
mod sql;
mod sync;
mod tokens;

use std::path::PathBuf;

use crate::child::Target;
use crate::input::Input;
use crate::parent::fuzz;

macro_rules! targets {
    ($($test:ident: $target:ty),* $(,)?) => {
        /// The name of each target.
        pub(crate) const NAMES: &[&str] = &[$(<$target as Target>::NAME),*];

        $(
            #[test]
            fn $test() {
                assert_eq!(stringify!($test), <$target as Target>::NAME);
                fuzz::<$target>(concat!("targets::", stringify!($test)));
            }
        )*
    };
}

targets! {
    requests: requests::Requests,
    names: names::Names,
    ipc: ipc::Ipc,
    puts: puts::Puts,
    gets: gets::Gets,
    actions: actions::Actions,
    sql: sql::Sql,
    patterns: patterns::Patterns,
    flight_sql: flight_sql::FlightSql,
    tokens: tokens::Tokens,
    sync: sync::Sync,
    objects: objects::Objects,
    files: files::Files,
}

/// The frozen messages of the wire contract: what each is, and its JSON.
fn golden() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/tests/golden");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_name().unwrap().to_str().unwrap();
            let what = name.split_once('.').unwrap().0.to_owned();
            found.push((what, std::fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The text of a part of an input, if it has that part, with what is not text replaced.
fn text(input: &Input, part: usize) -> String {
    let bytes = input.get(part).map_or(&[][..], Vec::as_slice);
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes of a part, if there is such a part.
fn bytes(input: &Input, part: usize) -> Vec<u8> {
    input.get(part).cloned().unwrap_or_default()
}
