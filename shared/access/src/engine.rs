//! The decision as a policy engine takes it: Cedar, by the policies in `policy/`, which say what the
//! decision means.
//!
//! Doors decide by `decide.rs`, which is faster. That both say the same is held by
//! `engine_tests.rs`, by `carerecord policy check`, and by each start over the examples of the policy
//! folder.
//!
//! Two sets of policies are asked. `counts.cedar` says what of the rules and of the facts bears on
//! the question; `order.cedar` decides from that. The facts themselves are put into Cedar's terms by
//! `engine_facts.rs`.

use std::collections::HashMap;
use std::str::FromStr as _;

use cedar_policy::{
    Authorizer, Context, Effect, Entities, EntityUid, PolicyId, PolicySet, Request,
    ResourceConstraint, Response, Schema, ValidationMode, Validator,
};
use serde_json::Value;

use crate::Rule;

/// The policies, read and validated against their schema.
#[derive(Debug)]
pub struct PolicyEngine {
    pub(crate) schema: Schema,
    /// By the type of the thing that it speaks of, the one policy that says when that counts.
    counts: HashMap<String, PolicySet>,
    pub(crate) order: PolicySet,
    places: HashMap<PolicyId, Place>,
    authorizer: Authorizer,
}

/// Where a policy stands in the order, and the rule that it tells.
#[derive(Clone, Copy, Debug)]
struct Place {
    step: (u8, u8),
    rule: Rule,
}

/// Why the policies cannot be used. Names file and policy.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}")]
pub struct EngineError {
    file: &'static str,
    what: String,
}

/// Why the engine could not decide: then it is a no. It holds no facts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the policy engine could not decide: {0}")]
pub struct EngineFault(pub(crate) &'static str);

/// What the engine has decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The rule that decides.
    pub rule: Rule,
    /// The `@id` of the policy that decides.
    pub policy: String,
}

impl PolicyEngine {
    /// Reads the policies that this build holds.
    ///
    /// # Errors
    /// When one of them is not valid under the schema, or has no place in the order.
    pub fn load() -> Result<Self, EngineError> {
        Self::parse(SCHEMA, COUNTS, ORDER)
    }

    fn parse(schema: &str, counts: &str, order: &str) -> Result<Self, EngineError> {
        let (schema, warnings) = Schema::from_cedarschema_str(schema)
            .map_err(|e| EngineError { file: SCHEMA_FILE, what: e.to_string() })?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(EngineError { file: SCHEMA_FILE, what: warning.to_string() });
        }
        let counts = by_type(&validated(COUNTS_FILE, counts, &schema)?)?;
        let order = validated(ORDER_FILE, order, &schema)?;
        let places = places(&order)?;
        Ok(Self { schema, counts, order, places, authorizer: Authorizer::new() })
    }

    /// The policies of the order: its step, its `@id`, and the rule that it tells.
    pub fn order(&self) -> Vec<((u8, u8), &str, Rule)> {
        let mut order: Vec<_> = self
            .places
            .iter()
            .map(|(id, place)| (place.step, AsRef::<str>::as_ref(id), place.rule))
            .collect();
        order.sort_unstable();
        order
    }

    /// What says when a thing of this type counts.
    pub(crate) fn counting(&self, kind: &str) -> Result<&PolicySet, EngineFault> {
        self.counts.get(kind).ok_or(EngineFault("no policy says when this counts"))
    }

    /// Puts one question to one set; `of_schema` where one like it has been held against the schema
    /// already. A policy that cannot be evaluated is a fault: Cedar itself would
    /// pass over it, and an objection with it.
    pub(crate) fn ask(
        &self,
        policies: &PolicySet,
        entities: &Entities,
        (principal, action, resource): (&EntityUid, &EntityUid, &EntityUid),
        context: Context,
        of_schema: bool,
    ) -> Result<Response, EngineFault> {
        let request = Request::new(
            principal.clone(),
            action.clone(),
            resource.clone(),
            context,
            (!of_schema).then_some(&self.schema),
        )
        .map_err(|_| EngineFault("a question is not of the schema"))?;
        let response = self.authorizer.is_authorized(&request, policies, entities);
        if response.diagnostics().errors().next().is_some() {
            return Err(EngineFault("a policy could not be evaluated"));
        }
        Ok(response)
    }

    /// The first in the order of the policies that determine an answer.
    pub(crate) fn ruling(&self, response: &Response) -> Result<Ruling, EngineFault> {
        let determining = response.diagnostics().reason();
        let placed = determining.filter_map(|id| Some((id, self.places.get(id)?)));
        let (id, place) = placed
            .min_by_key(|(_, place)| place.step)
            .ok_or(EngineFault("no policy speaks of the question"))?;
        Ok(Ruling { rule: place.rule, policy: id.to_string() })
    }

    pub(crate) fn context(
        &self,
        action: &EntityUid,
        context: Value,
    ) -> Result<Context, EngineFault> {
        Context::from_json_value(without_nulls(context), Some((&self.schema, action)))
            .map_err(|_| EngineFault("a context is not of the schema"))
    }

    pub(crate) fn entities(&self, entities: Vec<Value>) -> Result<Entities, EngineFault> {
        let entities = without_nulls(Value::Array(entities));
        Entities::from_json_value(entities, Some(&self.schema))
            .map_err(|_| EngineFault("an entity is not of the schema"))
    }
}

