//! The command line's shape; what it does is elsewhere.

use clap::{Args, Parser, Subcommand};
use sdwan_agent::announce::Redistribute;
use sdwan_agent::fib::Mark;
use sdwan_client::{CloudArguments, Format};
use sdwan_server::cluster::{self, Role};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// An SD-WAN orchestrator for GoBGP.
#[derive(Debug, Parser)]
#[command(
    version,
    about = "An SD-WAN orchestrator for GoBGP: declare routers, neighbors and policies, and every gobgpd is put and kept in that state",
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the orchestrator: API, reconciler and monitor
    Server(Server),
    /// Packets follow BGP: put a gobgpd's best routes into the kernel's table
    Agent(Agent),
    /// Resources: `client router list`, `client neighbor create ...`
    #[command(disable_help_flag = true)]
    Client {
        /// Kind, verb and their flags; see `client --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// What a pass would do now, each step with its disturbance
    Plan {
        /// Id or host name; every router when left out
        router: Option<String>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        remote: Remote,
    },
    /// A router's table, as `gobgp global rib` prints it
    Rib {
        /// Id or host name
        router: String,
        /// Only the routes for this prefix and longer ones
        prefix: Option<String>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        remote: Remote,
    },
    /// Observe and plan, but send nothing
    Hold {
        /// Id or host name; every router when left out
        router: Option<String>,
        /// For whoever wonders later
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// The servers on one etcd, and which router is whose
    Cluster {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        remote: Remote,
    },
    /// Log in to the server, and keep the token until it ends or `logout`
    Login {
        /// A token of the server's own, in the first line of a file; - is stdin. Without it, Keystone gives one, or it
        /// is asked for
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Forget the login at the server
    Logout {
        #[command(flatten)]
        remote: Remote,
    },
    /// Who did what, on the server that is asked
    Audit(Audit),
    /// End a hold
    Resume {
        /// Id or host name; the hold on every router when left out
        router: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Tokens that `auth: tokens` knows callers by: make, list and revoke them
    #[command(subcommand)]
    Token(Token),
    /// Where everything is kept: back it up, move it, check it
    #[command(subcommand)]
    Store(Store),
    /// Completions for a shell, on stdout, with the server's kinds
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) verify: Option<AuditVerb>,
    /// Not before: a time such as 2026-11-23T10:00:00Z, or so long ago, e.g. 2h or 3d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<String>,
    /// Not after; likewise
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<String>,
    /// Id or name of who did it
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) caller: Option<String>,
    /// What kind it was done to: router, neighbor, hold, ...
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Id or name of what it was done to
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) id: Option<String>,
    /// How it ended: done, refused, failed or unknown
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// The newest so many entries; 100 if not given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: Option<u16>,
    /// Stay, and show what comes
    #[arg(long, conflicts_with = "until")]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Check that the files of an audit are what the server wrote. Exit code 1 if not
    Verify {
        /// The file and the full ones beside it
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Logs that have the published heads in them; may be repeated
        #[arg(long, value_name = "FILE")]
        heads: Vec<PathBuf>,
        /// The file with the key of the server's secrets
        #[arg(long, value_name = "FILE", default_value = "./sdwan.db.key")]
        key_file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make one; it is printed once and can't be shown again
    Create {
        /// What people call it
        #[arg(long)]
        name: String,
        /// What its bearer may do: admin, operator, reader, or a role of the policies; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<String>,
        /// The tenant that its bearer calls for
        #[arg(long)]
        tenant: Option<String>,
        /// For how long it is good, e.g. 30d or 12h; for ever if not given
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        remote: Remote,
    },
    /// All of them, without their secrets
    List {
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        remote: Remote,
    },
    /// From now on it is refused, on every server
    Revoke {
        /// Its id or its name, as `token list` shows them
        #[arg(value_name = "ID|NAME")]
        token: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// A consistent copy of the database while the server runs
    Backup {
        /// The server's database
        #[arg(long, value_name = "FILE", default_value = "./sdwan.db")]
        database: PathBuf,
        /// The copy; must not exist yet
        to: PathBuf,
    },
    /// All that a store holds as text, while the server runs: to keep it, or to move to another store
    Dump {
        #[command(flatten)]
        place: Place,
        /// The dump; must not exist yet. stdout when left out
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Put a dump into an empty store; every router is then on hold
    Restore {
        #[command(flatten)]
        place: Place,
        /// The dump; stdin when left out
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Read all that a store holds and name what is wrong with it, while the server runs. Exit code 1 if something is
    Check {
        #[command(flatten)]
        place: Place,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// A server's configuration: where its store is and which kinds it has. Without it: ./sdwan.db, the built-in kinds
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// The database's file, over the configuration's
    #[arg(long, value_name = "FILE", conflicts_with = "etcd")]
    pub(crate) database: Option<PathBuf>,
    /// Members of the etcd that is the store, over the configuration's
    #[arg(long, value_name = "URL[,URL]", value_delimiter = ',')]
    pub(crate) etcd: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Configuration in gohan.yaml's shape; without it: ./sdwan.db, 127.0.0.1:9998
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// Where the API listens, over the file's `address`
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
    /// The database's file, over the configuration's
    #[arg(long, value_name = "FILE")]
    pub(crate) database: Option<PathBuf>,
    /// Members of the etcd that is the store, e.g. http://192.0.2.1:2379; over the configuration's
    #[arg(
        long,
        value_name = "URL[,URL]",
        value_delimiter = ',',
        conflicts_with = "database"
    )]
    pub(crate) etcd: Option<Vec<String>>,
    /// What this server does, where etcd is the store: api, worker, or all
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// For how many seconds its routers wait for another server when it dies, where etcd is the
    /// store; 10 if not given
    #[arg(long, value_name = "SECONDS", value_parser = lease)]
    pub(crate) lease: Option<Duration>,
    /// The file with the key of the secrets; if not given: DATABASE.key, with etcd ./sdwan.key
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The store's key is lost: go on with another, and set every secret again
    #[arg(long)]
    pub(crate) replace_key: bool,
    /// Whom to listen to: none (whoever reaches the address) or tokens (whoever has one, see
    /// `sdwan token`); a configuration says it itself
    #[arg(long, value_name = "WHAT", conflicts_with = "config_file")]
    pub(crate) auth: Option<String>,
    /// Every admin's token is lost: make one more, and leave it in DATABASE.admin-token, with etcd
    /// ./sdwan.admin-token
    #[arg(long)]
    pub(crate) new_admin_token: bool,
    /// Listen where other machines can reach it although nobody is asked who they are
    #[arg(long)]
    pub(crate) insecure: bool,
    /// How to log on stderr: text or json
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// The gobgpd's API: HOST, HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    pub(crate) gobgpd: String,
    /// Speak TLS with gobgpd, whose certificate an authority of this file has signed
    #[arg(long, value_name = "FILE")]
    pub(crate) gobgpd_ca_file: Option<PathBuf>,
    /// The name that gobgpd's certificate has, if not the host of --gobgpd
    #[arg(long, value_name = "NAME", requires = "gobgpd_ca_file")]
    pub(crate) gobgpd_server_name: Option<String>,
    /// A certificate for gobgpd, if it asks for one
    #[arg(
        long,
        value_name = "FILE",
        requires = "gobgpd_ca_file",
        requires = "gobgpd_key_file"
    )]
    pub(crate) gobgpd_cert_file: Option<PathBuf>,
    /// That certificate's key
    #[arg(long, value_name = "FILE", requires = "gobgpd_cert_file")]
    pub(crate) gobgpd_key_file: Option<PathBuf>,
    /// The kernel's table for the routes: a number, or main
    #[arg(long, value_name = "TABLE", default_value = "main", value_parser = table)]
    pub(crate) table: u32,
    /// The routes' protocol number; one that nobody else uses
    #[arg(long, value_name = "NUMBER", default_value_t = Mark::DEFAULT.protocol, value_parser = clap::value_parser!(u8).range(5..))]
    pub(crate) protocol: u8,
    /// The routes' metric; routes with a lower one are preferred
    #[arg(long, value_name = "NUMBER", default_value_t = Mark::DEFAULT.metric, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) metric: u32,
    /// For how many seconds routes stay that a restarted gobgpd has not confirmed
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) hold: u32,
    /// Announce the kernel's routes: connected, static, or one prefix; may be repeated
    #[arg(long, value_name = "WHAT")]
    pub(crate) redistribute: Vec<Redistribute>,
    /// Where /metrics, /healthz and /status are served; none for nowhere
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9179", value_parser = listen)]
    pub(crate) listen: Listen,
    /// Report to this orchestrator, e.g. http://192.168.200.1:9998; not with --once
    #[arg(long, value_name = "URL", env = "GOHAN_ENDPOINT_URL")]
    pub(crate) server: Option<String>,
    /// As which router, by its host_name or id there; this machine's host name if not given
    #[arg(long, value_name = "NAME", requires = "server")]
    pub(crate) router: Option<String>,
    #[command(flatten)]
    pub(crate) cloud: CloudArguments,
    /// Bring the kernel in step with one look at gobgpd, then end
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: only print what would change. Exit code 3 if something would
    #[arg(long, requires = "once")]
    pub(crate) dry_run: bool,
    /// How to log on stderr
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// Where to listen, if anywhere.
pub(crate) type Listen = Option<SocketAddr>;

fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "none" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "expected ADDRESS:PORT or none".to_owned()),
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 30d, 12h or 90m");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let life = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())?;
    let life = Duration::try_from(life).map_err(|_| wrong())?;
    match life.as_secs() {
        0 => Err("it must be a second at least".to_owned()),
        _ => Ok(life),
    }
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<String, String> {
    let ago = |text: &str| {
        let span: jiff::Span = text.parse().ok()?;
        let moment = jiff::Zoned::now().checked_sub(span).ok()?;
        Some(moment.timestamp())
    };
    let moment = text.parse().ok().or_else(|| ago(text));
    let moment = moment.ok_or("expected a time such as 2026-11-23T10:00:00Z, or 2h, or 3d")?;
    Ok(moment.to_string())
}

fn lease(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "it must be whole seconds");
    cluster::lease(seconds?)
}

/// 0 stands for whatever the kernel thinks best, 255 is its own.
fn table(text: &str) -> Result<u32, String> {
    match text {
        "main" => Ok(sdwan_agent::kernel::MAIN),
        text => match text.parse() {
            Ok(0 | 255) | Err(_) => {
                Err("expected main or a number other than 0 and 255".to_owned())
            }
            Ok(number) => Ok(number),
        },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For eyes
    Text,
    /// A JSON object a line
    Json,
}

/// How the verbs that show something print it.
#[derive(Debug, Args)]
pub(crate) struct Output {
    #[arg(short, long, value_enum, value_name = "FORMAT", help = Format::HELP, hide_possible_values = true)]
    pub(crate) output_format: Option<Format>,
}

/// Options of the verbs that ask a server.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The server; also GOHAN_ENDPOINT_URL
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Show requests on stderr
    #[arg(long, value_name = "0-3", value_parser = clap::value_parser!(u8).range(0..=3))]
    pub(crate) verbosity: Option<u8>,
    #[command(flatten)]
    pub(crate) cloud: CloudArguments,
}
