//! One question by the policies of `engine.rs`: first what counts, then the order.

use std::borrow::Cow;
use std::str::FromStr as _;

use carerecord_model::DocumentEntry;
use cedar_policy::{Decision as Answer, Entities, EntityId, EntityTypeName, EntityUid};
use serde_json::{Value, json};

use crate::consent_model::Basis;
use crate::engine::{EngineFault, PolicyEngine, Ruling};
use crate::engine_facts::{self as facts, Asked, DOCUMENT};
use crate::engine_terms;
use crate::terms::{Part, Says};
use crate::{
    CitizenGrantKind, ConsentModel, ConsentRecord, Decision, Flow, Override, RecordView,
    RelationshipRule, SharingAgreement, Terms,
};

/// Everything that may count, with what it is asked with.
struct Counting<'e> {
    engine: &'e PolicyEngine,
    principal: EntityUid,
    entities: Entities,
    context: Value,
}

/// Of the rules about consent, or relationships: how much the one says that says most, of those on
/// either side.
#[derive(Default)]
struct Most {
    stricter: Option<usize>,
    milder: Option<usize>,
}

impl PolicyEngine {
    /// Decides about a document of the record that is asked for, or about that record as a whole.
    ///
    /// # Errors
    /// When the policies cannot be evaluated; then it is a no.
    pub(crate) fn decide(
        &self,
        asked: &Asked<'_>,
        entry: Option<&DocumentEntry>,
    ) -> Result<Ruling, EngineFault> {
        let (kind, attributes) = asked.principal();
        let principal = uid(kind, CALLER)?;
        let resource = uid(if entry.is_some() { "Document" } else { "Record" }, DOCUMENT)?;
        let things = Things::of(asked);
        let mut entities = things.entities(asked);
        entities.push(facts::entity(kind, CALLER, attributes, Vec::new()));
        match entry {
            Some(entry) => entities.extend(asked.document(entry)),
            None => entities.push(facts::entity("Record", DOCUMENT, json!({}), Vec::new())),
        }
        let entities = self.entities(entities)?;
        let counting = Counting {
            engine: self,
            principal: principal.clone(),
            entities,
            context: asked.counting(entry.is_some()),
        };
        let by = |action: &str, context: &Value| {
            let action = uid("Action", action)?;
            let context = self.context(&action, context.clone())?;
            let asked = (&principal, &action, &resource);
            let response = self.ask(&self.order, &counting.entities, asked, context, false)?;
            Ok((response.decision(), self.ruling(&response)?))
        };
        match kind {
            "Service" => Ok(by("pass-on", &json!({}))?.1),
            "Citizen" => Ok(by("see-online", &things.online(asked, &counting)?)?.1),
            _ => {
                let overrides = counting.of("Override", &things.overrides)?;
                let mut context = things.look(asked, &counting)?;
                match by("see", &context)? {
                    (Answer::Deny, _) if !overrides.is_empty() => {
                        let counting = counting.with("overridden", json!(true));
                        context["said"] = things.said(asked, &counting)?;
                        Ok(by("see-by-override", &context)?.1)
                    }
                    (_, ruling) => Ok(ruling),
                }
            }
        }
    }
}

impl PolicyEngine {
    /// The same question by the code that the doors use, of a record that they have opened or not.
    ///
    /// # Errors
    /// Says how the two differ.
    pub(crate) fn compare(
        &self,
        asked: &Asked<'_>,
        view: &Result<RecordView, Decision>,
        entry: Option<&DocumentEntry>,
    ) -> Result<Ruling, String> {
        let decision = match (view, entry) {
            (Err(deny), _) => deny.clone(),
            (Ok(view), Some(entry)) => view.decide(entry),
            (Ok(view), None) => view.of_record(),
        };
        let ruling = self.decide(asked, entry).map_err(|fault| fault.to_string())?;
        let about = if entry.is_some() { "document" } else { "record" };
        if ruling.rule == decision.rule && decision.is_permit() == ruling.rule.permits() {
            return Ok(ruling);
        }
        let (rule, code) = (ruling.rule.id(), decision.rule.id());
        Err(format!(
            "of the {about} the policies say {rule} (policy {}), the code says {code}",
            ruling.policy
        ))
    }
}

