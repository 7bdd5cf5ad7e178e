use std::path::Path;

use carerecord_service::Secret;
use url::Url;

use super::{Client, ClientKind, SignInConfig, demo_accounts, demo_citizens};
use crate::config::DemoSignIn;

/// The provider of the demo: its people, the web portal, and a program that may read, and one of
/// the hospital that may publish as well.
///
/// # Errors
/// When the portal's address cannot have pages below it.
pub fn demo_provider(section: &DemoSignIn, data: &Path) -> Result<SignInConfig, url::ParseError> {
    let web = |path: &str| section.portal.join(path).map(|url: Url| url.to_string());
    Ok(SignInConfig {
        issuer: section.issuer.clone(),
        listen: section.listen.clone(),
        clients: vec![
            Client {
                client_id: "carerecord-web".to_owned(),
                secret: None,
                redirect_uris: vec![web("/sign-in/callback")?],
                post_logout_redirect_uris: vec![web("/signed-out")?],
                logout_uri: Some(web("/sign-in/back-channel-logout")?),
                kind: ClientKind::Portal,
            },
            Client {
                client_id: "demo-system".to_owned(),
                secret: Some(Secret::new("demo-secret")),
                redirect_uris: Vec::new(),
                post_logout_redirect_uris: Vec::new(),
                logout_uri: None,
                kind: ClientKind::System {
                    organisation: "ZEX09".to_owned(),
                    scopes: vec!["system/*.read".to_owned()],
                },
            },
            Client {
                client_id: "demo-source".to_owned(),
                secret: Some(Secret::new("demo-source-secret")),
                redirect_uris: Vec::new(),
                post_logout_redirect_uris: Vec::new(),
                logout_uri: None,
                kind: ClientKind::System {
                    organisation: "ZEX01".to_owned(),
                    scopes: vec!["system/*.read".to_owned(), "system/*.write".to_owned()],
                },
            },
        ],
        accounts: demo_accounts(),
        api_audience: "carerecord-api".to_owned(),
        key_path: data.join("signin-key.pem"),
        access_token_seconds: 900,
    })
}

/// The provider of the demo's citizens, who sign in to the web portal only.
///
/// # Errors
/// When the portal's address cannot have pages below it.
pub fn demo_citizen_provider(
    section: &DemoSignIn,
    data: &Path,
) -> Result<SignInConfig, url::ParseError> {
    let web = |path: &str| section.portal.join(path).map(|url: Url| url.to_string());
    Ok(SignInConfig {
        issuer: section.issuer.clone(),
        listen: section.listen.clone(),
        clients: vec![Client {
            client_id: "carerecord-web".to_owned(),
            secret: None,
            redirect_uris: vec![web("/sign-in/callback")?],
            post_logout_redirect_uris: vec![web("/signed-out")?],
            logout_uri: Some(web("/sign-in/back-channel-logout/nhs-login")?),
            kind: ClientKind::Portal,
        }],
        accounts: demo_citizens(),
        api_audience: "carerecord-api".to_owned(),
        key_path: data.join("citizen-signin-key.pem"),
        access_token_seconds: 900,
    })
}
