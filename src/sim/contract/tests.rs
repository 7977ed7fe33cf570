use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A small document in the style of the real one, made up for these tests.
fn document() -> Value {
    json!({
        "paths": {
            "/v1/apps": {
                "get": {
                    "parameters": [
                        {"in": "query", "name": "org_slug", "required": true, "schema": {"type": "string"}},
                        {"in": "query", "name": "limit", "schema": {"type": "integer"}},
                        {"in": "query", "name": "state", "schema": {"type": "string", "enum": ["up", "down"]}},
                        {"in": "query", "name": "label.{key}", "schema": {"type": "string"}},
                        {"in": "header", "name": "nonce", "schema": {"type": "string"}},
                    ],
                    "responses": {"200": {"content": {"application/json": {"schema":
                        {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}}}},
                },
            },
            "/v1/apps/{app_name}": {
                "post": {
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Wish"}}}},
                    "responses": {"200": {}},
                },
                "delete": {"responses": {"202": {}}},
            },
            "/v1/apps/all": {"delete": {"responses": {"200": {}}}},
        },
        "components": {"schemas": {
            "Thing": {"type": "object", "description": "…", "properties": {
                "id": {"type": "string", "example": "x"},
                "size": {"type": "number", "minimum": 1, "maximum": 10},
                "kind": {"type": "string", "enum": ["a", "b"]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object"},
                "inner": {"type": "object", "allOf": [{"$ref": "#/components/schemas/Inner"}]},
            }},
            "Inner": {"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}},
            "Wish": {"type": "object", "properties": {"name": {"type": "string"}, "secret": {"type": "integer"}}},
            "ErrorResponse": {"type": "object", "properties": {"error": {"type": "string"}}},
        }},
    })
}

fn contract() -> Contract {
    Contract::of(&document()).unwrap()
}

fn exchange(request: &str, body: &str, status: u16, reply: Option<Value>) -> Exchange {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let methods = [Method::Get, Method::Post, Method::Delete];
    Exchange {
        number: 0,
        at: chrono::DateTime::UNIX_EPOCH,
        method: methods.into_iter().find(|known| known.as_str() == method).unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        request: Bytes::from(body.to_owned()),
        status,
        reply,
        faults: Vec::new(),
    }
}

/// What is found, one `part pointer: reason` each.
fn found(request: &str, body: &str, status: u16, reply: Option<Value>) -> Vec<String> {
    let found = contract().check(&exchange(request, body, status, reply));
    found.iter().map(|one| format!("{:?} {}: {}", one.part, one.pointer, one.reason)).collect()
}

fn answered(thing: &Value) -> Vec<String> {
    found("GET /v1/apps?org_slug=a", "", 200, Some(json!([thing])))
}

#[test]
fn what_the_document_says_is_fine() {
    let thing = json!({"id": "x", "size": 2, "kind": "a", "labels": {"any": "text"}, "free": {"a": [1]}, "inner": {"count": 1}});
    assert_eq!(answered(&thing), [""; 0]);
    assert_eq!(answered(&json!({"size": 1.5})), [""; 0]);
    assert_eq!(found("GET /v1/apps?org_slug=a&limit=3&state=up,down&label.x=y", "", 200, Some(json!([]))), [""; 0]);
    assert_eq!(found("POST /v1/apps/x", r#"{"name": "y"}"#, 200, None), [""; 0]);
    assert_eq!(found("DELETE /v1/apps/x", "", 202, None), [""; 0]);
    assert_eq!(found("POST /graphql", "?", 200, Some(json!("anything"))), [""; 0], "not covered by the document");
}

#[test]
fn wrong_answers_are_found_where_they_are() {
    assert_eq!(answered(&json!({"id": 1})), ["Answer /0/id: is an integer, not a string"]);
    assert_eq!(answered(&json!({"id": null})), ["Answer /0/id: is null, not a string"]);
    assert_eq!(answered(&json!({"extra/1": 1})), ["Answer /0/extra~11: the document does not have this property"]);
    assert_eq!(answered(&json!({"size": 11})), ["Answer /0/size: is out of range"]);
    assert_eq!(answered(&json!({"kind": "c"})), [r#"Answer /0/kind: is not one of "a", "b""#]);
    assert_eq!(answered(&json!({"labels": {"x": 1}})), ["Answer /0/labels/x: is an integer, not a string"]);
    assert_eq!(answered(&json!({"inner": {}})), ["Answer /0/inner: the required property `count` is missing"]);
    assert_eq!(
        answered(&json!({"inner": {"count": 1.5, "more": 1}})),
        [
            "Answer /0/inner/count: is a number, not an integer",
            "Answer /0/inner/more: the document does not have this property"
        ]
    );
    assert_eq!(found("GET /v1/apps?org_slug=a", "", 200, None), ["Answer : a body is required"]);
    assert_eq!(
        found("GET /v1/apps?org_slug=a", "", 206, Some(json!([]))),
        ["Answer : the document does not have the status 206 here"]
    );
    assert_eq!(found("DELETE /v1/apps/x", "", 202, Some(json!({}))), ["Answer : a body with the status 202"]);
    assert_eq!(
        found("DELETE /v1/apps/x", "", 500, Some(json!({"error": "x", "why": "y"}))),
        ["Answer /why: the document does not have this property"]
    );
    assert_eq!(found("DELETE /v1/apps/x", "", 404, None), ["Answer : an error without a body"]);
}

#[test]
fn wrong_requests_are_found_unless_they_were_refused_as_invalid() {
    let sent = |body| found("POST /v1/apps/x", body, 200, None);
    assert_eq!(sent(r#"{"nmae": "y"}"#), ["Request /nmae: the document does not have this property"]);
    assert_eq!(sent(""), ["Request : a body is required"]);
    assert_eq!(sent("{"), ["Request : the body is not JSON"]);
    assert_eq!(
        found("DELETE /v1/apps/x", r#"{"a": 1}"#, 202, None),
        ["Request : the document has no body for this request"]
    );
    assert_eq!(found("POST /v1/apps/x", "{", 400, Some(json!({"error": "invalid JSON"}))), [""; 0]);
    assert_eq!(
        found("POST /v1/apps/x", "{", 404, Some(json!({"error": "not found"}))),
        ["Request : the body is not JSON"]
    );
}

#[test]
fn wrong_queries_and_paths_are_found() {
    let asked = |query: &str| found(&format!("GET /v1/apps?{query}"), "", 200, Some(json!([])));
    assert_eq!(
        asked("limit=x"),
        ["Query limit: is not of type integer", "Query org_slug: a required parameter is missing",]
    );
    assert_eq!(asked("org_slug=a&state=up,left"), ["Query state: is not one of up, down"]);
    assert_eq!(asked("org_slug=a&label.=x"), ["Query label.: the document does not have this parameter here"]);
    assert_eq!(asked("org_slug=a&nonce=x"), ["Query nonce: the document does not have this parameter here"]);
    let nowhere = "Path : the document does not have this method and path";
    assert_eq!(found("GET /v1/apps/x", "", 200, None), [nowhere]);
    assert_eq!(found("GET /v1/nothing", "", 200, None), [nowhere]);
    assert_eq!(found("GET /v1/nothing", "", 501, Some(json!({"error": "not implemented"}))), [""; 0]);
    assert_eq!(found("DELETE /v1/apps/all", "", 200, None), [""; 0], "a literal segment wins");
}

#[test]
fn a_violation_never_shows_a_value() {
    let exchange = exchange("POST /v1/apps/x", r#"{"name": ["planted"], "secret": "planted"}"#, 200, None);
    let shown: Vec<String> = contract().check(&exchange).iter().map(|one| format!("{one} {one:?}")).collect();
    assert_eq!(shown.len(), 2);
    assert!(!shown.concat().contains("planted"), "{shown:?}");
}

#[test]
fn a_document_that_says_more_than_is_checked_is_refused() {
    let refused = |pointer: &str, value: Value| {
        let mut document = document();
        *document.pointer_mut(pointer).unwrap() = value;
        Contract::of(&document).unwrap_err().to_string()
    };
    assert_eq!(
        refused("/components/schemas/Inner", json!({"oneOf": []})),
        "the OpenAPI document cannot be used: the unknown keyword `oneOf` at `Inner`"
    );
    let lost =
        refused("/components/schemas/Inner", json!({"properties": {"x": {"$ref": "#/components/schemas/Lost"}}}));
    assert!(lost.contains("a reference to `Lost`, which is not there at `Inner/x`"), "{lost}");
}

/// Values that are like a `Thing`, or nearly so.
fn nearly() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..12_i64).prop_map(Value::from),
        (-2.0..12.0_f64).prop_map(|number| Value::from(number + 0.25)),
        prop::sample::select(vec!["a", "b", "c"]).prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::select(vec!["id", "size", "kind", "labels", "free", "inner", "count"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_validator_of_json_schema_agrees(thing in nearly()) {
        // What this checker adds is made explicit: a property that is not named is wrong.
        let mut schemas = document()["components"].clone();
        for (name, schema) in schemas["schemas"].as_object_mut().unwrap() {
            if name != "Inner" {
                schema["additionalProperties"] = json!(false);
            }
        }
        schemas["schemas"]["Thing"]["properties"]["inner"]["unevaluatedProperties"] = json!(false);
        schemas["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schemas["$ref"] = json!("#/schemas/Thing");
        let schemas: Value = serde_json::from_str(&schemas.to_string().replace("#/components/", "#/")).unwrap();
        let validator = jsonschema::validator_for(&schemas).unwrap();
        let found = answered(&thing);
        prop_assert_eq!(validator.is_valid(&thing), found.is_empty(), "{}: {:?}", thing, found);
    }
}

#[test]
fn every_known_difference_is_about_something_in_the_published_document() {
    let Some(folder) = folder() else { return };
    let contract = Contract::read(&folder).unwrap();
    assert!(contract.len() > 90, "{} operations", contract.len());
    for (method, path, name, _) in QUERIES {
        let operation = contract.operations.iter().find(|operation| operation.is(*method, path));
        assert!(operation.is_some_and(|found| !found.query.iter().any(|one| one.is_named(name))), "{path} {name}");
    }
    for (method, path, _) in BODILESS {
        assert!(contract.operations.iter().any(|operation| operation.is(*method, path)), "{path}");
    }
    for known in ANSWERS {
        assert!(contract.operations.iter().any(|operation| operation.is(known.method, known.path)), "{}", known.path);
    }
    for known in PROPERTIES {
        assert!(contract.schemas.has(known.schema), "{} is not in the document", known.schema);
    }
    assert!(Contract::deviations().iter().all(|(place, source)| !place.is_empty() && !source.is_empty()));
}