/// The rules and facts that may count, each known by its place.
struct Things<'a> {
    clauses: Vec<(&'a SharingAgreement, &'a Flow)>,
    models: &'a [ConsentModel],
    rules: &'a [RelationshipRule],
    statements: &'a [ConsentRecord],
    /// Those with terms, by the place of the statement, and their parts.
    terms: Vec<(usize, Cow<'a, Terms>)>,
    provisions: Vec<(usize, Part)>,
    overrides: Vec<(&'a Override, bool)>,
}

impl<'a> Things<'a> {
    fn of(asked: &Asked<'a>) -> Self {
        let agreements = asked.policy.agreements.iter();
        let asserted = asked.caller.asserted().and_then(|asserted| asserted.opened.as_ref());
        let overrides = asked.overrides.iter().map(|o| (o, false));
        let statements = asked.records.unwrap_or_default();
        let terms = statements.iter().enumerate();
        let terms: Vec<_> =
            terms.filter_map(|(n, said)| Some((n, engine_terms::terms(said)?))).collect();
        let parts = |terms: &Terms| {
            let exceptions = (0..terms.exceptions.len()).map(Part::Exception);
            [Part::Root, Part::Audience, Part::Matter].into_iter().chain(exceptions)
        };
        let provisions = terms.iter().enumerate();
        let provisions =
            provisions.flat_map(|(n, (_, terms))| parts(terms).map(move |part| (n, part)));
        Self {
            provisions: provisions.collect(),
            terms,
            clauses: agreements.flat_map(|a| a.provides.iter().map(move |f| (a, f))).collect(),
            models: &asked.policy.consent_models,
            rules: &asked.policy.relationships.rule,
            statements,
            overrides: overrides.chain(asserted.map(|o| (o, true))).collect(),
        }
    }

    fn entities(&self, asked: &Asked<'_>) -> Vec<Value> {
        let mut all = Vec::new();
        add(&mut all, "Clause", &self.clauses, |(a, flow)| facts::clause(a, flow));
        add(&mut all, "ConsentModel", self.models, facts::consent_model);
        add(&mut all, "RelationshipRule", self.rules, facts::relationship_rule);
        add(&mut all, "Statement", self.statements, facts::statement);
        add(&mut all, "Provision", &self.provisions, |(n, part)| {
            engine_terms::provision(&self.terms[*n].1, *part)
        });
        add(&mut all, "Override", &self.overrides, |(o, asserted)| facts::opened(o, *asserted));
        let relationships = asked.relationships.unwrap_or_default();
        add(&mut all, "Relationship", relationships, |r| asked.relationship(r));
        add(&mut all, "Grant", asked.grants.unwrap_or_default(), |grant| asked.grant(grant));
        all
    }

    /// What `see` and `see-by-override` look at.
    fn look(&self, asked: &Asked<'a>, counting: &Counting<'_>) -> Result<Value, EngineFault> {
        let models = counting.of("ConsentModel", self.models)?;
        let models = Most::of(models.into_iter().map(|place| {
            let model = &self.models[place];
            (model.specificity(), model.basis == Basis::Explicit)
        }));
        let (rules, kinds) = self.relationship_rules(counting)?;
        let relationships = asked.relationships.map(|all| {
            let counting = counting.with("kinds", json!(kinds));
            Ok(places("Relationship", counting.of("Relationship", all)?))
        });
        Ok(json!({
            "right": asked.right,
            "purpose": asked.purpose,
            "patient": facts::number(asked.patient),
            "programme": asked.programme(),
            "said": self.said(asked, counting)?,
            "clauses": places("Clause", counting.of("Clause", &self.clauses)?),
            "models": { "explicit": models.stricter, "implied": models.milder },
            "relationshipRules": { "required": rules.stricter, "exempt": rules.milder },
            "relationships": relationships.transpose()?,
            "overrides": places("Override", counting.of("Override", &self.overrides)?),
        }))
    }

    /// What the patient has said, as far as it counts; nothing where that could not be read.
    fn said(&self, asked: &Asked<'a>, counting: &Counting<'_>) -> Result<Value, EngineFault> {
        if asked.records.is_none() {
            return Ok(Value::Null);
        }
        let counted = counting.of("Statement", self.statements)?;
        let applying = counting.of("Provision", &self.provisions)?;
        let of_document = !counting.context["document"].is_null();
        let overridden = counting.context["overridden"] == true;
        let terms = self.terms.iter().enumerate();
        let says =
            terms.filter(|(_, (place, _))| counted.contains(place)).map(|(n, (_, terms))| {
                let applies =
                    |part| applying.iter().any(|place| self.provisions[*place] == (n, part));
                terms.settle(of_document, overridden, applies)
            });
        let says: Vec<Says> = says.collect();
        Ok(facts::said(counted.into_iter().map(|place| &self.statements[place]), &says))
    }

    /// What `see-online` looks at.
    fn online(&self, asked: &Asked<'a>, counting: &Counting<'_>) -> Result<Value, EngineFault> {
        let kind = |kind: &CitizenGrantKind| match kind {
            CitizenGrantKind::Own => "own",
            CitizenGrantKind::Barred => "barred",
            CitizenGrantKind::Proxy { .. } => "proxy",
        };
        let grants = asked.grants.map(|all| {
            let counted = counting.of("Grant", all)?.into_iter();
            Ok(counted.map(|place| kind(&all[place].kind)).collect::<Vec<_>>())
        });
        let (rules, _) = self.relationship_rules(counting)?;
        Ok(json!({
            "right": asked.right,
            "purpose": asked.purpose,
            "patient": facts::number(asked.patient),
            "programme": asked.programme(),
            "saidIsKnown": asked.records.is_some(),
            "relationshipRules": { "required": rules.stricter, "exempt": rules.milder },
            "relationshipsAreKnown": asked.relationships.is_some(),
            "grants": grants.transpose()?,
            "band": asked.band().map(facts::band),
        }))
    }

    /// How much the rules say that cover the caller, and which kinds the one takes that says most.
    fn relationship_rules(
        &self,
        counting: &Counting<'_>,
    ) -> Result<(Most, Vec<&'static str>), EngineFault> {
        let covering = counting.of("RelationshipRule", self.rules)?;
        let says = |place: &usize| {
            let rule = &self.rules[*place];
            (rule.applies_to.specificity(), rule.required)
        };
        let kinds =
            covering.iter().max_by_key(|place| says(place)).map(|place| &self.rules[*place]);
        let kinds = kinds.into_iter().flat_map(|rule| &rule.kinds).map(|kind| kind.code());
        Ok((Most::of(covering.iter().map(says)), kinds.collect()))
    }
}

impl Counting<'_> {
    /// The places of those that count.
    fn of<T>(&self, kind: &str, all: &[T]) -> Result<Vec<usize>, EngineFault> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let engine = self.engine;
        let policies = engine.counting(kind)?;
        let action = uid("Action", "count")?;
        let context = engine.context(&action, self.context.clone())?;
        let mut counting = Vec::new();
        for place in 0..all.len() {
            let resource = uid(kind, &place.to_string())?;
            let asked = (&self.principal, &action, &resource);
            let response =
                engine.ask(policies, &self.entities, asked, context.clone(), place > 0)?;
            if response.decision() == Answer::Allow {
                counting.push(place);
            }
        }
        Ok(counting)
    }

    /// The same, asked with something else.
    fn with(&self, name: &str, value: Value) -> Self {
        let mut context = self.context.clone();
        context[name] = value;
        Self {
            engine: self.engine,
            principal: self.principal.clone(),
            entities: self.entities.clone(),
            context,
        }
    }
}

