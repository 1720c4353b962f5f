//! The keys of a `gohan.yaml`: those that this server follows, and those of
//! Gohan that change nothing here.

/// One section's keys.
pub(super) struct Keys {
    /// Followed, or refused with a reason of their own.
    pub(super) known: &'static [&'static str],
    /// Gohan's: accepted with a warning. The second text says why the key
    /// means nothing, or where its meaning went.
    pub(super) ignored: &'static [(&'static str, &'static str)],
}

const NO_EXTENSIONS: &str = "extensions in JavaScript or Go are not run";
const ONE_WRITER: &str = "the embedded store takes care of it";

/// The top level.
pub(super) const TOP: Keys = Keys {
    known: &[
        "database",
        "key_file",
        "schemas",
        "address",
        "auth",
        "tokens",
        "hosts",
        "tls",
        "limits",
        "gobgpd",
        "document_root",
        "etcd",
        "cluster",
        "keystone",
        "cors",
        "logging",
        "audit",
    ],
    ignored: &[
        ("amqp", "no event is sent over AMQP: use ?watch=true"),
        ("cron", NO_EXTENSIONS),
        ("editable_schema", "schemas change with their files"),
        ("etcd_timeout_ms", "each call has a limit of its own"),
        ("extension", NO_EXTENSIONS),
        ("metrics", "metrics are always at /metrics"),
        ("profiling", "no profiler is built in"),
        ("snmp", "no SNMP trap is received"),
        ("ssh", NO_EXTENSIONS),
        ("sync", "the store is watched directly"),
        ("watch", "the store is watched directly"),
        ("webui_config", "no web UI is built in"),
        ("workers", NO_EXTENSIONS),
    ],
};

/// `database`.
pub(super) const DATABASE: Keys = Keys {
    known: &["type", "connection"],
    ignored: &[
        ("auto_migrate", ONE_WRITER),
        ("cascade_delete", "the schemas' cascades hold"),
        ("deadlock_retry_tx", ONE_WRITER),
        ("drop_on_create", "nothing is ever dropped on start"),
        ("initial_data", "load it through the API"),
        ("legacy", ONE_WRITER),
        ("max_open_conn", ONE_WRITER),
        ("migrations", ONE_WRITER),
        ("no_init", ONE_WRITER),
    ],
};

/// `etcd`, where it is a mapping.
pub(super) const ETCD: Keys = Keys {
    known: &[
        "endpoints",
        "prefix",
        "user",
        "password",
        "password_file",
        "ca_file",
        "cert_file",
        "key_file",
    ],
    ignored: &[],
};

/// `cluster`.
pub(super) const CLUSTER: Keys = Keys {
    known: &["role", "lease"],
    ignored: &[],
};

/// `tls`.
pub(super) const TLS: Keys = Keys {
    known: &["enabled", "key_file", "cert_file", "client_ca_file"],
    ignored: &[],
};

/// `limits`.
pub(super) const LIMITS: Keys = Keys {
    known: &[
        "connections",
        "connections_per_peer",
        "handshake_timeout",
        "head_timeout",
        "body_timeout",
        "request_timeout",
        "stall_timeout",
        "head_bytes",
        "headers",
        "url_bytes",
        "body_bytes",
        "nesting",
        "requests_per_second",
        "watches",
        "failed_logins_per_minute",
    ],
    ignored: &[],
};

/// `gobgpd`.
pub(super) const GOBGPD: Keys = Keys {
    known: &["tls"],
    ignored: &[],
};

/// `gobgpd.tls`.
pub(super) const GOBGPD_TLS: Keys = Keys {
    known: &[
        "enabled",
        "ca_file",
        "cert_file",
        "key_file",
        "server_name",
        "without",
    ],
    ignored: &[],
};

/// `tokens`.
pub(super) const TOKENS: Keys = Keys {
    known: &["max_age"],
    ignored: &[],
};

/// `keystone`.
pub(super) const KEYSTONE: Keys = Keys {
    known: &[
        "use_keystone",
        "fake",
        "auth_url",
        "user_name",
        "tenant_name",
        "domain_name",
        "password",
        "password_file",
        "application_credential_id",
        "application_credential_secret",
        "application_credential_secret_file",
        "version",
        "use_auth_cache",
        "cache_ttl",
        "ca_file",
    ],
    ignored: &[],
};

/// `audit`.
pub(super) const AUDIT: Keys = Keys {
    known: &[
        "enabled", "file", "max_size", "keep", "syslog", "reads", "heads",
    ],
    ignored: &[],
};

/// `logging`.
pub(super) const LOGGING: Keys = Keys {
    known: &["stderr", "file"],
    ignored: &[],
};

/// `logging.stderr`.
pub(super) const STDERR: Keys = Keys {
    known: &["enabled", "level", "format"],
    ignored: &[("modules", "levels by module come from the environment")],
};

/// `logging.file`.
pub(super) const LOG_FILE: Keys = Keys {
    known: &["enabled", "level", "format", "filename"],
    ignored: &[("modules", "levels by module come from the environment")],
};
