//! The list of settings: what each is called in every source, and what its help says.
//!
//! A setting is described here once. Flags, environment variables, the comments of
//! printed settings and the table in `docs/operating.md` are made from it.

/// One setting: its name in the file, and what it means.
///
/// The flag is the name with dashes, the environment variable the name in capitals after `SHOOTS_`.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) flag: &'static str,
    pub(crate) help: &'static str,
}

impl Setting {
    pub(crate) fn variable(&self) -> String {
        format!("SHOOTS_{}", self.name.to_uppercase())
    }
}

/// Every setting, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "host",
        flag: "host",
        help: "Name or address to listen on",
    },
    Setting {
        name: "port",
        flag: "port",
        help: "TCP port to listen on; 0 takes a free one",
    },
    Setting {
        name: "metrics_port",
        flag: "metrics-port",
        help: "TCP port for metrics and health pages over HTTP, on the same host; 0 takes a free one, off serves none",
    },
    Setting {
        name: "bucket_dir",
        flag: "bucket-dir",
        help: "Where the frames are kept: a directory, or a URL such as s3://bucket/folder or memory://",
    },
    Setting {
        name: "cache_memory_bytes",
        flag: "cache-memory-bytes",
        help: "Memory for what was read from a bucket of an object store, in bytes; 0 for none",
    },
    Setting {
        name: "cache_folder",
        flag: "cache-folder",
        help: "Directory of this server's own for what was read from a bucket of an object store; empty for none",
    },
    Setting {
        name: "cache_disk_bytes",
        flag: "cache-disk-bytes",
        help: "What the files in the cache folder may take together, in bytes",
    },
    Setting {
        name: "row_cache_bytes",
        flag: "row-cache-bytes",
        help: "Memory for decoded rows, which are sent again without being read again, in bytes; 0 for none",
    },
    Setting {
        name: "shm_dir",
        flag: "shm-dir",
        help: "Folder for rows that clients on this machine map into memory instead of having them sent, such as /dev/shm; empty: rows are always sent",
    },
    Setting {
        name: "shm_bytes",
        flag: "shm-bytes",
        help: "What the files for clients on this machine may take together, in bytes; 0 for none",
    },
    Setting {
        name: "shm_min_bytes",
        flag: "shm-min-bytes",
        help: "Send rows that take fewer bytes than this, also to clients on this machine",
    },
    Setting {
        name: "shm_unused_seconds",
        flag: "shm-unused-seconds",
        help: "How long a file for clients on this machine may go unused before it is removed, in seconds",
    },
    Setting {
        name: "max_staleness_seconds",
        flag: "max-staleness-seconds",
        help: "How old a state may be that a read is given without asking the storage, in seconds; 0 always asks",
    },
    Setting {
        name: "read_only",
        flag: "read-only",
        help: "Refuse every call that would change something",
    },
    Setting {
        name: "cert_file",
        flag: "cert-file",
        help: "PEM file with the server's certificate and those that lead to its authority: connections are encrypted; empty for none",
    },
    Setting {
        name: "key_file",
        flag: "key-file",
        help: "PEM file with the private key of the certificate, without a passphrase",
    },
    Setting {
        name: "client_ca_file",
        flag: "client-ca-file",
        help: "PEM file with the authorities of which every client must show a certificate; empty: clients need none",
    },
    Setting {
        name: "secret",
        flag: "secret",
        help: "What tokens are signed with: calls need one; empty: calls need none. Others on this machine can read flags, not files",
    },
    Setting {
        name: "secret_file",
        flag: "secret-file",
        help: "File with the secret, looked at again while the server runs",
    },
    Setting {
        name: "previous_secret",
        flag: "previous-secret",
        help: "Secret that was used before: tokens that were signed with it are taken, too",
    },
    Setting {
        name: "previous_secret_file",
        flag: "previous-secret-file",
        help: "File with the secret that was used before, looked at again while the server runs",
    },
    Setting {
        name: "revoked_tokens_file",
        flag: "revoked-tokens-file",
        help: "File with the ids of tokens that are not taken any more, one a line, looked at again while the server runs; empty for none",
    },
    Setting {
        name: "allow_insecure_auth",
        flag: "allow-insecure-auth",
        help: "Take tokens without TLS, where everybody on the way can read them",
    },
    Setting {
        name: "log_level",
        flag: "log-level",
        help: "Which log lines to write: a level (off, error, warn, info, debug, trace), or a filter such as info,shoots_server=debug",
    },
    Setting {
        name: "log_format",
        flag: "log-format",
        help: "How log lines look: text or json",
    },
    Setting {
        name: "max_message_bytes",
        flag: "max-message-bytes",
        help: "Largest single message that a client may send, in bytes",
    },
    Setting {
        name: "max_batch_rows",
        flag: "max-batch-rows",
        help: "Most rows that one batch of a put may have",
    },
    Setting {
        name: "max_batch_bytes",
        flag: "max-batch-bytes",
        help: "Most memory that one batch of a put may take once it is decompressed, in bytes",
    },
    Setting {
        name: "max_put_bytes",
        flag: "max-put-bytes",
        help: "Most bytes that one put may send",
    },
    Setting {
        name: "max_calls",
        flag: "max-calls",
        help: "How many calls may run at the same time; further ones are refused",
    },
    Setting {
        name: "max_connections",
        flag: "max-connections",
        help: "How many connections may be open at the same time; calls of further ones are refused",
    },
    Setting {
        name: "header_seconds",
        flag: "header-seconds",
        help: "How long a new connection may take to speak HTTP/2, and a request to arrive, in seconds",
    },
    Setting {
        name: "idle_seconds",
        flag: "idle-seconds",
        help: "How long a connection may carry no call before it is closed, in seconds",
    },
    Setting {
        name: "put_idle_seconds",
        flag: "put-idle-seconds",
        help: "How long a put may bring nothing, in seconds",
    },
    Setting {
        name: "read_idle_seconds",
        flag: "read-idle-seconds",
        help: "How long a caller may take nothing of an answer that waits for it, in seconds",
    },
    Setting {
        name: "receive_memory_bytes",
        flag: "receive-memory-bytes",
        help: "Memory for messages that are being received, for all calls together, in bytes",
    },
    Setting {
        name: "put_memory_bytes",
        flag: "put-memory-bytes",
        help: "Memory for rows on their way to the store, for all puts together, in bytes",
    },
    Setting {
        name: "low_space_bytes",
        flag: "low-space-bytes",
        help: "Refuse puts while the disk has less free space than this, in bytes; 0: never",
    },
    Setting {
        name: "packing",
        flag: "packing",
        help: "Whether to spare time or bytes where rows are stored: fast (floats as they are), small, or auto: fast on a local disk, small in an object store",
    },
    Setting {
        name: "compaction",
        flag: "compaction",
        help: "Write small, overlapping and partly hidden segments anew in the background",
    },
    Setting {
        name: "keep_versions",
        flag: "keep-versions",
        help: "Keep at least so many versions of each frame; 0: no rule by number. Without this rule and the next, all are kept",
    },
    Setting {
        name: "keep_seconds",
        flag: "keep-seconds",
        help: "Keep what was the newest version at some time in the last so many seconds; 0: no rule by age",
    },
    Setting {
        name: "expiry_seconds",
        flag: "expiry-seconds",
        help: "How often versions of a frame that is written to expire at most, in seconds",
    },
    Setting {
        name: "sweep_grace_seconds",
        flag: "sweep-grace-seconds",
        help: "How long what no version needs is kept for readers in other processes, in seconds",
    },
    Setting {
        name: "query_memory_bytes",
        flag: "query-memory-bytes",
        help: "Memory for sorting, grouping and joining, for all queries together, in bytes",
    },
    Setting {
        name: "query_memory_bytes_each",
        flag: "query-memory-bytes-each",
        help: "What one query may take of the memory for all queries, in bytes",
    },
    Setting {
        name: "query_spill_folder",
        flag: "query-spill-folder",
        help: "Directory for what queries cannot hold in memory; empty for the system's temporary folder",
    },
    Setting {
        name: "query_spill_bytes",
        flag: "query-spill-bytes",
        help: "Disk space for what queries cannot hold in memory, in bytes; 0: they end instead",
    },
    Setting {
        name: "query_seconds",
        flag: "query-seconds",
        help: "How long one query may run, in seconds",
    },
    Setting {
        name: "queries_at_once",
        flag: "queries-at-once",
        help: "How many queries may compute at the same time; further ones wait",
    },
    Setting {
        name: "queries_waiting",
        flag: "queries-waiting",
        help: "How many queries may wait for their turn; further ones are refused",
    },
    Setting {
        name: "query_wait_seconds",
        flag: "query-wait-seconds",
        help: "How long a query may wait for its turn, in seconds",
    },
    Setting {
        name: "remotes",
        flag: "remote",
        help: "Another place that keeps frames: NAME=URL, or NAME=URL;token=env:VARIABLE;ca=file:/path;certificate=file:/path;key=file:/path; as often as needed, in the variable with spaces between them",
    },
    Setting {
        name: "remote_silence_seconds",
        flag: "remote-silence-seconds",
        help: "How long a server at the other end of a transfer may be silent, in seconds; at least 3",
    },
    Setting {
        name: "allow_file_remotes",
        flag: "allow-file-remotes",
        help: "Folders below which callers may define file:// remotes, with `:` between them",
    },
    Setting {
        name: "shutdown_grace_seconds",
        flag: "shutdown-grace-seconds",
        help: "How long running calls may go on once the server was asked to stop, in seconds",
    },
];