impl Asked<'_> {
    /// What `count` is asked with.
    fn counting(&self, of_document: bool) -> Value {
        let ends = self.policy.citizens.as_ref().map(|rules| &rules.proxies_end_at);
        json!({
            "patient": facts::number(self.patient),
            "purpose": self.purpose,
            "today": self.today(),
            "now": facts::instant(self.now),
            "document": of_document.then(|| facts::uid("Document", DOCUMENT)),
            "overridden": false,
            "hasOverrides": self.policy.break_glass.is_some(),
            "kinds": [],
            "band": self.band().map(facts::band),
            "proxiesEndAt": ends.into_iter().flatten().collect::<Vec<_>>(),
        })
    }
}

impl Most {
    /// Of pairs: how much it says, and whether it is on the stricter side.
    fn of(rules: impl Iterator<Item = (usize, bool)>) -> Self {
        let mut most = Self::default();
        for (says, stricter) in rules {
            let side = if stricter { &mut most.stricter } else { &mut most.milder };
            *side = (*side).max(Some(says));
        }
        most
    }
}

fn add<T>(entities: &mut Vec<Value>, kind: &str, all: &[T], attributes: impl Fn(&T) -> Value) {
    let entity = |(place, thing): (usize, &T)| {
        facts::entity(kind, &place.to_string(), attributes(thing), Vec::new())
    };
    entities.extend(all.iter().enumerate().map(entity));
}

fn places(kind: &str, places: Vec<usize>) -> Vec<Value> {
    places.into_iter().map(|place| facts::uid(kind, &place.to_string())).collect()
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, EngineFault> {
    let kind = EntityTypeName::from_str(kind);
    let kind = kind.map_err(|_| EngineFault("there is no such type"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// The one who asks.
const CALLER: &str = "asks";
