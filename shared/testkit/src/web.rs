use reqwest::header::{COOKIE, LOCATION, REFRESH, SET_COOKIE};

use crate::fhir::{between, form, post};
use crate::{Deployment, Role};

/// A browser without a window: it keeps cookies and follows no redirect by itself.
pub struct Browser {
    http: reqwest::Client,
    portal: String,
    cookie: String,
}

impl Browser {
    /// Signs in to the web portal as one of the demo's people.
    pub async fn sign_in(deployment: &Deployment, account: &str) -> Self {
        let issuer = deployment.url(Role::SignIn, "");
        Self::sign_in_at(deployment, "/sign-in", &issuer, account, "/search").await
    }

    /// The same as one of the demo's citizens.
    pub async fn sign_in_citizen(deployment: &Deployment, account: &str) -> Self {
        let issuer = deployment.citizen_issuer();
        Self::sign_in_at(deployment, "/sign-in?with=nhs-login", &issuer, account, "/mine").await
    }

    async fn sign_in_at(
        deployment: &Deployment,
        begin: &str,
        issuer: &str,
        account: &str,
        first: &str,
    ) -> Self {
        let mut browser = Self::new(deployment);
        let at_provider = browser.follow(begin).await;
        let after = browser.choose(&at_provider, issuer, account).await;
        assert_eq!(after, first, "signed in");
        browser
    }

    /// One that has been nowhere.
    pub fn new(deployment: &Deployment) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { http, portal: deployment.url(Role::Portal, ""), cookie: String::new() }
    }

    /// Chooses an account on the page of the provider: where the portal leads then.
    async fn choose(&mut self, at_provider: &str, issuer: &str, account: &str) -> String {
        let page = self.http.get(at_provider).send().await.unwrap().text().await.unwrap();
        let transaction = between(&page, "name=\"transaction\" value=\"", "\"");
        let choice = form(&[("transaction", transaction), ("account", account)]);
        let address = format!("{issuer}/authorize");
        let chosen = post(&self.http, &address, choice).send().await.unwrap();
        let back = chosen.headers()[LOCATION].to_str().unwrap().to_owned();
        self.follow(back.strip_prefix(&self.portal).unwrap()).await
    }

    /// Goes where a record system opens the portal, by its authorization server: the path on which it
    /// comes back.
    pub async fn launched(&mut self, path: &str) -> String {
        let at_system = self.follow(path).await;
        let answer = self.http.get(&at_system).send().await.unwrap();
        let back = answer.headers()[LOCATION].to_str().unwrap();
        back.strip_prefix(&self.portal).unwrap().to_owned()
    }

    /// Comes back from a record system and signs in as one of the demo's people: where the portal
    /// leads then.
    pub async fn signed_in(
        &mut self,
        deployment: &Deployment,
        back: &str,
        account: &str,
    ) -> String {
        let at_provider = self.follow(back).await;
        let issuer = deployment.url(Role::SignIn, "");
        self.choose(&at_provider, &issuer, account).await
    }

    /// The same, and goes on to the patient: the path of the list.
    pub async fn opened(&mut self, deployment: &Deployment, back: &str, account: &str) -> String {
        let after = self.signed_in(deployment, back, account).await;
        self.follow(&after).await
    }

    /// Looks for a patient: the path of the list.
    pub async fn find(&mut self, number: &str) -> String {
        let (_, page) = self.get("/search").await;
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        let fields = form(&[("csrf", csrf), ("nhs_number", number)]);
        let url = format!("{}/patient/find", self.portal);
        let answer = post(&self.http, &url, fields).header(COOKIE, &self.cookie);
        let answer = answer.send().await.unwrap();
        self.keep(&answer);
        answer.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    /// The cookie of the session, as it is sent.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// A page.
    pub async fn get(&mut self, path: &str) -> (u16, String) {
        let answer = self.ask(path).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Sends the form of a page, with its hidden token: the status, and the page that comes.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        self.submit_to(path, path, fields).await
    }

    /// Sends a form of a page to another address.
    pub async fn submit_to(
        &mut self,
        page: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (u16, String) {
        let (_, page) = self.get(page).await;
        // The last form is the page's own; others are of the frame around it.
        let own = page.rsplit("name=\"csrf\" value=\"").next().unwrap_or_default();
        let csrf = own.split('"').next().unwrap_or_default();
        let fields = [&[("csrf", csrf)], fields].concat();
        self.post(path, &fields).await
    }

    /// Sends a form as it is.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let answer = self.send(path, fields).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Sends the form of a page, with its hidden token: where the page that comes goes on to by itself.
    pub async fn led_by(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let (_, page) = self.get(path).await;
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        let fields = [&[("csrf", csrf)], fields].concat();
        refreshed(&self.send(path, &fields).await)
    }

    /// Where a page goes on to by itself.
    pub async fn led(&mut self, path: &str) -> String {
        refreshed(&self.ask(path).await)
    }

    async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
        let url = format!("{}{path}", self.portal);
        let answer = post(&self.http, &url, form(fields)).header(COOKIE, &self.cookie);
        let answer = answer.send().await.unwrap();
        self.keep(&answer);
        answer
    }

    async fn follow(&mut self, path: &str) -> String {
        let answer = self.ask(path).await;
        let location = answer.headers().get(LOCATION).map(|l| l.to_str().unwrap().to_owned());
        location.unwrap_or_else(|| panic!("{} leads nowhere: {}", path, answer.status()))
    }

    async fn ask(&mut self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.portal));
        let answer = request.header(COOKIE, &self.cookie).send().await.unwrap();
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &reqwest::Response) {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = pair.to_owned();
        }
    }
}

fn refreshed(answer: &reqwest::Response) -> String {
    let refresh = answer.headers().get(REFRESH).map(|refresh| refresh.to_str().unwrap());
    let address = refresh.and_then(|refresh| refresh.strip_prefix("0; url="));
    address.unwrap_or_else(|| panic!("it goes on nowhere: {}", answer.status())).to_owned()
}
