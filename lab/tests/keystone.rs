//! The client of Keystone against a real one.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Url;
use sdwan_keystone::credentials::{ApplicationCredential, Domain, Target};
use sdwan_keystone::token::Scope;
use sdwan_keystone::{Credentials, Error, Interface, Keystone as Client, Options};
use sdwan_lab::harness;
use sdwan_lab::keystone::{Keystone, REGION, named, password_for};
use secrecy::{ExposeSecret as _, SecretString};

fn client(url: &str) -> Result<Client> {
    Ok(Client::new(&url.parse::<Url>()?, Options::default())?)
}

/// What a refused login says.
async fn refused(client: &Client, credentials: &Credentials) -> Result<String> {
    match client.login(credentials).await {
        Err(error @ Error::Refused { .. }) => Ok(error.to_string()),
        other => anyhow::bail!("it should be refused: {other:?}"),
    }
}

#[test]
fn whoever_is_known_logs_in_for_what_is_his() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let client = keystone.client()?;
        let project = keystone.project("blue").await?;
        let user = keystone.user("op", "correct-horse").await?;
        let place = format!("projects/{project}");
        keystone.grant(&user, "operator", &place).await?;
        let login = |target| password_for("op", "correct-horse", target);
        let blue = || Target::Project(named("blue"));

        // A project, by a password.
        let session = client.login(&login(blue())).await?;
        let token = &session.token_data;
        ensure!(
            token.user.id == user && token.user.name == "op",
            "{token:?}"
        );
        ensure!(token.roles.contains(&"operator".to_owned()), "{token:?}");
        ensure!(token.methods == ["password"], "{token:?}");
        let Scope::Project { id, name, domain } = &token.scope else {
            anyhow::bail!("{:?}", token.scope);
        };
        ensure!(*id == project && name == "blue" && domain.name == "Default");
        let identity = token
            .catalog
            .endpoint("identity", Some(REGION), Interface::Public)?;
        ensure!(identity == keystone.auth_url(), "{identity}");

        // Nothing, then from there the project: what a token proves goes on.
        let unscoped = client.login(&login(Target::Unscoped)).await?;
        ensure!(unscoped.token_data.scope == Scope::Unscoped);
        ensure!(unscoped.token_data.catalog.is_empty());
        let rescoped = Credentials::Token {
            token: unscoped.token.clone(),
            target: blue(),
        };
        let rescoped = client.login(&rescoped).await?;
        ensure!(rescoped.token_data.scope == token.scope);
        ensure!(rescoped.token_data.methods.contains(&"token".to_owned()));

        // The domain and the system, once there is a role.
        let domain = || Target::Domain(Domain::Id("default".to_owned()));
        for (target, place) in [(domain(), "domains/default"), (Target::System, "system")] {
            let text = refused(&client, &login(target.clone())).await?;
            ensure!(text.contains("no role on"), "{text}");
            keystone.grant(&user, "reader", place).await?;
            let session = client.login(&login(target.clone())).await?;
            let scope = &session.token_data.scope;
            let right = match target {
                Target::System => *scope == Scope::System,
                _ => matches!(scope, Scope::Domain(domain) if domain.id == "default"),
            };
            ensure!(right, "{scope:?}");
            ensure!(session.token_data.roles.contains(&"reader".to_owned()));
        }

        // An application credential, by its id and by its name.
        let id = keystone
            .application_credential(&session, "ci", "battery")
            .await?;
        let by_name = ApplicationCredential::Name {
            name: "ci".to_owned(),
            user: named("op"),
        };
        for credential in [ApplicationCredential::Id(id), by_name] {
            let with = |secret: &str| Credentials::ApplicationCredential {
                credential: credential.clone(),
                secret: secret.into(),
            };
            let session = client.login(&with("battery")).await?;
            ensure!(session.token_data.scope == token.scope);
            ensure!(session.token_data.methods == ["application_credential"]);
            let text = refused(&client, &with("wrong")).await?;
            ensure!(text.contains("its secret is wrong"), "{text}");
        }

        // What is wrong is named as far as Keystone tells, and no secret is.
        for (credentials, words) in [
            (
                password_for("op", "not-this-one", blue()),
                "user op (domain default)",
            ),
            (
                login(Target::Project(named("red"))),
                "no role on project red",
            ),
        ] {
            let text = refused(&client, &credentials).await?;
            ensure!(
                text.contains(words) && text.contains(&keystone.auth_url()),
                "{text}"
            );
            ensure!(!text.contains("not-this-one"), "{text}");
        }
        Ok(())
    });
}

