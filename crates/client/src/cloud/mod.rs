//! Who the user is at a Keystone, and how to reach it, as OpenStack's own
//! clients are told: by variables (`OS_*`), by a named cloud of `clouds.yaml`,
//! by flags.
//!
//! Each of these is a [`Layer`] of settings under the names of `clouds.yaml`;
//! flags go over the named cloud, the cloud over the environment.

mod file;
mod layer;
mod pick;

pub(crate) use layer::Layer;

use crate::error::Error;
use layer::Layers;
use reqwest::Url;
use sdwan_http::Tls;
use sdwan_keystone::{Credentials, Interface};
use secrecy::SecretString;

/// What the command line says, over all else.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct CloudArguments {
    /// A cloud of clouds.yaml; also OS_CLOUD
    #[arg(long, value_name = "NAME", display_order = 110)]
    pub os_cloud: Option<String>,
    /// Log in to Keystone for this project; also OS_PROJECT_NAME
    #[arg(long, value_name = "NAME", display_order = 110)]
    pub os_project_name: Option<String>,
    /// The region to look the server up in; also GOHAN_REGION, OS_REGION_NAME
    #[arg(long, value_name = "NAME", display_order = 110)]
    pub os_region_name: Option<String>,
    /// Authorities (PEM) to trust, instead of the system's; also OS_CACERT
    #[arg(long, value_name = "FILE", display_order = 110)]
    pub os_cacert: Option<String>,
}

/// All of it, put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cloud {
    /// Where Keystone is.
    pub(crate) auth_url: Option<Url>,
    /// What to prove oneself with.
    pub(crate) proof: Proof,
    /// Where to look services up.
    pub(crate) region: Option<String>,
    /// Which of a service's endpoints to take.
    pub(crate) interface: Interface,
    /// How to speak TLS, with Keystone and with what its catalog names.
    pub(crate) tls: Tls,
}

/// What there is to prove oneself with.
#[derive(Clone, Debug, Default)]
pub(crate) enum Proof {
    /// Nothing.
    #[default]
    None,
    /// A token, sent as it is.
    Token {
        /// The token.
        token: SecretString,
        /// For another scope than it has, Keystone is asked.
        target: sdwan_keystone::credentials::Target,
    },
    /// What Keystone gives a token for.
    Credentials(Credentials),
    /// All but the password, which can be asked for.
    WithoutPassword(Credentials),
}

impl Cloud {
    /// Reads `clouds.yaml` where a cloud is named.
    ///
    /// # Errors
    /// [`Error::Usage`]: what is wrong, and where it stands.
    pub(crate) fn read(arguments: &CloudArguments, environment: &Layer) -> Result<Self, Error> {
        let name = arguments.os_cloud.as_deref();
        let named = match name.or(environment.get("cloud")) {
            Some(name) => Some(file::cloud(name, &file::Places::of(environment))?),
            None => None,
        };
        let flags = Layer::flags(arguments);
        let layers = [Some(flags), named, Some(environment.clone())];
        pick::pick(&Layers(layers.into_iter().flatten().collect())).map_err(Error::Usage)
    }
}