/// Reads a set, each policy under its `@id`, and validates it. Warnings are errors: a policy that can
/// never hold is a slip of the pen.
fn validated(file: &'static str, text: &str, schema: &Schema) -> Result<PolicySet, EngineError> {
    let wrong = |what: String| EngineError { file, what };
    let read = PolicySet::from_str(text).map_err(|e| wrong(format!("{e:?}")))?;
    let mut policies = Vec::new();
    for policy in read.policies() {
        let id = policy.annotation("id").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| wrong(format!("a policy has no @id: {policy}")))?;
        policies.push(policy.new_id(PolicyId::new(id)));
    }
    let set = PolicySet::from_policies(policies).map_err(|e| wrong(e.to_string()))?;
    let found = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    if !found.validation_passed_without_warnings() {
        let errors = found.validation_errors().map(ToString::to_string);
        let all: Vec<String> =
            errors.chain(found.validation_warnings().map(ToString::to_string)).collect();
        return Err(wrong(all.join("; ")));
    }
    Ok(set)
}

/// One set for each type: each policy of `counts.cedar` speaks of one.
fn by_type(counts: &PolicySet) -> Result<HashMap<String, PolicySet>, EngineError> {
    let wrong = |id: &PolicyId, what: String| EngineError {
        file: COUNTS_FILE,
        what: format!("{id}: {what}"),
    };
    let mut sets = HashMap::new();
    for policy in counts.policies() {
        let ResourceConstraint::Is(kind) = policy.resource_constraint() else {
            return Err(wrong(policy.id(), "it speaks of no one type".to_owned()));
        };
        let set = PolicySet::from_policies([policy.clone()]);
        let set = set.map_err(|e| wrong(policy.id(), e.to_string()))?;
        if sets.insert(kind.to_string(), set).is_some() {
            return Err(wrong(policy.id(), "another policy speaks of this type".to_owned()));
        }
    }
    Ok(sets)
}

/// The place of each policy: no two share one, and what forbids tells a rule that denies.
fn places(order: &PolicySet) -> Result<HashMap<PolicyId, Place>, EngineError> {
    let mut places: HashMap<PolicyId, Place> = HashMap::new();
    for policy in order.policies() {
        let id = policy.id();
        let wrong = |what: &str| EngineError { file: ORDER_FILE, what: format!("{id}: {what}") };
        let step = policy.annotation("order").and_then(|order| order.split_once('.'));
        let step = step.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let step = step.ok_or_else(|| wrong("@order is not a place such as 4.2"))?;
        if places.values().any(|place| place.step == step) {
            return Err(wrong("another policy has this @order"));
        }
        let rule = policy.annotation("rule").unwrap_or(id.as_ref());
        let rule = Rule::any_from_id(rule).ok_or_else(|| wrong("it tells no rule"))?;
        if rule.permits() != (policy.effect() == Effect::Permit) {
            return Err(wrong("its rule says otherwise"));
        }
        places.insert(id.clone(), Place { step, rule });
    }
    Ok(places)
}

/// Cedar has no null: what is not known is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

const SCHEMA_FILE: &str = "access.cedarschema";
const COUNTS_FILE: &str = "counts.cedar";
const ORDER_FILE: &str = "order.cedar";
const SCHEMA: &str = include_str!("../policy/access.cedarschema");
const COUNTS: &str = include_str!("../policy/counts.cedar");
const ORDER: &str = include_str!("../policy/order.cedar");

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
