//! A run: every step of every test, in order, with the memory of what was before.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use sxd_document::Package;
use sxd_document::dom::Element;

use crate::dom::{attr, child, children, local, named, parse, replace, root, text, write, xpath};
use crate::judge::{self, Expected};
use crate::memory::{Memory, StepLog};
use crate::plan::{Test, Tests};
use crate::substitute::{self, Place};
use crate::transact::{self, Answer};
use crate::{ebrim3, envelope};

/// Where the server is, and how it is fed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The registry's URL.
    pub registry: String,
    /// The repository's URL.
    pub repository: String,
    /// Host and port of the patient feed over MLLP.
    pub mllp: Option<String>,
    /// Where a registry of this product takes patients when there is no MLLP.
    pub peer_patient: Option<String>,
    /// The authority of patient identifiers.
    pub authority: String,
    /// `homeCommunityId` of the server.
    pub home: String,
    /// `repositoryUniqueId` of the server's repository.
    pub repository_id: String,
    /// Where the exchanges of failures go.
    pub out: Option<PathBuf>,
}

/// What became of a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Not as expected, and why.
    Failed(String),
    /// Not run, and why.
    NotRun(String),
}

/// A step and what became of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `test/section/step`.
    pub step: String,
    /// What the test belongs to.
    pub group: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// The outcomes of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of running.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many failed.
    pub fn failures(&self) -> usize {
        self.outcomes.iter().filter(|o| matches!(o.verdict, Verdict::Failed(_))).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for outcome in &self.outcomes {
            let column = match outcome.verdict {
                Verdict::Passed => 0,
                Verdict::Failed(_) => 1,
                Verdict::NotRun(_) => 2,
            };
            groups.entry(&outcome.group).or_default()[column] += 1;
        }
        writeln!(f, "{:<20} {:>7} {:>7} {:>8}", "group", "passed", "failed", "not run")?;
        for (group, [passed, failed, not_run]) in groups {
            writeln!(f, "{group:<20} {passed:>7} {failed:>7} {not_run:>8}")?;
        }
        Ok(())
    }
}

/// Runs tests against a server.
pub struct Runner<'t> {
    config: Config,
    tests: &'t Tests,
    http: reqwest::Client,
    memory: Memory,
    report: Report,
    next: Cell<u32>,
    /// The patient of tests that do not say.
    patient: String,
    start: String,
    /// Why the rest of the test under way cannot be run.
    unable: Option<String>,
}

