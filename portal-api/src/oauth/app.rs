use url::{Host, Url};

use super::config::ClientConfig;

/// What a client has that people use: they say what it may do.
pub(super) struct App {
    /// What people call it.
    pub name: String,
    redirect_uris: Vec<String>,
}

impl App {
    /// The app of a client; `None` of one that has nowhere to send people back to: a system.
    pub fn new(config: &ClientConfig) -> Result<Option<Self>, String> {
        if config.redirect_uris.is_empty() {
            return Ok(None);
        }
        for uri in &config.redirect_uris {
            check(uri).map_err(|what| format!("redirect_uris: {uri:?} {what}"))?;
        }
        let name = config.name.as_deref().map(str::trim).unwrap_or_default();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err("name: people have to be told which app it is, in 1 to 80 letters".into());
        }
        if config.may_introspect {
            return Err("may_introspect: apps are no resource servers".to_owned());
        }
        let redirect_uris = config.redirect_uris.clone();
        Ok(Some(Self { name: name.to_owned(), redirect_uris }))
    }

    /// Whether people may be sent there: it is one of them, letter by letter. RFC 9700: 2.1.
    pub fn has(&self, redirect_uri: &str) -> bool {
        self.redirect_uris.iter().any(|uri| uri == redirect_uri)
    }
}

/// An address that codes may be sent to. RFC 6749: 3.1.2; RFC 8252: 7.3.
fn check(uri: &str) -> Result<(), String> {
    let url = Url::parse(uri).map_err(|_| "is no absolute address".to_owned())?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("is no absolute address".to_owned()),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err("must be https, or http to the app's own machine (127.0.0.1)".to_owned()),
    }
    if url.fragment().is_some() {
        return Err("must have no fragment".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must name no user".to_owned());
    }
    if uri.contains('*') {
        return Err("must be one address: there are no patterns".to_owned());
    }
    if url.as_str() != uri {
        return Err(format!("must be written as {url}"));
    }
    Ok(())
}

const MAX_NAME: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_one_address_that_nobody_else_can_have() {
        for good in [
            "https://app.example/callback",
            "https://app.example/callback?tenant=1",
            "http://127.0.0.1:9000/callback",
            "http://[::1]/callback",
            "http://localhost:9000/",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("http://app.example/callback", "https"),
            ("http://127.0.0.1.example/callback", "https"),
            ("javascript:alert(1)", "absolute"),
            ("org.example.app:/callback", "absolute"),
            ("/callback", "absolute"),
            ("https://app.example/callback#", "fragment"),
            ("https://app.example/callback#x", "fragment"),
            ("https://me@app.example/callback", "user"),
            ("https://*.app.example/callback", "pattern"),
            ("https://app.example/*", "pattern"),
            ("https://app.example", "written as https://app.example/"),
            ("HTTPS://App.Example/callback", "written as"),
            ("https://app.example/a/../callback", "written as"),
        ] {
            let told = check(bad).unwrap_err();
            assert!(told.contains(why), "{bad}: {told}");
        }
    }
}
