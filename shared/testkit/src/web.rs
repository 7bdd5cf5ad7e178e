use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};

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
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let portal = deployment.url(Role::Portal, "");
        let mut browser = Self { http, portal, cookie: String::new() };
        let at_provider = browser.follow("/sign-in").await;
        let page = browser.http.get(&at_provider).send().await.unwrap().text().await.unwrap();
        let transaction = between(&page, "name=\"transaction\" value=\"", "\"");
        let choice = form(&[("transaction", transaction), ("account", account)]);
        let address = deployment.url(Role::SignIn, "/authorize");
        let chosen = post(&browser.http, &address, choice).send().await.unwrap();
        let back = chosen.headers()[LOCATION].to_str().unwrap().to_owned();
        let after = browser.follow(back.strip_prefix(&browser.portal).unwrap()).await;
        assert_eq!(after, "/search", "signed in");
        browser
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
        let (_, page) = self.get(path).await;
        // The last form is the page's own; others are of the frame around it.
        let own = page.rsplit("name=\"csrf\" value=\"").next().unwrap_or_default();
        let csrf = own.split('"').next().unwrap_or_default();
        let fields = form(&[&[("csrf", csrf)], fields].concat());
        let url = format!("{}{path}", self.portal);
        let answer = post(&self.http, &url, fields).header(COOKIE, &self.cookie);
        let answer = answer.send().await.unwrap();
        self.keep(&answer);
        (answer.status().as_u16(), answer.text().await.unwrap())
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