impl<'t> Runner<'t> {
    /// A runner for these tests.
    pub fn new(config: Config, tests: &'t Tests) -> Self {
        let http = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(60))
            .build()
            .expect("the client has no options that can fail");
        #[expect(
            clippy::disallowed_methods,
            reason = "a client of its own, with a clock of its own"
        )]
        let start = jiff::Timestamp::now().as_second().to_string();
        Self {
            config,
            tests,
            http,
            memory: Memory::default(),
            report: Report::default(),
            next: Cell::new(0),
            patient: String::new(),
            start,
            unable: None,
        }
    }

    /// Runs the tests whose id or group `wanted` accepts, with what they build on.
    pub async fn run(mut self, wanted: impl Fn(&Test) -> bool) -> Report {
        self.feed_fixtures().await;
        for test in self.tests.in_order() {
            let fixture = matches!(test.id.as_str(), "12346" | "12318");
            if wanted(test) || fixture || test.group == "patient feed" {
                self.test(test).await;
            }
            if fixture {
                // Queries up to now leave out what is of this very second.
                tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
            }
        }
        self.report
    }

    /// Patients that tests refer to are fed also where their own feed tests are not there.
    async fn feed_fixtures(&mut self) {
        for id in ["15817", "15817b", "15818", "15819", "15820", "15823", "15824"] {
            if self.tests.tests.contains_key(id) {
                continue;
            }
            let mut log = StepLog::default();
            if self.feed(&mut log).await.is_ok() {
                self.memory.keep(id, "pif", "step", log);
            }
        }
    }

    async fn test(&mut self, test: &Test) {
        let fixture = match test.id.as_str() {
            "12346" => "15818",
            "12318" => "15823",
            _ => test.patient_of.as_deref().unwrap_or("15817"),
        };
        let fed = self.memory.step(fixture, "pif", "");
        if let Some(patient) = fed.and_then(|s| s.reports.get("$patientid$")) {
            self.patient.clone_from(patient);
        }
        self.unable = None;
        for section in &test.sections {
            if let Some(why) = self.unable.clone() {
                self.note(test, section, "", Verdict::NotRun(why));
                continue;
            }
            if let Err(error) = self.section(test, section).await {
                self.note(test, section, "", Verdict::NotRun(format!("{error:#}")));
            }
        }
    }

    async fn section(&mut self, test: &Test, section: &str) -> anyhow::Result<()> {
        let folder = self.tests.section_folder(&test.id, section);
        let plan = parse(&std::fs::read_to_string(folder.join("testplan.xml"))?)?;
        let plan = root(&plan.as_document())?;
        let mut broken: Option<String> = None;
        for step in named(&plan, "TestStep") {
            let name = attr(&step, "id").to_owned();
            if let Some(before) = &broken {
                let verdict = Verdict::NotRun(format!("{before} did not pass"));
                self.note(test, section, &name, verdict);
                continue;
            }
            let verdict = self.step(test, section, &step).await;
            if verdict != Verdict::Passed {
                broken = Some(name.clone());
            }
            self.note(test, section, &name, verdict);
        }
        Ok(())
    }

    fn note(&mut self, test: &Test, section: &str, step: &str, verdict: Verdict) {
        let step = format!("{}/{section}/{step}", test.id);
        if verdict != Verdict::Passed {
            self.memory.broken.insert(test.id.clone());
        }
        match &verdict {
            Verdict::Passed => println!("pass     {step}"),
            Verdict::Failed(why) => println!("FAIL     {step}: {why}"),
            Verdict::NotRun(why) => println!("not run  {step}: {why}"),
        }
        self.report.outcomes.push(Outcome { step, group: test.group.clone(), verdict });
    }

    async fn step(&mut self, test: &Test, section: &str, step: &Element<'_>) -> Verdict {
        let transaction = children(step).into_iter().find(|c| local(c).ends_with("Transaction"));
        let Some(transaction) = transaction else {
            return Verdict::NotRun("there is no transaction".to_owned());
        };
        if child(step, "NewPatientId").is_some() {
            let mut log = StepLog::default();
            if let Err(error) = self.feed(&mut log).await {
                return Verdict::NotRun(format!("no new patient: {error:#}"));
            }
            self.patient = log.reports.remove("$patientid$").unwrap_or_default();
        }
        let patient = if child(step, "AltPatientId").is_some() {
            self.new_patient_id()
        } else {
            self.patient.clone()
        };
        let parameters = self.parameters(&patient);
        let next = || self.next_uid();
        let place = Place {
            test: &test.id,
            section,
            parameters: &parameters,
            source_id: "1.2.42.7",
            next_uid: &next,
        };
        let mut exchange = Exchange::default();
        let mut log = StepLog { transaction: local(&transaction).to_owned(), ..StepLog::default() };
        log.reports.insert("$patientid$".to_owned(), patient.clone());
        let sent = self.send(test, &place, &transaction, &mut log, &mut exchange).await;
        let verdict = match sent {
            Err(Stop::NotRun(why)) => return Verdict::NotRun(why),
            Err(Stop::Unable(why)) => {
                self.unable = Some(why.clone());
                return Verdict::NotRun(why);
            }
            Err(Stop::Failed(error)) => Verdict::Failed(format!("{error:#}")),
            Ok(answer) => match self.judge(&place, step, &transaction, &mut log, answer) {
                Ok(()) => Verdict::Passed,
                Err(error) => Verdict::Failed(format!("{error:#}")),
            },
        };
        let name = attr(step, "id").to_owned();
        if let Verdict::Failed(why) = &verdict {
            self.write_exchange(&format!("{}-{section}-{name}", test.id), &exchange, why);
        }
        self.memory.keep(&test.id, section, &name, log);
        verdict
    }

    fn parameters(&self, patient: &str) -> Vec<(String, String)> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a client of its own, with a clock of its own"
        )]
        let now = jiff::Timestamp::now();
        let year_ago = now - jiff::SignedDuration::from_hours(24 * 365);
        let hl7 = |t: jiff::Timestamp| t.strftime("%Y%m%d%H%M%S").to_string();
        [
            ("$patientid$", patient.to_owned()),
            ("$now$", hl7(now)),
            ("$lastyear$", hl7(year_ago)),
            ("$DATE$", now.strftime("%Y%m%d").to_string()),
            ("$homeCommunityId$", self.config.home.clone()),
            ("$testdata_home$", self.config.home.clone()),
            ("$testdata_repid$", self.config.repository_id.clone()),
        ]
        .map(|(n, v)| (n.to_owned(), v))
        .to_vec()
    }

    fn next_uid(&self) -> String {
        self.next.set(self.next.get() + 1);
        format!("1.2.42.{}.{}", self.start, self.next.get())
    }

    /// A valid synthetic NHS Number, 999 and six digits of this run, in the configured authority.
    fn new_patient_id(&self) -> String {
        loop {
            self.next.set(self.next.get() + 1);
            let seed: u64 =
                self.start.parse::<u64>().unwrap_or(0) * 97 + u64::from(self.next.get());
            let digits = format!("999{:06}", seed % 1_000_000);
            let sum: u32 =
                digits.bytes().zip((2..=10).rev()).map(|(d, w)| u32::from(d - b'0') * w).sum();
            let check = (11 - sum % 11) % 11;
            if check < 10 {
                return format!("{digits}{check}^^^&{}&ISO", self.config.authority);
            }
        }
    }

    /// Makes a new patient known.
    async fn feed(&self, log: &mut StepLog) -> anyhow::Result<()> {
        let patient = self.new_patient_id();
        if let Some(mllp) = &self.config.mllp {
            let message = format!(
                "MSH|^~\\&|CONFORMANCE|TEST|REGISTRY|TEST|20260101000000||ADT^A01|{}|P|2.3.1\r\
                 EVN|A01|20260101000000\rPID|||{patient}||TEST^PATIENT||19700101|F\rPV1||I\r",
                self.next_uid()
            );
            acknowledged(&transact::mllp(mllp, &message).await?)?;
        } else if let Some(url) = &self.config.peer_patient {
            let number = patient.split('^').next().unwrap_or_default();
            let person = format!(
                "{{\"put\":{{\"nhs_number\":\"{number}\",\"number_status\":\"verified\",\
                 \"family_name\":null,\"given_names\":[],\"prefix\":null,\"birth_date\":null,\
                 \"death_date\":null,\"gender\":\"unknown\",\"restricted\":false}}}}"
            );
            let request =
                self.http.post(url).header("content-type", "application/json").body(person);
            request.send().await?.error_for_status()?;
        } else {
            bail!("there is no patient feed");
        }
        log.reports.insert("$patientid$".to_owned(), patient);
        Ok(())
    }

    async fn send(
        &self,
        test: &Test,
        place: &Place<'_>,
        transaction: &Element<'_>,
        log: &mut StepLog,
        exchange: &mut Exchange,
    ) -> Result<Option<Answer>, Stop> {
        if let Some(wait) = child(transaction, "WaitBefore") {
            let ms = text(&wait).parse().unwrap_or(0);
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        }
        let kind = local(transaction);
        match kind {
            "NullTransaction" => return Ok(None),
            "PatientIdentityFeedTransaction" => {
                return match self.feed(log).await {
                    Ok(()) => Ok(None),
                    Err(error) => Err(Stop::Failed(error)),
                };
            }
            "PatientMoveTransaction" => {
                return self.move_patient(place, transaction, exchange).await;
            }
            "HttpTransaction" => return self.http(test, place, transaction, exchange).await,
            _ => {}
        }
        let Some((endpoint, action)) = self.endpoint(kind) else {
            return Err(Stop::Unable(format!("{kind} is not a transaction of this runner")));
        };
        let folder = self.tests.section_folder(&test.id, place.section);
        let file = child(transaction, "MetadataFile").map(|e| text(&e)).unwrap_or_default();
        let content = std::fs::read_to_string(folder.join(&file))
            .with_context(|| format!("cannot read {file}"))?;
        let package = parse(&content)?;
        let body = root(&package.as_document())?;
        let mut missing = substitute::from_memory(transaction, &body, place, &self.memory);
        let parse_metadata =
            child(transaction, "ParseMetadata").is_none_or(|e| text(&e) != "False");
        let is_submission = matches!(
            kind,
            "RegisterTransaction"
                | "ProvideAndRegisterTransaction"
                | "XDRProvideAndRegisterTransaction"
                | "MuTransaction"
                | "RmuTransaction"
                | "XCRmuTransaction"
                | "RegisterODDETransaction"
        );
        if is_submission && parse_metadata {
            substitute::assign(transaction, &body, place, log);
            // Ids given to this very file can be named by it too.
            let again = substitute::from_memory(transaction, &body, place, &self.memory);
            missing.retain(|m| again.contains(m));
        }
        if let Some(what) = missing.first() {
            return Err(Stop::NotRun(self.absent(what)));
        }
        if child(transaction, "CleanParams").is_some() {
            substitute::clean_parameters(&body);
        }
        let convert = is_submission && parse_metadata && child(transaction, "NoConvert").is_none();
        let sent = Package::new();
        let document = sent.as_document();
        let request = if convert {
            ebrim3::submit_objects(&document, &body)
        } else {
            crate::dom::copy(&body, &document)
        };
        document.root().append_child(request);
        let request_xml = write(&request)?;
        log.input = Some(request_xml.clone());
        let (wire_body, attachments) = if kind.contains("ProvideAndRegister") {
            envelope::provide_and_register(transaction, &request, &folder, log)?
        } else {
            (request_xml, Vec::new())
        };
        let header = child(transaction, "SOAPHeader")
            .map(|h| children(&h).iter().map(write).collect::<anyhow::Result<String>>())
            .transpose()?
            .unwrap_or_default();
        let mtom = kind.contains("ProvideAndRegister") || kind == "RetrieveTransaction";
        let sent =
            transact::soap(&self.http, endpoint, action, &header, &wire_body, &attachments, mtom);
        let (envelope, answer) = sent.await?;
        exchange.request = envelope;
        exchange.answer.clone_from(&answer.raw);
        log.result = Some(answer.body.clone());
        Ok(Some(answer))
    }

    /// What is missing: a fixture that the directory does not have, or a step that did not pass.
    fn absent(&self, what: &str) -> String {
        let test = what.split('/').next().unwrap_or_default();
        if self.tests.tests.contains_key(test) {
            format!("{what} was not left by its step")
        } else {
            format!("{what}: that test is not in the directory")
        }
    }

    fn endpoint(&self, kind: &str) -> Option<(&str, &'static str)> {
        let registry = self.config.registry.as_str();
        let repository = self.config.repository.as_str();
        Some(match kind {
            "RegisterTransaction" => (registry, "urn:ihe:iti:2007:RegisterDocumentSet-b"),
            "ProvideAndRegisterTransaction" | "XDRProvideAndRegisterTransaction" => {
                (repository, "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b")
            }
            "StoredQueryTransaction" => (registry, "urn:ihe:iti:2007:RegistryStoredQuery"),
            "MPQTransaction" => (registry, "urn:ihe:iti:2009:MultiPatientStoredQuery"),
            "RetrieveTransaction" => (repository, "urn:ihe:iti:2007:RetrieveDocumentSet"),
            "MuTransaction" => (registry, "urn:ihe:iti:2010:UpdateDocumentSet"),
            "RmuTransaction" => (registry, "urn:ihe:iti:2018:RestrictedUpdateDocumentSet"),
            "RemoveMetadataTransaction" => (registry, "urn:ihe:iti:2010:DeleteDocumentSet"),
            "RdTransaction" => (repository, "urn:ihe:iti:2017:RemoveDocuments"),
            "RegisterODDETransaction" => {
                (registry, "urn:ihe:iti:2010:RegisterOnDemandDocumentEntry")
            }
            _ => return None,
        })
    }

    async fn http(
        &self,
        test: &Test,
        place: &Place<'_>,
        transaction: &Element<'_>,
        exchange: &mut Exchange,
    ) -> Result<Option<Answer>, Stop> {
        if !matches!(attr(transaction, "type"), "" | "pr.b") {
            return Err(Stop::Unable("only raw ITI-41 is sent".to_owned()));
        }
        let folder = self.tests.section_folder(&test.id, place.section);
        let file = child(transaction, "BodyFile").map(|e| text(&e)).unwrap_or_default();
        let bytes =
            std::fs::read(folder.join(&file)).with_context(|| format!("cannot read {file}"))?;
        let mut body = String::from_utf8_lossy(&bytes).into_owned();
        let mut missing = Vec::new();
        let values = substitute::values(transaction, place, &self.memory, &mut missing);
        for (symbol, value) in values.iter().chain(place.parameters) {
            // In the text of a message the patient stands escaped.
            body = body.replace(symbol.as_str(), &value.replace('&', "&amp;"));
        }
        if let Some(what) = missing.first() {
            return Err(Stop::NotRun(self.absent(what)));
        }
        let lines = child(transaction, "Headers").map(|e| text(&e)).unwrap_or_default();
        let headers: Vec<(String, String)> = lines
            .lines()
            .filter_map(|l| l.split_once(':'))
            .map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()))
            .filter(|(n, _)| n.eq_ignore_ascii_case("content-type"))
            .collect();
        exchange.request.clone_from(&body);
        let body = if body.contains("\r\n") { body } else { body.replace('\n', "\r\n") };
        let answer =
            transact::raw(&self.http, &self.config.repository, &headers, body.into_bytes()).await?;
        exchange.answer.clone_from(&answer.raw);
        Ok(Some(answer))
    }

    async fn move_patient(
        &self,
        place: &Place<'_>,
        transaction: &Element<'_>,
        exchange: &mut Exchange,
    ) -> Result<Option<Answer>, Stop> {
        let Some(mllp) = &self.config.mllp else {
            return Err(Stop::Unable("there is no MLLP port".to_owned()));
        };
        let mut missing = Vec::new();
        let values: HashMap<String, String> =
            substitute::values(transaction, place, &self.memory, &mut missing)
                .into_iter()
                .collect();
        if let Some(what) = missing.first() {
            return Err(Stop::NotRun(self.absent(what)));
        }
        let part = |name: &str| values.get(name).cloned().unwrap_or_default();
        let message = format!(
            "MSH|^~\\&|CONFORMANCE|TEST|REGISTRY|TEST|20260101000000||ADT^A43^ADT_A43|{}|P|2.5\r\
             EVN|A43|20260101000000\rPID|||{}~{}\rMRG|{}~{}\r",
            self.next_uid(),
            part("$NewXADPID$"),
            part("$NewLocalPID$"),
            part("$OldXADPID$"),
            part("$OldLocalPID$"),
        );
        exchange.request.clone_from(&message);
        let answer = transact::mllp(mllp, &message).await?;
        exchange.answer.clone_from(&answer);
        acknowledged(&answer)?;
        Ok(None)
    }

    fn judge(
        &self,
        place: &Place<'_>,
        step: &Element<'_>,
        transaction: &Element<'_>,
        log: &mut StepLog,
        answer: Option<Answer>,
    ) -> anyhow::Result<()> {
        if let Some(answer) = &answer {
            judge::outcome(&Expected::of(step), answer)?;
            if let Some(expected) = child(transaction, "ExpectedContents") {
                let resolve = |id: &Element<'_>| self.resolve(place, id);
                judge::contents(&expected, answer, &resolve)?;
            }
            if local(transaction) == "RetrieveTransaction" && !answer.fault {
                self.judge_retrieve(place, transaction, log, answer)?;
            }
        }
        self.reports(transaction, log)?;
        self.assertions(place, step, transaction, log)
    }

    fn resolve(&self, place: &Place<'_>, id: &Element<'_>) -> Option<String> {
        let holder = Package::new();
        let document = holder.as_document();
        let around = document.create_element("T");
        around.append_child(crate::dom::copy(id, &document));
        let mut missing = Vec::new();
        let values = substitute::values(&around, place, &self.memory, &mut missing);
        values.into_iter().next().map(|(_, value)| value)
    }

    fn judge_retrieve(
        &self,
        place: &Place<'_>,
        transaction: &Element<'_>,
        log: &mut StepLog,
        answer: &Answer,
    ) -> anyhow::Result<()> {
        let documents = judge::retrieved(answer)?;
        for (n, d) in documents.iter().enumerate() {
            for (name, value) in [
                ("repuid", d.repository.clone()),
                ("mimetype", d.mime_type.clone()),
                ("hash", judge::sha1(&d.content)),
                ("home", d.home.clone()),
                ("size", d.content.len().to_string()),
            ] {
                log.reports.insert(format!("${name}_doc{n}$"), value);
            }
        }
        let failure = answer.body.contains("ResponseStatusType:Failure");
        if failure {
            return Ok(());
        }
        let metadata = child(transaction, "ReferenceMetadata").and_then(|e| {
            let section = attr(&e, "testdir").trim_start_matches("../").to_owned();
            let mut path = section.rsplit('/');
            let section = path.next().unwrap_or_default().to_owned();
            let test = path.next().unwrap_or(place.test).to_owned();
            self.memory.step(&test, &section, attr(&e, "step")).and_then(|s| s.result.clone())
        });
        let request = log.input.as_deref().unwrap_or_default();
        let request = parse(request)?;
        judge::retrieve(
            &root(&request.as_document())?,
            transaction,
            &documents,
            &self.memory,
            metadata.as_deref(),
        )
    }

    fn reports(&self, transaction: &Element<'_>, log: &mut StepLog) -> anyhow::Result<()> {
        for report in named(transaction, "Report") {
            let source = match attr(&report, "section") {
                "InputMetadata" => log.input.as_deref(),
                _ => log.result.as_deref(),
            };
            let Some(source) = source else { continue };
            let package = parse(source)?;
            let value = xpath(&package.as_document(), &text(&report))?.text;
            log.reports.insert(attr(&report, "name").to_owned(), value);
        }
        Ok(())
    }

    fn assertions(
        &self,
        place: &Place<'_>,
        step: &Element<'_>,
        transaction: &Element<'_>,
        log: &StepLog,
    ) -> anyhow::Result<()> {
        let lists = [child(transaction, "Assertions"), child(step, "Assertions")];
        let mut missing = Vec::new();
        let mut values = substitute::values(transaction, place, &self.memory, &mut missing);
        values.extend(place.parameters.iter().cloned());
        for list in lists.into_iter().flatten() {
            let data = self.data(place, attr(step, "id"), log);
            let package = parse(&data)?;
            for assertion in named(&list, "Assert") {
                if children(&assertion).iter().any(|c| local(c) == "SimReference") {
                    continue;
                }
                replace_values(&assertion, &values);
                let expression = text(&assertion);
                let value = xpath(&package.as_document(), &expression)?;
                if !value.boolean {
                    bail!("assertion {}: {expression}", attr(&assertion, "id"));
                }
            }
        }
        Ok(())
    }

    /// The log of a section with the step under judgement, as assertions see it.
    fn data(&self, place: &Place<'_>, step: &str, log: &StepLog) -> String {
        let mut data = String::from("<Data><output><TestResults>");
        let before = self.memory.section(place.test, place.section);
        for (id, log) in before.into_iter().chain([(step, log)]) {
            data.push_str(&format!("<TestStep id=\"{id}\"><{} step=\"{id}\">", log.transaction));
            for (name, content) in [("InputMetadata", &log.input), ("Result", &log.result)] {
                let content = content.as_deref().unwrap_or_default();
                data.push_str(&format!("<{name}>{content}</{name}>"));
            }
            data.push_str(&format!("</{}></TestStep>", log.transaction));
        }
        data.push_str("</TestResults></output></Data>");
        data
    }

    fn write_exchange(&self, name: &str, exchange: &Exchange, why: &str) {
        let Some(out) = &self.config.out else { return };
        let folder = out.join(name);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("why.txt"), why)?;
            std::fs::write(folder.join("request.xml"), &exchange.request)?;
            std::fs::write(folder.join("answer.xml"), &exchange.answer)
        };
        if let Err(error) = write() {
            println!("cannot write {}: {error}", folder.display());
        }
    }
}

fn replace_values(assertion: &Element<'_>, values: &[(String, String)]) {
    for (symbol, value) in values {
        replace(assertion, symbol, value);
    }
}

fn acknowledged(answer: &str) -> anyhow::Result<()> {
    let code = answer
        .split(['\r', '\n'])
        .find_map(|l| l.strip_prefix("MSA|")?.get(..2).map(str::to_owned));
    match code.as_deref() {
        Some("AA" | "CA") => Ok(()),
        Some(code) => bail!("acknowledged with {code}: {answer}"),
        None => bail!("there is no MSA: {answer}"),
    }
}

/// What went over the wire.
#[derive(Default)]
struct Exchange {
    request: String,
    answer: String,
}

/// Why a step ends before it is judged.
enum Stop {
    /// Something that an earlier step should have left is missing.
    NotRun(String),
    /// This runner or its options do not have what the transaction needs: the rest of the test
    /// would only look at what was not done.
    Unable(String),
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