#[test]
fn a_token_of_somebody_else_is_judged() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let mut keystone = Keystone::start().await?;
        let client = keystone.client()?;
        let project = keystone.project("blue").await?;
        let user = keystone.user("op", "correct-horse").await?;
        let place = format!("projects/{project}");
        keystone.grant(&user, "member", &place).await?;
        let op = password_for("op", "correct-horse", Target::Project(named("blue")));
        let own = client.login(&keystone.admin()).await?.token;
        let his = client.login(&op).await?.token;

        let token = client.validate(&own, &his).await?.context("it is valid")?;
        ensure!(
            token.user.id == user && token.catalog.is_empty(),
            "{token:?}"
        );
        ensure!(token.roles.contains(&"member".to_owned()), "{token:?}");

        // No token at all: some are not even worth a question.
        for bad in [
            "nonsense",
            "",
            "two words",
            "naïve",
            &"x".repeat(9000),
            "gAAAAABm",
        ] {
            ensure!(client.validate(&own, &bad.into()).await?.is_none(), "{bad}");
        }
        // One's own that is of no use, or that may not ask.
        let nobody = SecretString::from("nonsense");
        let error = client.validate(&nobody, &his).await;
        ensure!(matches!(error, Err(Error::OwnToken { .. })), "{error:?}");
        let error = client.validate(&his, &own).await;
        ensure!(matches!(error, Err(Error::Forbidden { .. })), "{error:?}");

        // Revoked, by an administrator and by himself.
        keystone.revoke(&his).await?;
        ensure!(client.validate(&own, &his).await?.is_none());
        let his = client.login(&op).await?.token;
        client.revoke(&his).await?;
        client.revoke(&his).await?;
        ensure!(client.validate(&own, &his).await?.is_none());
        // Worth nothing since the role that it stands for is gone.
        let his = client.login(&op).await?.token;
        keystone.take_away(&user, "member", &place).await?;
        ensure!(client.validate(&own, &his).await?.is_none());

        // Away, and back.
        keystone.stop()?;
        let error = client.validate(&own, &his).await.err().context("away")?;
        ensure!(error.is_transient(), "{error}");
        ensure!(error.to_string().contains("refused"), "{error}");
        keystone.go_on().await?;
        ensure!(client.validate(&own, &own).await?.is_some());
        Ok(())
    });
}

#[test]
fn a_token_expires() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start_with(Duration::from_secs(20)).await?;
        let client = keystone.client()?;
        let session = client.login(&keystone.admin()).await?;
        // Its end is told, in whole seconds of Keystone's clock, which is ours.
        let left = session.expires.duration_since(jiff::Timestamp::now());
        ensure!(left.as_secs() <= 20 && !session.token_data.is_expired(jiff::Timestamp::now()));
        let end = tokio::time::Instant::now() + Duration::from_secs(120);
        loop {
            let own = client.login(&keystone.admin()).await?.token;
            match client.validate(&own, &session.token).await? {
                None => break,
                Some(_) => ensure!(tokio::time::Instant::now() < end, "it does not expire"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        ensure!(session.token_data.is_expired(jiff::Timestamp::now()));
        let error = client.validate(&session.token, &session.token).await;
        ensure!(matches!(error, Err(Error::OwnToken { .. })), "{error:?}");
        Ok(())
    });
}

#[test]
fn every_url_that_people_have_leads_to_v3() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let keystone = Keystone::start().await?;
        let root = keystone.root_url();
        for path in ["", "/", "/v3", "/v3/", "/v2.0", "/v2.0/"] {
            let client = client(&format!("{root}{path}"))?;
            let warned = client.warnings().join(" ");
            ensure!(
                warned.contains("v2.0") == path.starts_with("/v2.0"),
                "{path}: {warned}"
            );
            let session = client.login(&keystone.admin()).await?;
            ensure!(!session.token.expose_secret().is_empty());
            ensure!(
                client.url().as_str() == keystone.auth_url(),
                "{}",
                client.url()
            );
        }
        let elsewhere = client(&format!("{root}/nowhere"))?;
        let error = elsewhere
            .login(&keystone.admin())
            .await
            .err()
            .context("nobody")?;
        ensure!(matches!(error, Error::NotKeystone { .. }), "{error}");
        Ok(())
    });
}
